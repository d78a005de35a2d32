//! What a log knows of idempotent and transactional producers: sequences, epochs, open transactions. Pure; the files
//! are `producer_snapshot.rs`.
//!
//! Per producer: its epoch and its last five batches, so that a retry of any of them is answered from memory without
//! being appended again. Transactions: *ongoing* from their first record to their marker, *unreplicated* from the
//! marker until the high watermark passes it. The first unstable offset is the lowest first offset of both kinds; the
//! last stable offset never exceeds it.
//!
//! | state of the producer | batch | outcome |
//! |---|---|---|
//! | unknown | any sequence | accepted: its records may have been deleted by retention |
//! | same epoch | equals one of the last five | duplicate |
//! | same epoch | next sequence | accepted |
//! | same epoch | other sequence | out of order |
//! | lower epoch known | sequence 0 | accepted, window starts anew |
//! | lower epoch known | other sequence | out of order |
//! | higher epoch known | any | invalid producer epoch (a warning only, when it is replicated) |
//!
//! Rules: Kafka's `ProducerStateManager`, `ProducerAppendInfo`, `ProducerStateEntry`. What replication brings is not
//! judged again, only recorded.

use std::collections::{BTreeMap, HashMap, VecDeque};

use crate::batch::{Batch, BatchError, BatchHeader, ControlType, EndTransactionMarker, NO_SEQUENCE, NO_TIMESTAMP};
use crate::txn_index::AbortedTxn;

/// Batches remembered of each producer.
pub const BATCHES_TO_RETAIN: usize = 5;

/// Who brings the records of an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppendOrigin {
    /// A producer: everything is checked.
    Client,
    /// A coordinator of this broker: offset commits and markers have no sequences.
    Coordinator,
    /// A leader, who has checked.
    Replication,
}

/// Why a producer's batch is not accepted.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
pub enum ProducerError {
    /// A gap in the sequences, or a new epoch that does not begin at 0.
    #[error("producer {producer_id}: sequence {sequence} does not follow {last_sequence}")]
    OutOfOrderSequence {
        /// Whose.
        producer_id: i64,
        /// First sequence of the batch.
        sequence: i32,
        /// Last one known, -1 none.
        last_sequence: i32,
    },
    /// A newer life of the producer is known.
    #[error("producer {producer_id}: epoch {producer_epoch} is older than {known}")]
    InvalidProducerEpoch {
        /// Whose.
        producer_id: i64,
        /// In the batch.
        producer_epoch: i16,
        /// Known.
        known: i16,
    },
    /// A plain batch while the producer has a transaction open.
    #[error("producer {producer_id}: a batch outside of its open transaction")]
    InvalidTxnState {
        /// Whose.
        producer_id: i64,
    },
    /// A marker from a coordinator that has been replaced.
    #[error("producer {producer_id}: coordinator epoch {coordinator_epoch} is older than {known}")]
    TransactionCoordinatorFenced {
        /// Whose.
        producer_id: i64,
        /// In the marker.
        coordinator_epoch: i32,
        /// Known.
        known: i32,
    },
    /// A control batch that cannot be read.
    #[error("control batch: {0}")]
    BadControl(#[from] BatchError),
}

/// One remembered batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchMetadata {
    /// Sequence of its last record.
    pub last_sequence: i32,
    /// Offset of its last record.
    pub last_offset: i64,
    /// Last offset minus first offset.
    pub offset_delta: i32,
    /// Its max timestamp.
    pub timestamp: i64,
}

impl BatchMetadata {
    /// Offset of its first record.
    pub fn first_offset(&self) -> i64 {
        self.last_offset - i64::from(self.offset_delta)
    }

    fn first_sequence(&self) -> i32 {
        let first = i64::from(self.last_sequence) - i64::from(self.offset_delta);
        (if first < 0 { first + i64::from(i32::MAX) + 1 } else { first }) as i32
    }
}

/// What is known of one producer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProducerEntry {
    /// Its newest epoch, -1 none.
    pub producer_epoch: i16,
    /// Its last batches, oldest first; at most [`BATCHES_TO_RETAIN`].
    pub batches: VecDeque<BatchMetadata>,
    /// Epoch of the coordinator that wrote its last marker, -1 none.
    pub coordinator_epoch: i32,
    /// Timestamp of its last batch or marker.
    pub last_timestamp: i64,
    /// Where its open transaction begins.
    pub txn_first_offset: Option<i64>,
}

impl Default for ProducerEntry {
    fn default() -> Self {
        ProducerEntry {
            producer_epoch: -1,
            batches: VecDeque::new(),
            coordinator_epoch: -1,
            last_timestamp: NO_TIMESTAMP,
            txn_first_offset: None,
        }
    }
}

impl ProducerEntry {
    fn last_sequence(&self) -> i32 {
        self.batches.back().map_or(NO_SEQUENCE, |batch| batch.last_sequence)
    }

    fn set_epoch(&mut self, producer_epoch: i16) {
        if self.producer_epoch != producer_epoch {
            self.batches.clear();
            self.producer_epoch = producer_epoch;
        }
    }

    fn push(&mut self, batch: BatchMetadata) {
        if self.batches.len() == BATCHES_TO_RETAIN {
            self.batches.pop_front();
        }
        self.batches.push_back(batch);
    }
}

/// All producers of one log.
#[derive(Debug, Default)]
pub struct ProducerState {
    producers: HashMap<i64, ProducerEntry>,
    /// First offset of each open transaction, with its producer.
    ongoing: BTreeMap<i64, i64>,
    /// First offset of each ended transaction above the high watermark, with its marker's offset.
    unreplicated: BTreeMap<i64, i64>,
    /// All batches below are in this state.
    map_end_offset: i64,
}

/// A transaction that its marker ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct CompletedTxn {
    producer_id: i64,
    first_offset: i64,
    last_offset: i64,
    is_aborted: bool,
}

/// What an append will change, once its bytes are written.
#[derive(Debug, Default)]
pub struct ProducerUpdate {
    entries: Vec<(i64, ProducerEntry)>,
    started: Vec<(i64, i64)>,
    completed: Vec<CompletedTxn>,
}

/// Outcome of checking the batches of an append.
#[derive(Debug)]
pub enum Checked {
    /// They may be appended; hand the update to [`ProducerState::apply`] afterwards.
    New(ProducerUpdate),
    /// One of them was appended before.
    Duplicate(BatchMetadata),
}

impl ProducerState {
    /// Knows nobody; everything below `map_end_offset` is as good as gone.
    pub fn new(map_end_offset: i64) -> ProducerState {
        ProducerState { map_end_offset, ..ProducerState::default() }
    }

    /// Judges batches that have their offsets already. Changes nothing.
    pub fn check<'a>(
        &self,
        batches: impl IntoIterator<Item = (&'a BatchHeader, Option<EndTransactionMarker>)>,
        origin: AppendOrigin,
    ) -> Result<Checked, ProducerError> {
        let mut update = ProducerUpdate::default();
        for (header, marker) in batches.into_iter().filter(|(header, _)| header.has_producer_id()) {
            if let Some(duplicate) = self.duplicate_of(header).filter(|_| origin == AppendOrigin::Client) {
                return Ok(Checked::Duplicate(duplicate));
            }
            self.check_one(header, marker, origin, &mut update)?;
        }
        Ok(Checked::New(update))
    }

    fn duplicate_of(&self, header: &BatchHeader) -> Option<BatchMetadata> {
        let entry = self.producers.get(&header.producer_id)?;
        if entry.producer_epoch != header.producer_epoch {
            return None;
        }
        let same = |batch: &&BatchMetadata| {
            batch.first_sequence() == header.base_sequence && batch.last_sequence == header.last_sequence()
        };
        entry.batches.iter().find(same).copied()
    }

    fn check_one(
        &self,
        header: &BatchHeader,
        marker: Option<EndTransactionMarker>,
        origin: AppendOrigin,
        update: &mut ProducerUpdate,
    ) -> Result<(), ProducerError> {
        if header.is_control() {
            return match marker {
                Some(marker) => self.check_marker(header, marker, origin, update),
                // All of its transaction was cleaned away, or it is of a kind we only pass on.
                None => Ok(()),
            };
        }
        let entry = self.entry_for(update, header.producer_id);
        check_epoch(header, entry, origin)?;
        if origin == AppendOrigin::Client {
            check_sequence(header, entry)?;
        }
        let is_transactional = header.is_transactional();
        if entry.txn_first_offset.is_some() && !is_transactional {
            return Err(ProducerError::InvalidTxnState { producer_id: header.producer_id });
        }
        let begins = is_transactional && entry.txn_first_offset.is_none();
        entry.set_epoch(header.producer_epoch);
        entry.push(BatchMetadata {
            last_sequence: header.last_sequence(),
            last_offset: header.last_offset(),
            offset_delta: header.last_offset_delta,
            timestamp: header.max_timestamp,
        });
        entry.last_timestamp = header.max_timestamp;
        if begins {
            entry.txn_first_offset = Some(header.base_offset);
            update.started.push((header.base_offset, header.producer_id));
        }
        Ok(())
    }

    fn check_marker(
        &self,
        header: &BatchHeader,
        marker: EndTransactionMarker,
        origin: AppendOrigin,
        update: &mut ProducerUpdate,
    ) -> Result<(), ProducerError> {
        let producer_id = header.producer_id;
        let entry = self.entry_for(update, producer_id);
        check_epoch(header, entry, origin)?;
        if entry.coordinator_epoch > marker.coordinator_epoch && origin != AppendOrigin::Replication {
            return Err(ProducerError::TransactionCoordinatorFenced {
                producer_id,
                coordinator_epoch: marker.coordinator_epoch,
                known: entry.coordinator_epoch,
            });
        }
        entry.set_epoch(header.producer_epoch);
        entry.coordinator_epoch = marker.coordinator_epoch;
        entry.last_timestamp = header.max_timestamp;
        // A marker without any record before it changes nothing for readers.
        if let Some(first_offset) = entry.txn_first_offset.take() {
            let is_aborted = marker.control_type == ControlType::Abort;
            update.completed.push(CompletedTxn {
                producer_id,
                first_offset,
                last_offset: header.base_offset,
                is_aborted,
            });
        }
        Ok(())
    }

    /// The entry as the update has it so far.
    fn entry_for<'u>(&self, update: &'u mut ProducerUpdate, producer_id: i64) -> &'u mut ProducerEntry {
        let found = update.entries.iter().position(|(id, _)| *id == producer_id);
        let number = found.unwrap_or_else(|| {
            let entry = self.producers.get(&producer_id).cloned().unwrap_or_default();
            update.entries.push((producer_id, entry));
            update.entries.len() - 1
        });
        // The position was just found or made.
        #[allow(clippy::indexing_slicing)]
        &mut update.entries[number].1
    }

    /// Takes over what was checked. Answers the aborted transactions for the transaction index.
    pub fn apply(&mut self, update: ProducerUpdate, map_end_offset: i64) -> Vec<AbortedTxn> {
        for (producer_id, entry) in update.entries {
            self.producers.insert(producer_id, entry);
        }
        self.ongoing.extend(update.started);
        let mut aborted = Vec::new();
        for txn in update.completed {
            if txn.is_aborted {
                aborted.push(AbortedTxn {
                    producer_id: txn.producer_id,
                    first_offset: txn.first_offset,
                    last_offset: txn.last_offset,
                    last_stable_offset: self.last_stable_offset_after(&txn),
                });
            }
            self.ongoing.remove(&txn.first_offset);
            self.unreplicated.insert(txn.first_offset, txn.last_offset);
        }
        self.map_end_offset = map_end_offset;
        aborted
    }

    /// What recovery and loading do: records a batch that is in the log.
    pub fn replay(&mut self, batch: &Batch) -> Result<Vec<AbortedTxn>, ProducerError> {
        let header = &batch.header;
        let end = header.next_offset();
        if !header.has_producer_id() {
            self.map_end_offset = end;
            return Ok(Vec::new());
        }
        let marker = batch.end_transaction_marker()?;
        match self.check([(header, marker)], AppendOrigin::Replication)? {
            Checked::New(update) => Ok(self.apply(update, end)),
            Checked::Duplicate(_) => Ok(Vec::new()),
        }
    }

    fn last_stable_offset_after(&self, txn: &CompletedTxn) -> i64 {
        let next_open = self.ongoing.iter().find(|(_, producer_id)| **producer_id != txn.producer_id);
        next_open.map_or(txn.last_offset + 1, |(first_offset, _)| *first_offset)
    }

    /// The lowest offset of a transaction that read-committed consumers must wait for.
    pub fn first_unstable_offset(&self) -> Option<i64> {
        let ongoing = self.ongoing.first_key_value().map(|(first, _)| *first);
        let unreplicated = self.unreplicated.first_key_value().map(|(first, _)| *first);
        ongoing.into_iter().chain(unreplicated).min()
    }

    /// Forgets ended transactions that everybody has.
    pub fn on_high_watermark(&mut self, high_watermark: i64) {
        self.unreplicated.retain(|_, last_offset| *last_offset >= high_watermark);
    }

    /// The log now begins here.
    pub fn on_log_start_offset(&mut self, log_start_offset: i64) {
        self.on_high_watermark(log_start_offset);
        self.map_end_offset = self.map_end_offset.max(log_start_offset);
    }

    /// Forgets producers that were silent for `producer.id.expiration.ms` and have no open transaction.
    pub fn remove_expired(&mut self, now_ms: i64, expiration_ms: i64) {
        self.producers.retain(|_, entry| !is_expired(entry, now_ms, expiration_ms));
    }

    /// All batches below this offset are known here.
    pub fn map_end_offset(&self) -> i64 {
        self.map_end_offset
    }

    /// Says so of more batches, which have no producer.
    pub fn set_map_end_offset(&mut self, offset: i64) {
        self.map_end_offset = offset;
    }

    /// The producers, for snapshots and DescribeProducers.
    pub fn producers(&self) -> &HashMap<i64, ProducerEntry> {
        &self.producers
    }

    /// Takes one producer out of a snapshot.
    pub(crate) fn restore(&mut self, producer_id: i64, entry: ProducerEntry) {
        if let Some(first_offset) = entry.txn_first_offset {
            self.ongoing.insert(first_offset, producer_id);
        }
        self.producers.insert(producer_id, entry);
    }
}

/// Whether a producer has been silent for too long.
pub(crate) fn is_expired(entry: &ProducerEntry, now_ms: i64, expiration_ms: i64) -> bool {
    entry.txn_first_offset.is_none() && now_ms.saturating_sub(entry.last_timestamp) >= expiration_ms
}

fn check_epoch(header: &BatchHeader, entry: &ProducerEntry, origin: AppendOrigin) -> Result<(), ProducerError> {
    if header.producer_epoch >= entry.producer_epoch {
        return Ok(());
    }
    let error = ProducerError::InvalidProducerEpoch {
        producer_id: header.producer_id,
        producer_epoch: header.producer_epoch,
        known: entry.producer_epoch,
    };
    if origin == AppendOrigin::Replication {
        tracing::warn!(%error, offset = header.base_offset, "the leader appended it all the same");
        return Ok(());
    }
    Err(error)
}

fn check_sequence(header: &BatchHeader, entry: &ProducerEntry) -> Result<(), ProducerError> {
    let last_sequence = entry.last_sequence();
    let is_known = entry.producer_epoch != -1;
    let follows = if header.producer_epoch == entry.producer_epoch {
        let wraps = header.base_sequence == 0 && last_sequence == i32::MAX;
        wraps || i64::from(header.base_sequence) == i64::from(last_sequence) + 1
    } else {
        header.base_sequence == 0
    };
    if follows || !is_known {
        return Ok(());
    }
    Err(ProducerError::OutOfOrderSequence {
        producer_id: header.producer_id,
        sequence: header.base_sequence,
        last_sequence,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{BatchBuilder, ProducerFields};

    fn header(epoch: i16, sequence: i32, count: i32, offset: i64, transactional: bool) -> BatchHeader {
        let producer = ProducerFields { id: 1, epoch, base_sequence: sequence };
        let mut builder = BatchBuilder::new().base_offset(offset).producer(producer);
        if transactional {
            builder = builder.transactional();
        }
        (0..count).for_each(|_| builder.append(100, None, Some(b"v"), &[]));
        Batch::parse(&builder.build().unwrap()).unwrap().header
    }

    /// Appends in turn; each outcome is "ok", "dup <first offset>" or the start of an error's text.
    fn run(steps: &[(i16, i32, i32, &str)]) {
        let mut state = ProducerState::new(0);
        let mut offset = 0;
        for (epoch, sequence, count, outcome) in steps {
            let header = header(*epoch, *sequence, *count, offset, false);
            let got = match state.check([(&header, None)], AppendOrigin::Client) {
                Ok(Checked::New(update)) => {
                    offset = header.next_offset();
                    state.apply(update, offset);
                    "ok".to_owned()
                }
                Ok(Checked::Duplicate(batch)) => format!("dup {}", batch.first_offset()),
                Err(error) => error.to_string(),
            };
            assert!(got.starts_with(outcome), "epoch {epoch} sequence {sequence}: {got}, wanted {outcome}");
        }
    }

    #[test]
    fn sequences_must_follow_and_retries_are_known() {
        run(&[
            (0, 0, 10, "ok"),
            (0, 10, 5, "ok"),
            (0, 10, 5, "dup 10"),
            (0, 0, 10, "dup 0"),
            (0, 16, 1, "producer 1: sequence 16 does not follow 14"),
            (0, 10, 4, "producer 1: sequence 10"),
            (0, 15, 1, "ok"),
        ]);
    }

    #[test]
    fn only_five_batches_are_remembered() {
        let mut steps: Vec<(i16, i32, i32, &str)> = (0..6).map(|n| (0, n, 1, "ok")).collect();
        steps.push((0, 0, 1, "producer 1: sequence 0"));
        steps.push((0, 1, 1, "dup 1"));
        run(&steps);
    }

    #[test]
    fn unknown_producers_may_start_anywhere_and_new_epochs_at_zero() {
        run(&[
            (3, 77, 1, "ok"),
            (2, 0, 1, "producer 1: epoch 2 is older than 3"),
            (4, 5, 1, "producer 1: sequence 5"),
            (4, 0, 1, "ok"),
        ]);
    }

    #[test]
    fn sequences_wrap() {
        run(&[(0, i32::MAX - 1, 2, "ok"), (0, 0, 1, "ok"), (0, i32::MAX - 1, 2, "dup 0")]);
        run(&[(0, i32::MAX, 3, "ok"), (0, 2, 1, "ok"), (0, i32::MAX, 3, "dup 0")]);
    }

    #[test]
    fn a_transaction_holds_back_the_stable_offset_until_its_marker_is_replicated() {
        let mut state = ProducerState::new(0);
        let data = header(0, 0, 2, 10, true);
        let Checked::New(update) = state.check([(&data, None)], AppendOrigin::Client).unwrap() else { panic!() };
        assert_eq!(state.apply(update, 12), []);
        assert_eq!(state.first_unstable_offset(), Some(10));
        let plain = header(0, 2, 1, 12, false);
        let refused = state.check([(&plain, None)], AppendOrigin::Client).unwrap_err();
        assert_eq!(refused, ProducerError::InvalidTxnState { producer_id: 1 });
        let marker = EndTransactionMarker { control_type: ControlType::Abort, coordinator_epoch: 4 };
        let mut control = Batch::parse(&marker.batch(1, 0, 0, 500)).unwrap();
        control.header.base_offset = 12;
        let aborted = state.replay(&control).unwrap();
        let expected = AbortedTxn { producer_id: 1, first_offset: 10, last_offset: 12, last_stable_offset: 13 };
        assert_eq!(aborted, [expected]);
        assert_eq!(state.first_unstable_offset(), Some(10));
        state.on_high_watermark(12);
        assert_eq!(state.first_unstable_offset(), Some(10));
        state.on_high_watermark(13);
        assert_eq!(state.first_unstable_offset(), None);
        let late = EndTransactionMarker { control_type: ControlType::Commit, coordinator_epoch: 3 };
        let check = state.check([(&control.header, Some(late))], AppendOrigin::Coordinator);
        assert!(matches!(check, Err(ProducerError::TransactionCoordinatorFenced { .. })));
    }

    #[test]
    fn silent_producers_expire_unless_a_transaction_is_open() {
        let mut state = ProducerState::new(0);
        for (offset, transactional) in [(0, false), (5, true)] {
            let mut data = header(0, 0, 1, offset, transactional);
            data.producer_id = offset;
            let Checked::New(update) = state.check([(&data, None)], AppendOrigin::Client).unwrap() else { panic!() };
            state.apply(update, offset + 1);
        }
        state.remove_expired(100 + 999, 1000);
        assert_eq!(state.producers().len(), 2);
        state.remove_expired(100 + 1000, 1000);
        assert_eq!(state.producers().keys().collect::<Vec<_>>(), [&5]);
    }
}
