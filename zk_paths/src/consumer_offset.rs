//! `/consumers/<group>/offsets/<topic>/<partition>`: offsets committed with OffsetCommit v0, as plain decimal text.

use crate::ids::{Offset, TopicPartition};
use crate::{MalformedZnode, json};

/// The root of the old consumer's nodes; open to everybody even when `zookeeper.set.acl` is on.
pub const ROOT: &str = "/consumers";

/// Where a group's offset of a partition is kept.
pub fn path(group: &str, partition: &TopicPartition) -> String {
    format!("{ROOT}/{group}/offsets/{}/{}", partition.topic, partition.partition)
}

/// The offset as text.
pub fn encode(offset: Offset) -> Vec<u8> {
    offset.to_string().into_bytes()
}

/// The offset from text.
pub fn decode(path: &str, bytes: &[u8]) -> Result<Offset, MalformedZnode> {
    json::parse_decimal(path, bytes).map(Offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_text() {
        let path = path("g", &TopicPartition::new("orders", 3));
        assert_eq!(path, "/consumers/g/offsets/orders/3");
        assert_eq!(decode(&path, &encode(Offset(123))), Ok(Offset(123)));
        assert!(decode(&path, b"{}").is_err());
    }
}
