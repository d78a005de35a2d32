//! Control records: the markers that end a transaction.
//!
//! ```text
//! key    version 2 (0) | type 2 (0 abort, 1 commit; 2–6 belong to KRaft and are passed over)
//! value  version 2 (0) | coordinator epoch 4
//! ```

use bytes::Bytes;

use super::{BatchBuilder, ProducerFields, Record};
use crate::be::{i16_at, i32_at};

/// How a transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ControlType {
    /// Its records are not for read-committed consumers.
    Abort,
    /// Its records count.
    Commit,
}

/// The record that ends a transaction on one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndTransactionMarker {
    /// How it ended.
    pub control_type: ControlType,
    /// Epoch of the coordinator that says so.
    pub coordinator_epoch: i32,
}

impl EndTransactionMarker {
    /// Reads a control record; `None` for types that are not ours to understand.
    pub fn from_record(record: &Record) -> Option<EndTransactionMarker> {
        let control_type = match i16_at(record.key.as_deref()?, 2)? {
            0 => ControlType::Abort,
            1 => ControlType::Commit,
            _ => return None,
        };
        let coordinator_epoch = i32_at(record.value.as_deref()?, 2)?;
        Some(EndTransactionMarker { control_type, coordinator_epoch })
    }

    /// The batch that carries this marker for a producer.
    pub fn batch(self, producer_id: i64, producer_epoch: i16, leader_epoch: i32, timestamp: i64) -> Bytes {
        let kind: i16 = match self.control_type {
            ControlType::Abort => 0,
            ControlType::Commit => 1,
        };
        let mut key = 0i16.to_be_bytes().to_vec();
        key.extend_from_slice(&kind.to_be_bytes());
        let mut value = 0i16.to_be_bytes().to_vec();
        value.extend_from_slice(&self.coordinator_epoch.to_be_bytes());
        let producer = ProducerFields { id: producer_id, epoch: producer_epoch, base_sequence: -1 };
        let mut builder = BatchBuilder::new().producer(producer).transactional().control().leader_epoch(leader_epoch);
        builder.append(timestamp, Some(&key), Some(&value), &[]);
        builder.build_uncompressed()
    }
}
