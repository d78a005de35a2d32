//! `/latest_producer_id_block`: the newest block of producer ids given out, taken by compare-and-set on the data
//! version. Holds null until the first block is taken; the numbers are strings.

use serde::Deserialize;
use serde_json::json;

use crate::ids::{BrokerId, ProducerId};
use crate::{MalformedZnode, json};

/// The node's path.
pub const PATH: &str = "/latest_producer_id_block";
/// Ids per block, in every Kafka version.
pub const BLOCK_SIZE: i64 = 1000;

/// A run of producer ids that belongs to one broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProducerIdBlock {
    /// Whose block it is.
    pub broker: BrokerId,
    /// The first id.
    pub first: ProducerId,
    /// The last id, still part of the block.
    pub last: ProducerId,
}

impl ProducerIdBlock {
    /// The block after `previous` (the first of all when there is none), for `broker`. `None` when the ids are used up.
    pub fn following(previous: Option<&ProducerIdBlock>, broker: BrokerId) -> Option<ProducerIdBlock> {
        let first = previous.map_or(Some(0), |block| block.last.0.checked_add(1))?;
        let last = first.checked_add(BLOCK_SIZE - 1)?;
        Some(ProducerIdBlock { broker, first: ProducerId(first), last: ProducerId(last) })
    }

    /// The document.
    pub fn encode(&self) -> Vec<u8> {
        json::to_bytes(&json!({
            "version": 1,
            "broker": self.broker,
            "block_start": self.first.to_string(),
            "block_end": self.last.to_string(),
        }))
    }

    /// Reads the document.
    pub fn decode(bytes: &[u8]) -> Result<ProducerIdBlock, MalformedZnode> {
        #[derive(Deserialize)]
        struct Document {
            broker: BrokerId,
            #[serde(deserialize_with = "json::number_or_text")]
            block_start: i64,
            #[serde(deserialize_with = "json::number_or_text")]
            block_end: i64,
        }
        let Document { broker, block_start, block_end } = json::parse(PATH, bytes)?;
        if block_start < 0 || block_end < block_start {
            return Err(MalformedZnode::new(PATH, format!("a block cannot go from {block_start} to {block_end}")));
        }
        Ok(ProducerIdBlock { broker, first: ProducerId(block_start), last: ProducerId(block_end) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_captured_block_survives() {
        let captured = include_bytes!("../testdata/kafka_2_4_1/latest_producer_id_block");
        let block = ProducerIdBlock::decode(captured).unwrap();
        assert_eq!(block, ProducerIdBlock::following(None, BrokerId(2)).unwrap());
        json::check_same_value(captured, &block.encode());
    }

    #[test]
    fn blocks_follow_each_other_until_the_ids_are_used_up() {
        let first = ProducerIdBlock::following(None, BrokerId(1)).unwrap();
        let second = ProducerIdBlock::following(Some(&first), BrokerId(2)).unwrap();
        assert_eq!((second.first, second.last), (ProducerId(1000), ProducerId(1999)));
        let last = ProducerIdBlock { broker: BrokerId(1), first: ProducerId(0), last: ProducerId(i64::MAX - 10) };
        assert_eq!(ProducerIdBlock::following(Some(&last), BrokerId(1)), None);
    }

    #[test]
    fn a_block_that_runs_backwards_is_refused() {
        let text = br#"{"version":1,"broker":1,"block_start":"10","block_end":"9"}"#;
        assert!(ProducerIdBlock::decode(text).is_err());
        assert!(ProducerIdBlock::decode(br#"{"version":1,"broker":1,"block_start":"x","block_end":"9"}"#).is_err());
    }
}
