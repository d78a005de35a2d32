//! What a cleaning keeps of a batch and of a record. Pure. Rules: Kafka's `Cleaner.cleanInto` and `shouldRetainRecord`.
//!
//! | record | kept |
//! |---|---|
//! | behind what the map knows | yes |
//! | without key | no |
//! | not the newest of its key | no |
//! | the newest, with a value | yes |
//! | the newest, a tombstone | until its batch's delete horizon; in formats 0 and 1 while its segment is young enough |
//!
//! A batch from which nothing is left goes too, unless it is the last one of a producer that the log still remembers (its
//! sequence and epoch would be forgotten) or the last one of the round (the offset would be).

use super::offset_map::{KeyHash, OffsetMap};
use crate::batch::BatchHeader;

/// What one round of cleaning goes by.
#[derive(Debug)]
pub(super) struct Round<'a> {
    /// Newest offsets of keys.
    pub(super) map: &'a OffsetMap,
    /// When the cleaning began.
    pub(super) now_ms: i64,
    /// The round ends before this offset.
    pub(super) upper_bound: i64,
    /// Tombstones of formats 0 and 1 in the segment at hand are young enough to stay.
    pub(super) keep_legacy_tombstones: bool,
}

/// The end of what the log remembers of a producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LastRecord {
    /// Of its last data batch.
    pub(crate) last_data_offset: Option<i64>,
    /// Its newest epoch.
    pub(crate) producer_epoch: i16,
}

impl LastRecord {
    fn is_in(&self, header: &BatchHeader) -> bool {
        match self.last_data_offset {
            Some(offset) => header.last_offset() == offset,
            None => header.is_control() && header.producer_epoch == self.producer_epoch,
        }
    }
}

/// What becomes of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Nothing of it stays.
    Drop,
    /// Its records are looked at.
    Filter {
        /// None of them stays; what is kept is the empty batch.
        discard_records: bool,
        /// It stays even when no record of it does.
        keep_empty: bool,
        /// It is a marker whose transaction has no data left: its horizon must be set.
        wants_horizon: bool,
    },
}

impl Fate {
    /// `can_discard`: of an aborted transaction, or a marker without one.
    pub(super) fn of(
        header: &BatchHeader,
        can_discard: bool,
        producer: Option<&LastRecord>,
        round: &Round<'_>,
    ) -> Fate {
        let is_over = || header.delete_horizon_ms().is_some_and(|horizon| horizon <= round.now_ms);
        let discard_records = can_discard && (!header.is_control() || is_over());
        let is_last_of_producer = header.has_producer_id() && producer.is_some_and(|last| last.is_in(header));
        let keep_empty = is_last_of_producer || header.next_offset() == round.upper_bound;
        if discard_records && !keep_empty {
            return Fate::Drop;
        }
        Fate::Filter { discard_records, keep_empty, wants_horizon: can_discard && header.is_control() }
    }
}

/// What is known of a record's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyFacts {
    /// There is none.
    NoKey,
    /// The newest offset of the key in the map; the smallest number when it is not there.
    Newest(i64),
}

/// What becomes of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It stays.
    Keep,
    /// It goes.
    Remove,
    /// It goes, and should never have been there: no key in a compacted log.
    Invalid,
}

impl Round<'_> {
    /// What judging a record needs to know of its key.
    pub(super) fn look_up(&self, key: KeyHash) -> KeyFacts {
        KeyFacts::Newest(self.map.get(key).unwrap_or(i64::MIN))
    }

    /// Judges a record of a batch whose records are not all discarded.
    pub(super) fn judge(&self, header: &BatchHeader, offset: i64, key: KeyFacts, has_value: bool) -> Verdict {
        if header.is_control() || offset > self.map.latest_offset {
            return Verdict::Keep;
        }
        let KeyFacts::Newest(newest) = key else { return Verdict::Invalid };
        let is_newest = offset >= newest;
        if is_newest && (has_value || self.keeps_tombstones(header)) { Verdict::Keep } else { Verdict::Remove }
    }

    fn keeps_tombstones(&self, header: &BatchHeader) -> bool {
        match header.magic {
            2 => header.delete_horizon_ms().is_none_or(|horizon| self.now_ms < horizon),
            _ => self.keep_legacy_tombstones,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::offset_map::MapLimits;
    use super::*;
    use crate::batch::{Batch, BatchBuilder, ProducerFields};

    fn map() -> OffsetMap {
        let mut map = OffsetMap::new(MapLimits::new(1 << 20, 0.9), 10);
        map.put(map.hash(b"a"), 10);
        map.put(map.hash(b"b"), 20);
        map.latest_offset = 50;
        map
    }

    fn header(build: impl FnOnce(BatchBuilder) -> BatchBuilder) -> BatchHeader {
        let mut builder = build(BatchBuilder::new().base_offset(10));
        builder.append(100, Some(b"k"), None, &[]);
        Batch::parse(&builder.build().unwrap()).unwrap().header
    }

    #[test]
    fn the_newest_record_of_a_key_stays_and_tombstones_until_their_horizon() {
        let map = map();
        let plain = header(|builder| builder);
        let early = header(|builder| builder.delete_horizon(1001));
        let due = header(|builder| builder.delete_horizon(1000));
        let old = BatchHeader { magic: 1, ..plain };
        let check = |header: &BatchHeader, offset, key: Option<&[u8]>, has_value, young, verdict| {
            let round = Round { map: &map, now_ms: 1000, upper_bound: 99, keep_legacy_tombstones: young };
            let facts = key.map_or(KeyFacts::NoKey, |key| round.look_up(map.hash(key)));
            assert_eq!(round.judge(header, offset, facts, has_value), verdict, "{header:?} {offset} {key:?}");
        };
        check(&plain, 10, Some(b"a"), true, false, Verdict::Keep);
        check(&plain, 9, Some(b"a"), true, false, Verdict::Remove);
        check(&plain, 3, Some(b"unknown"), true, false, Verdict::Keep);
        check(&plain, 50, None, true, false, Verdict::Invalid);
        check(&plain, 51, None, true, false, Verdict::Keep);
        check(&plain, 20, Some(b"b"), false, false, Verdict::Keep);
        check(&early, 20, Some(b"b"), false, false, Verdict::Keep);
        check(&due, 20, Some(b"b"), false, false, Verdict::Remove);
        check(&due, 20, Some(b"b"), true, false, Verdict::Keep);
        check(&old, 20, Some(b"b"), false, true, Verdict::Keep);
        check(&old, 20, Some(b"b"), false, false, Verdict::Remove);
        check(&header(BatchBuilder::control), 9, Some(b"a"), true, false, Verdict::Keep);
    }

    #[test]
    fn batches_that_somebody_needs_stay_empty() {
        let map = map();
        let producer = ProducerFields { id: 7, epoch: 3, base_sequence: 0 };
        let data = header(|builder| builder.producer(producer).transactional());
        let marker = header(|builder| builder.producer(producer).transactional().control());
        let due = header(|builder| builder.producer(producer).transactional().control().delete_horizon(1000));
        let at = |offset| Some(LastRecord { last_data_offset: offset, producer_epoch: 3 });
        let filter =
            |discard_records, keep_empty, wants_horizon| Fate::Filter { discard_records, keep_empty, wants_horizon };
        for (header, can_discard, last, upper_bound, fate) in [
            (&data, false, None, 99, filter(false, false, false)),
            (&data, true, None, 99, Fate::Drop),
            (&data, true, at(Some(10)), 99, filter(true, true, false)),
            (&data, true, at(Some(11)), 99, Fate::Drop),
            (&data, true, at(None), 99, Fate::Drop),
            (&data, true, None, 11, filter(true, true, false)),
            (&marker, false, None, 99, filter(false, false, false)),
            (&marker, true, None, 99, filter(false, false, true)),
            (&due, true, None, 99, Fate::Drop),
            (&due, false, None, 99, filter(false, false, false)),
            (&due, true, at(None), 99, filter(true, true, true)),
            (&due, true, Some(LastRecord { last_data_offset: None, producer_epoch: 4 }), 99, Fate::Drop),
        ] {
            let round = Round { map: &map, now_ms: 1000, upper_bound, keep_legacy_tombstones: false };
            assert_eq!(Fate::of(header, can_discard, last.as_ref(), &round), fate, "{header:?} {last:?}");
        }
    }
}
