//! `/cluster/id`: the cluster's identity, written once by the first broker and equal to `cluster.id` in every
//! meta.properties. Its `version` is a string, unlike everybody else's.

use serde::Deserialize;
use serde_json::json;

use crate::{MalformedZnode, json};

/// The node's path.
pub const PATH: &str = "/cluster/id";

/// The document for a cluster id (22 characters of URL-safe base64).
pub fn encode(cluster_id: &str) -> Vec<u8> {
    json::to_bytes(&json!({"version": "1", "id": cluster_id}))
}

/// The cluster id in the document.
pub fn decode(bytes: &[u8]) -> Result<String, MalformedZnode> {
    #[derive(Deserialize)]
    struct Document {
        id: String,
    }
    json::parse::<Document>(PATH, bytes).map(|document| document.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captured_documents_survive() {
        for captured in [
            &include_bytes!("../testdata/kafka_3_9_2/cluster.id")[..],
            &include_bytes!("../testdata/kafka_2_4_1/cluster.id")[..],
        ] {
            json::check_same_value(captured, &encode(&decode(captured).unwrap()));
        }
        assert_eq!(decode(br#"{"version":"1","id":"abc"}"#).unwrap(), "abc");
        assert!(decode(b"abc").is_err());
    }
}
