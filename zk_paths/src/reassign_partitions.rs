//! `/admin/reassign_partitions`: reassignments asked for by Kafka 2.4's tool. The controller rewrites the node as
//! moves finish and deletes it when none is left.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use crate::ids::{BrokerId, TopicPartition};
use crate::{MalformedZnode, json};

/// The node's path.
pub const PATH: &str = "/admin/reassign_partitions";

/// The document that asks for these target replicas.
pub fn encode(targets: &BTreeMap<TopicPartition, Vec<BrokerId>>) -> Vec<u8> {
    let partitions: Vec<_> = targets
        .iter()
        .map(|(tp, replicas)| json!({"topic": &*tp.topic, "partition": tp.partition, "replicas": replicas}))
        .collect();
    json::to_bytes(&json!({"version": 1, "partitions": partitions}))
}

/// The target replicas per partition; of several entries for one partition the last counts.
pub fn decode(bytes: &[u8]) -> Result<BTreeMap<TopicPartition, Vec<BrokerId>>, MalformedZnode> {
    #[derive(Deserialize)]
    struct Document {
        partitions: Vec<Entry>,
    }
    #[derive(Deserialize)]
    struct Entry {
        topic: String,
        partition: i32,
        replicas: Vec<BrokerId>,
    }
    let document: Document = json::parse(PATH, bytes)?;
    Ok(document
        .partitions
        .into_iter()
        .map(|entry| (TopicPartition::new(entry.topic, entry.partition), entry.replicas))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_example_survives() {
        let text = br#"{"version":1,"partitions":[{"topic":"orders","partition":0,"replicas":[1,2]}]}"#;
        json::check_same_value(text, &encode(&decode(text).unwrap()));
        assert!(decode(br#"{"version":1,"partitions":[{"topic":"orders"}]}"#).is_err());
    }
}
