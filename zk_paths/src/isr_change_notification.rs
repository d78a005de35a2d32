//! `/isr_change_notification/isr_change_<seq>`: how leaders below IBP 2.7-IV2 tell the controller which partitions'
//! state nodes they rewrote. The controller reads the states again and deletes the entries.

use crate::ids::TopicPartition;
use crate::{MalformedZnode, json};

/// The parent; the controller watches its children.
pub const PATH: &str = "/isr_change_notification";
/// What a child's name starts with.
pub const PREFIX: &str = "isr_change_";

/// Where a leader creates its entry (persistent, sequential).
pub fn create_path() -> String {
    child_path(PREFIX)
}

/// One entry.
pub fn child_path(child: &str) -> String {
    format!("{PATH}/{child}")
}

/// The document that names the changed partitions.
pub fn encode(partitions: &[TopicPartition]) -> Vec<u8> {
    json::partition_list(partitions)
}

/// The changed partitions, sorted, each once.
pub fn decode(child: &str, bytes: &[u8]) -> Result<Vec<TopicPartition>, MalformedZnode> {
    json::parse_partition_list(&child_path(child), bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_survives_and_errors_name_it() {
        let partitions = vec![TopicPartition::new("orders", 0)];
        assert_eq!(decode("isr_change_0000000001", &encode(&partitions)).unwrap(), partitions);
        let err = decode("isr_change_0000000001", b"[]").unwrap_err();
        assert_eq!(err.path, "/isr_change_notification/isr_change_0000000001");
    }
}
