//! From fetched bytes to records: unpacks batches of all formats, leaves out what the consumer must not see. Pure.

use std::collections::HashSet;

use bytes::Bytes;
use storage::batch::{Batch, BatchError, Batches, ControlType, Header, TimestampType};
use wire::fetch::AbortedTransaction;
use zk_paths::ids::{LeaderEpoch, Offset, TopicPartition};

use crate::admin::Isolation;

/// What the records of one batch may unpack to, bytes.
const UNPACK_LIMIT: usize = 512 << 20;

/// A record as the consumer sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerRecord {
    /// Where it is from.
    pub partition: TopicPartition,
    /// Where it is there.
    pub offset: Offset,
    /// Epoch of the leader that appended it, [`LeaderEpoch::NONE`] when unknown.
    pub leader_epoch: LeaderEpoch,
    /// Milliseconds since 1970, -1 in the oldest format.
    pub timestamp: i64,
    /// Who set the timestamp.
    pub timestamp_type: TimestampType,
    /// Its key.
    pub key: Option<Bytes>,
    /// Its value; `None` is a tombstone.
    pub value: Option<Bytes>,
    /// Its headers.
    pub headers: Vec<Header>,
}

/// What a fetch brought.
#[derive(Debug, Default)]
pub(super) struct Unpacked {
    pub records: Vec<ConsumerRecord>,
    /// Where to fetch next: behind the last batch, seen or not.
    pub next_offset: Offset,
}

/// How records are read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    pub isolation: Isolation,
    pub check_crcs: bool,
}

/// Unpacks what a fetch from `fetch_offset` on brought. Records below that offset come along in compressed batches and
/// are left out, as are control records and, when reading committed only, records of aborted transactions.
pub(super) fn unpack(
    partition: &TopicPartition,
    fetch_offset: Offset,
    bytes: Bytes,
    aborted: &[AbortedTransaction],
    reading: Reading,
) -> Result<Unpacked, BatchError> {
    let mut unpacked = Unpacked { records: Vec::new(), next_offset: fetch_offset };
    let mut transactions = Aborted::new(aborted);
    for batch in Batches::new(bytes) {
        let batch = batch?;
        if reading.check_crcs {
            batch.check_crc()?;
        }
        let hidden = reading.isolation == Isolation::ReadCommitted && transactions.hides(&batch)?;
        if !hidden && !batch.header.is_control() {
            append(partition, fetch_offset, &batch, &mut unpacked.records)?;
        }
        let next = Offset(batch.header.next_offset());
        unpacked.next_offset = unpacked.next_offset.max(next);
    }
    Ok(unpacked)
}

fn append(
    partition: &TopicPartition,
    fetch_offset: Offset,
    batch: &Batch,
    records: &mut Vec<ConsumerRecord>,
) -> Result<(), BatchError> {
    let timestamp_type = batch.header.timestamp_type();
    let leader_epoch = LeaderEpoch(batch.header.leader_epoch);
    let seen = batch.records(UNPACK_LIMIT)?.into_iter().filter(|record| record.offset >= fetch_offset.0);
    records.extend(seen.map(|record| ConsumerRecord {
        partition: partition.clone(),
        offset: Offset(record.offset),
        leader_epoch,
        timestamp: record.timestamp,
        timestamp_type,
        key: record.key,
        value: record.value,
        headers: record.headers,
    }));
    Ok(())
}

/// Aborted transactions among the fetched batches (`CompletedFetch.nextFetchedRecord`): a producer's batches are hidden
/// from its transaction's first offset on until the marker that aborts it.
struct Aborted<'a> {
    /// Not begun yet, the earliest last.
    to_come: Vec<&'a AbortedTransaction>,
    /// Producers in the middle of one.
    open: HashSet<i64>,
}

impl<'a> Aborted<'a> {
    fn new(aborted: &'a [AbortedTransaction]) -> Aborted<'a> {
        let mut to_come: Vec<&AbortedTransaction> = aborted.iter().collect();
        to_come.sort_by_key(|transaction| std::cmp::Reverse(transaction.first_offset));
        Aborted { to_come, open: HashSet::new() }
    }

    fn hides(&mut self, batch: &Batch) -> Result<bool, BatchError> {
        if !batch.header.has_producer_id() {
            return Ok(false);
        }
        while let Some(next) = self.to_come.pop_if(|next| next.first_offset <= batch.header.last_offset()) {
            self.open.insert(next.producer_id);
        }
        if batch.header.is_control() {
            let marker = batch.end_transaction_marker()?;
            if marker.is_some_and(|marker| marker.control_type == ControlType::Abort) {
                self.open.remove(&batch.header.producer_id);
            }
            return Ok(true);
        }
        Ok(batch.header.is_transactional() && self.open.contains(&batch.header.producer_id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use storage::batch::{BatchBuilder, EndTransactionMarker, ProducerFields};
    use storage::compression::Codec;

    fn batch(base_offset: i64, count: i64, producer: i64) -> Bytes {
        let mut builder = BatchBuilder::new().base_offset(base_offset).compression(Codec::Gzip);
        if producer >= 0 {
            builder = builder.producer(ProducerFields { id: producer, epoch: 0, base_sequence: 0 }).transactional();
        }
        for offset in base_offset..base_offset + count {
            builder.append(offset, None, Some(offset.to_string().as_bytes()), &[]);
        }
        builder.build().unwrap()
    }

    fn marker(offset: i64, producer: i64, control_type: ControlType) -> Bytes {
        let marker = EndTransactionMarker { control_type, coordinator_epoch: 0 };
        let mut bytes = marker.batch(producer, 0, 0, 0).to_vec();
        bytes[..8].copy_from_slice(&offset.to_be_bytes()); // the base offset stands outside of the checksum
        bytes.into()
    }

    fn check(from: i64, batches: &[Bytes], aborted: &[(i64, i64)], isolation: Isolation, want: &[i64], next: i64) {
        let aborted: Vec<AbortedTransaction> = aborted
            .iter()
            .map(|(producer_id, first_offset)| AbortedTransaction {
                producer_id: *producer_id,
                first_offset: *first_offset,
            })
            .collect();
        let partition = TopicPartition::new("t", 0);
        let reading = Reading { isolation, check_crcs: true };
        let unpacked = unpack(&partition, Offset(from), batches.concat().into(), &aborted, reading).unwrap();
        assert_eq!(unpacked.records.iter().map(|record| record.offset.0).collect::<Vec<_>>(), want);
        assert_eq!(unpacked.next_offset, Offset(next));
    }

    use Isolation::{ReadCommitted, ReadUncommitted};

    #[test]
    fn records_below_the_fetch_offset_are_left_out() {
        check(2, &[batch(0, 4, -1), batch(4, 2, -1)], &[], ReadUncommitted, &[2, 3, 4, 5], 6);
        check(7, &[], &[], ReadUncommitted, &[], 7);
    }

    #[test]
    fn a_batch_cut_short_at_the_end_is_left_for_the_next_fetch() {
        let cut = batch(2, 3, -1).slice(..70);
        check(0, &[batch(0, 2, -1), cut], &[], ReadUncommitted, &[0, 1], 2);
    }

    #[test]
    fn aborted_transactions_are_hidden_from_readers_of_committed_records_only() {
        let log = [
            batch(0, 2, 7),
            batch(2, 1, 8),
            batch(3, 1, -1),
            marker(4, 7, ControlType::Abort),
            batch(5, 1, 7),
            marker(6, 8, ControlType::Commit),
            marker(7, 7, ControlType::Commit),
        ];
        check(0, &log, &[(7, 0)], ReadCommitted, &[2, 3, 5], 8);
        check(0, &log, &[(7, 0)], ReadUncommitted, &[0, 1, 2, 3, 5], 8);
    }

    #[test]
    fn damage_is_an_error() {
        let mut bytes = batch(0, 2, -1).to_vec();
        bytes[70] ^= 1;
        let partition = TopicPartition::new("t", 0);
        let reading = |check_crcs| Reading { isolation: ReadUncommitted, check_crcs };
        let unpacked = unpack(&partition, Offset(0), bytes.into(), &[], reading(true));
        assert!(unpacked.is_err());
    }
}
