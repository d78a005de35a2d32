//! Makes magic 2 batches: for the coordinators' records, markers, recompression and our own clients.

use std::io;

use bytes::Bytes;

use super::record::{NO_HEADERS, put_headers, put_record};
use super::{BatchHeader, CONTROL, DELETE_HORIZON, HEADER_SIZE, Header, LOG_APPEND_TIME, NO_TIMESTAMP};
use super::{TRANSACTIONAL, TimestampType};
use crate::compression::{Codec, Compression, Lz4Checksum, compress};

/// Who produced a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducerFields {
    /// -1 none.
    pub id: i64,
    /// -1 none.
    pub epoch: i16,
    /// Sequence of the first record, -1 none.
    pub base_sequence: i32,
}

/// A batch under construction. Records get the offsets 0, 1, … from the base offset unless they name their own.
#[derive(Debug, Clone)]
pub struct BatchBuilder {
    compression: Compression,
    base_offset: i64,
    leader_epoch: i32,
    attributes: i16,
    producer: ProducerFields,
    base_timestamp: Option<i64>,
    max_timestamp: i64,
    next_offset: i64,
    count: i32,
    records: Vec<u8>,
}

impl Default for BatchBuilder {
    fn default() -> Self {
        BatchBuilder {
            compression: Compression::default(),
            base_offset: 0,
            leader_epoch: -1,
            attributes: 0,
            producer: ProducerFields { id: -1, epoch: -1, base_sequence: -1 },
            base_timestamp: None,
            max_timestamp: NO_TIMESTAMP,
            next_offset: 0,
            count: 0,
            records: Vec::new(),
        }
    }
}

impl BatchBuilder {
    /// An uncompressed batch at offset 0 without producer, as a client sends it.
    pub fn new() -> BatchBuilder {
        BatchBuilder::default()
    }

    /// Packs the records when the batch is built.
    pub fn compression(mut self, compression: impl Into<Compression>) -> Self {
        self.compression = compression.into();
        self
    }

    /// Offset of the first record. To be set before records are appended.
    pub fn base_offset(mut self, base_offset: i64) -> Self {
        self.base_offset = base_offset;
        self.next_offset = base_offset;
        self
    }

    /// Epoch of the leader that appends it.
    pub fn leader_epoch(mut self, leader_epoch: i32) -> Self {
        self.leader_epoch = leader_epoch;
        self
    }

    /// Who produced it.
    pub fn producer(mut self, producer: ProducerFields) -> Self {
        self.producer = producer;
        self
    }

    /// Marks it as part of a transaction.
    pub fn transactional(mut self) -> Self {
        self.attributes |= TRANSACTIONAL;
        self
    }

    /// Marks it as a control batch.
    pub fn control(mut self) -> Self {
        self.attributes |= CONTROL;
        self
    }

    /// Gives all records this time as log append time.
    pub fn log_append_time(mut self, now_ms: i64) -> Self {
        self.attributes |= LOG_APPEND_TIME;
        self.base_timestamp = Some(now_ms);
        self.max_timestamp = now_ms;
        self
    }

    /// Stamps the time after which tombstones in it may go.
    pub fn delete_horizon(mut self, at_ms: i64) -> Self {
        self.attributes |= DELETE_HORIZON;
        self.base_timestamp = Some(at_ms);
        self
    }

    /// Adds a record at the next offset.
    pub fn append(&mut self, timestamp: i64, key: Option<&[u8]>, value: Option<&[u8]>, headers: &[Header]) {
        self.append_at(self.next_offset, timestamp, key, value, headers);
    }

    /// Adds a record at an offset of its own, above the last one.
    pub fn append_at(
        &mut self,
        offset: i64,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header],
    ) {
        let base_timestamp = *self.base_timestamp.get_or_insert(timestamp);
        let is_append_time = self.attributes & LOG_APPEND_TIME != 0;
        let timestamp_delta = if is_append_time { 0 } else { timestamp.wrapping_sub(base_timestamp) };
        let mut encoded = Vec::new();
        let headers = match headers {
            [] => NO_HEADERS,
            _ => {
                put_headers(&mut encoded, headers);
                &encoded
            }
        };
        put_record(&mut self.records, offset - self.base_offset, timestamp_delta, key, value, headers);
        if !is_append_time {
            self.max_timestamp = self.max_timestamp.max(timestamp);
        }
        self.next_offset = offset + 1;
        self.count += 1;
    }

    /// Records so far.
    pub fn record_count(&self) -> i32 {
        self.count
    }

    /// Bytes the batch would have uncompressed.
    pub fn uncompressed_size(&self) -> usize {
        HEADER_SIZE + self.records.len()
    }

    /// The batch. Fails only when the codec does.
    pub fn build(self) -> io::Result<Bytes> {
        if self.compression.codec == Codec::None {
            return Ok(self.build_uncompressed());
        }
        let packed = compress(self.compression, &self.records, Lz4Checksum::Standard)?;
        Ok(self.assemble(self.compression.codec, &packed))
    }

    /// The batch without compression, which cannot fail.
    pub(crate) fn build_uncompressed(self) -> Bytes {
        self.assemble(Codec::None, &self.records)
    }

    fn assemble(&self, codec: Codec, records: &[u8]) -> Bytes {
        let mut out = vec![0; HEADER_SIZE];
        out.extend_from_slice(records);
        let header = BatchHeader {
            base_offset: self.base_offset,
            size: out.len(),
            leader_epoch: self.leader_epoch,
            magic: 2,
            crc: 0,
            attributes: self.attributes | i16::from(codec.id()),
            last_offset_delta: (self.next_offset - self.base_offset - 1).max(0) as i32,
            base_timestamp: self.base_timestamp.unwrap_or(NO_TIMESTAMP),
            max_timestamp: self.max_timestamp,
            producer_id: self.producer.id,
            producer_epoch: self.producer.epoch,
            base_sequence: self.producer.base_sequence,
            record_count: self.count,
        };
        header.seal(&mut out);
        out.into()
    }

    /// Who sets the timestamps of this batch.
    pub fn timestamp_type(&self) -> TimestampType {
        if self.attributes & LOG_APPEND_TIME != 0 { TimestampType::LogAppendTime } else { TimestampType::CreateTime }
    }
}
