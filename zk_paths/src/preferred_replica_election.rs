//! `/admin/preferred_replica_election`: written by Kafka 2.4's tool to ask for preferred leaders; the controller
//! deletes it when it has tried.

use crate::ids::TopicPartition;
use crate::{MalformedZnode, json};

/// The node's path.
pub const PATH: &str = "/admin/preferred_replica_election";

/// The document that asks for these partitions.
pub fn encode(partitions: &[TopicPartition]) -> Vec<u8> {
    json::partition_list(partitions)
}

/// The partitions asked for, sorted, each once.
pub fn decode(bytes: &[u8]) -> Result<Vec<TopicPartition>, MalformedZnode> {
    json::parse_partition_list(PATH, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_example_survives() {
        let text = br#"{"version":1,"partitions":[{"topic":"orders","partition":0},{"topic":"a","partition":7}]}"#;
        let partitions = decode(text).unwrap();
        assert_eq!(partitions, [TopicPartition::new("a", 7), TopicPartition::new("orders", 0)]);
        assert_eq!(decode(&encode(&partitions)).unwrap(), partitions);
        assert!(decode(br#"{"version":1}"#).is_err());
    }
}
