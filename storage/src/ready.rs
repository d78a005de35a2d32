//! Batches that passed every check and wait for their offsets: a patched beginning in front of the untouched rest.
//!
//! Offsets and leader epoch are outside the checksum of magic 2, the offset also outside that of magic 0 and 1, so that the
//! common batch goes to the file as it came but for its first 16 (or 8) bytes. One case cannot wait: wrappers of magic 0 hold
//! absolute offsets inside, and are packed when these are known ([`LateWrapper`]).

use std::io::Write;

use bytes::Bytes;

use crate::batch::{
    Batch, BatchError, BatchHeader, EndTransactionMarker, HEADER_SIZE, LOG_APPEND_TIME, LOG_OVERHEAD, NO_TIMESTAMP,
    TimestampType, bad_stream,
};
use crate::be::{i32_at, put_at};
use crate::compression::{Compression, Packer};
use crate::crc::crc32c_of_two;
use crate::legacy::{self, Stamp};

/// Bytes up to the leader epoch's end: what a leader rewrites of magic 2.
const ASSIGNED: usize = LOG_OVERHEAD + 4;
/// Likewise of magic 0 and 1: the offset.
const ASSIGNED_LEGACY: usize = 8;
/// Bytes up to the end of a magic 1 message's timestamp.
const LEGACY_HEAD: usize = 26;

/// A batch on its way to the file.
#[derive(Debug, Clone)]
pub(crate) struct ReadyBatch {
    /// The header as it will be in the file.
    pub(crate) header: BatchHeader,
    /// What it ends, if it is a control batch.
    pub(crate) marker: Option<EndTransactionMarker>,
    /// How many offsets it takes.
    offsets: i64,
    head: [u8; HEADER_SIZE],
    /// Bytes of `head` that are used; the rest begins there.
    head_len: usize,
    bytes: Bytes,
    late: Option<LateWrapper>,
}

/// Messages of magic 0 that are packed when their offsets are known.
#[derive(Debug, Clone)]
pub(crate) struct LateWrapper {
    /// One behind the other, with offsets 0, 1, 2, …
    pub(crate) messages: Vec<u8>,
    pub(crate) compression: Compression,
}

impl ReadyBatch {
    /// A batch that is written as it is. One of magic 0 or 1 takes one offset, unless [`ReadyBatch::with_offsets`] says more.
    pub(crate) fn untouched(batch: Batch) -> Result<ReadyBatch, BatchError> {
        let marker = batch.end_transaction_marker()?;
        Ok(ReadyBatch { marker, ..ReadyBatch::in_file(&batch) })
    }

    /// A batch that has been written already.
    pub(crate) fn in_file(batch: &Batch) -> ReadyBatch {
        let offsets = i64::from(batch.header.last_offset_delta) + 1;
        let (header, bytes) = (batch.header, batch.bytes.clone());
        ReadyBatch { header, marker: None, offsets, head: [0; HEADER_SIZE], head_len: 0, bytes, late: None }
    }

    /// A wrapper of this many messages.
    pub(crate) fn with_offsets(self, offsets: i64) -> ReadyBatch {
        ReadyBatch { offsets, ..self }
    }

    /// A wrapper that is yet to be packed; `self` is an empty one.
    pub(crate) fn packed_late(self, late: LateWrapper) -> ReadyBatch {
        ReadyBatch { late: Some(late), ..self }
    }

    /// The two parts to write.
    pub(crate) fn parts(&self) -> (&[u8], &[u8]) {
        let head = self.head.get(..self.head_len).unwrap_or_default();
        (head, self.bytes.get(self.head_len..).unwrap_or_default())
    }

    /// How many records it holds; of batches that a follower took, as far as they say.
    pub(crate) fn record_count(&self) -> u64 {
        let count = if self.header.magic == 2 { i64::from(self.header.record_count) } else { self.offsets };
        u64::try_from(count).unwrap_or(0)
    }

    /// Patches the first `len` bytes.
    fn use_head(&mut self, len: usize) {
        if let (Some(head), Some(bytes)) = (self.head.get_mut(self.head_len..len), self.bytes.get(self.head_len..len)) {
            head.copy_from_slice(bytes);
            self.head_len = len;
        }
    }

    /// Sets type and value of the max timestamp; the checksum follows. Messages of magic 0 have none.
    pub(crate) fn set_max_timestamp(&mut self, kind: TimestampType, max_timestamp: i64) {
        let is_as_wanted = self.header.timestamp_type() == kind && self.header.max_timestamp == max_timestamp;
        if is_as_wanted || self.header.magic == 0 {
            return;
        }
        self.header.attributes = match kind {
            TimestampType::LogAppendTime => self.header.attributes | LOG_APPEND_TIME,
            TimestampType::CreateTime => self.header.attributes & !LOG_APPEND_TIME,
        };
        self.header.max_timestamp = max_timestamp;
        if self.header.magic == 2 {
            self.use_head(HEADER_SIZE);
            put_at(&mut self.head, 21, &self.header.attributes.to_be_bytes());
            put_at(&mut self.head, 35, &max_timestamp.to_be_bytes());
            let (head, rest) = self.parts();
            self.header.crc = crc32c_of_two(head.get(21..).unwrap_or_default(), rest);
            put_at(&mut self.head, 17, &self.header.crc.to_be_bytes());
        } else {
            self.use_head(LEGACY_HEAD);
            self.header.base_timestamp = max_timestamp;
            put_at(&mut self.head, 17, &[self.header.attributes as u8]);
            put_at(&mut self.head, 18, &max_timestamp.to_be_bytes());
            let (head, rest) = self.parts();
            let mut crc = crc32fast::Hasher::new();
            crc.update(head.get(16..).unwrap_or_default());
            crc.update(rest);
            self.header.crc = crc.finalize();
            put_at(&mut self.head, 12, &self.header.crc.to_be_bytes());
        }
    }

    /// Gives it the offsets from `next_offset` on; answers the one that follows.
    fn assign(&mut self, next_offset: i64, leader_epoch: i32) -> Result<i64, BatchError> {
        let following = next_offset.saturating_add(self.offsets);
        if self.header.magic == 2 {
            self.use_head(ASSIGNED);
            self.header.base_offset = next_offset;
            self.header.leader_epoch = leader_epoch;
            put_at(&mut self.head, LOG_OVERHEAD, &leader_epoch.to_be_bytes());
        } else {
            if let Some(late) = self.late.take() {
                self.pack(late, next_offset)?;
            }
            self.use_head(ASSIGNED_LEGACY);
            self.header.base_offset = following - 1;
        }
        put_at(&mut self.head, 0, &self.header.base_offset.to_be_bytes());
        Ok(following)
    }

    fn pack(&mut self, late: LateWrapper, first_offset: i64) -> Result<(), BatchError> {
        let LateWrapper { mut messages, compression } = late;
        let mut at = 0;
        for offset in first_offset.. {
            let Some(size) = i32_at(&messages, at + 8) else { break };
            put_at(&mut messages, at, &offset.to_be_bytes());
            at += LOG_OVERHEAD + size.unsigned_abs() as usize;
        }
        let mut out = Vec::new();
        let wrapper = legacy::begin_wrapper(&mut out, 0);
        let failed = |error| bad_stream(&self.header, &error);
        let mut packer = Packer::new(compression, legacy::lz4_checksum(0), out).map_err(failed)?;
        packer.write_all(&messages).map_err(failed)?;
        let mut out = packer.finish().map_err(failed)?;
        let stamp = Stamp { magic: 0, timestamp: NO_TIMESTAMP, timestamp_type: TimestampType::CreateTime };
        legacy::end_wrapper(&mut out, wrapper, 0, stamp, compression.codec);
        let packed = Batch::parse(&out.into())?;
        (self.header, self.bytes) = (packed.header, packed.bytes);
        Ok(())
    }
}

/// Records that passed every check that needs no offset.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) batches: Vec<ReadyBatch>,
    /// Offset of the first record, as far as it is known: followers do not look into old formats.
    pub(crate) first_offset: Option<i64>,
    /// Set when the topic has log append time.
    pub(crate) log_append_time: Option<i64>,
}

impl Prepared {
    /// Gives out offsets from `next_offset` on.
    pub(crate) fn assign(&mut self, mut next_offset: i64, leader_epoch: i32) -> Result<(), BatchError> {
        self.first_offset = Some(next_offset);
        for batch in &mut self.batches {
            next_offset = batch.assign(next_offset, leader_epoch)?;
        }
        Ok(())
    }

    pub(crate) fn max_timestamp(&self) -> i64 {
        self.batches.iter().map(|batch| batch.header.max_timestamp).max().unwrap_or(NO_TIMESTAMP)
    }

    /// Bytes of all batches.
    pub(crate) fn size(&self) -> usize {
        self.batches.iter().map(|batch| batch.header.size).sum()
    }

    /// Records in all batches.
    pub(crate) fn record_count(&self) -> u64 {
        self.batches.iter().map(ReadyBatch::record_count).sum()
    }
}
