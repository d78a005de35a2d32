//! `/controller`: the ephemeral node that says which broker is the controller.
//! Version 2 (Kafka 3.x) adds `kraftControllerEpoch`, -1 outside a migration; version 1 is Kafka 2.4's.

use serde::Deserialize;
use serde_json::json;

use crate::ids::BrokerId;
use crate::{MalformedZnode, json};

/// The node's path; every broker watches it.
pub const PATH: &str = "/controller";

/// Who is the controller, and since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControllerRegistration {
    /// The broker that won the election; during a KRaft migration the KRaft controller's id.
    pub broker_id: BrokerId,
    /// When it won, in milliseconds since 1970.
    pub timestamp_ms: i64,
    /// `None` in version 1. Anything but -1 means that a KRaft controller holds the node.
    pub kraft_controller_epoch: Option<i32>,
}

impl ControllerRegistration {
    /// Version 2 when there is a KRaft controller epoch, else version 1.
    pub fn encode(&self) -> Vec<u8> {
        let (broker_id, timestamp) = (self.broker_id, self.timestamp_ms.to_string());
        json::to_bytes(&match self.kraft_controller_epoch {
            Some(epoch) => {
                json!({"version": 2, "brokerid": broker_id, "timestamp": timestamp, "kraftControllerEpoch": epoch})
            }
            None => json!({"version": 1, "brokerid": broker_id, "timestamp": timestamp}),
        })
    }

    /// Reads either version.
    pub fn decode(bytes: &[u8]) -> Result<ControllerRegistration, MalformedZnode> {
        #[derive(Deserialize)]
        struct Document {
            brokerid: BrokerId,
            #[serde(default, deserialize_with = "json::number_or_text")]
            timestamp: i64,
            #[serde(rename = "kraftControllerEpoch")]
            kraft_controller_epoch: Option<i32>,
        }
        let document: Document = json::parse(PATH, bytes)?;
        Ok(ControllerRegistration {
            broker_id: document.brokerid,
            timestamp_ms: document.timestamp,
            kraft_controller_epoch: document.kraft_controller_epoch,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captured_documents_survive() {
        for captured in [
            &include_bytes!("../testdata/kafka_3_9_2/controller")[..],
            &include_bytes!("../testdata/kafka_2_4_1/controller")[..],
        ] {
            json::check_same_value(captured, &ControllerRegistration::decode(captured).unwrap().encode());
        }
        let err = ControllerRegistration::decode(br#"{"version":1}"#).unwrap_err();
        assert!(err.to_string().contains("/controller") && err.to_string().contains("brokerid"), "{err}");
    }
}
