//! What of a log is worth cleaning, and in which pieces. Pure; `pass.rs` carries it out. Rules: Kafka's
//! `LogCleanerManager` and `Cleaner.groupSegmentsBySize`.
//!
//! ```text
//!   log start            first dirty                first uncleanable     active segment
//!      |------- clean -------|------- cleanable --------|------ not yet ------|
//! ```
//!
//! First dirty: where the last cleaning ended (`cleaner-offset-checkpoint`). First uncleanable: the base of the segment
//! that holds the last stable offset, or whose newest record is younger than `min.compaction.lag.ms`, or that is active.
//! A log is due when cleanable / (clean + cleanable) exceeds `min.cleanable.dirty.ratio`, or when its oldest dirty record is
//! older than `max.compaction.lag.ms`.

use std::ops::Range;

/// What is known of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentFacts {
    /// Its first offset.
    pub base_offset: i64,
    /// Its bytes.
    pub size: u64,
    /// Its largest timestamp; looked up only for `min.compaction.lag.ms`, else `None`.
    pub largest_timestamp_ms: Option<i64>,
    /// Timestamp of its first batch; looked up only for `max.compaction.lag.ms`, else `None`.
    pub first_timestamp_ms: Option<i64>,
}

/// What is known of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFacts {
    /// All segments, the active one last.
    pub segments: Vec<SegmentFacts>,
    /// First offset that is not clean yet, see [`first_dirty`].
    pub first_dirty: i64,
    /// Nothing at or above may be cleaned.
    pub last_stable_offset: i64,
}

/// The settings that matter. `None` switches a rule off.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CleaningRules {
    /// `min.cleanable.dirty.ratio`.
    pub min_dirty_ratio: f64,
    /// `min.compaction.lag.ms`.
    pub min_lag_ms: Option<i64>,
    /// `max.compaction.lag.ms`.
    pub max_lag_ms: Option<i64>,
    /// The time.
    pub now_ms: i64,
}

/// What a cleaning would do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cleanable {
    /// Cleaning begins here.
    pub first_dirty: i64,
    /// And ends before this base offset.
    pub first_uncleanable: i64,
    /// Bytes that are clean already.
    pub clean_bytes: u64,
    /// Bytes to be cleaned.
    pub cleanable_bytes: u64,
    /// By how much the oldest dirty record is overdue; 0 when it is not.
    pub delay_ms: i64,
}

impl Cleanable {
    /// Share of the log that is to be cleaned.
    pub fn dirty_ratio(&self) -> f64 {
        match self.clean_bytes + self.cleanable_bytes {
            0 => 0.0,
            all => self.cleanable_bytes as f64 / all as f64,
        }
    }

    /// Whether it is worth it.
    pub fn is_due(&self, rules: &CleaningRules) -> bool {
        (self.delay_ms > 0 && self.cleanable_bytes > 0) || self.dirty_ratio() > rules.min_dirty_ratio
    }
}

/// Why a checkpointed first dirty offset is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reset {
    /// Records below the log start are gone.
    BelowLogStart,
    /// The log was cut.
    AboveLogEnd,
}

/// Where the dirty part begins, and why not where the checkpoint says.
pub fn first_dirty(checkpoint: Option<i64>, log_start: i64, log_end: i64) -> (i64, Option<Reset>) {
    match checkpoint {
        Some(offset) if offset < log_start => (log_start, Some(Reset::BelowLogStart)),
        Some(offset) if offset > log_end => (log_start, Some(Reset::AboveLogEnd)),
        Some(offset) => (offset, None),
        None => (log_start, None),
    }
}

/// The numbers of segments that hold [from, to): from the one that contains `from` up to the last that begins below `to`.
pub fn segments_between(bases: &[i64], from: i64, to: i64) -> Range<usize> {
    let start = bases.partition_point(|base| *base <= from).saturating_sub(1);
    let end = bases.partition_point(|base| *base < to);
    if from == to { start..start } else { start..end.max(start) }
}

/// What a cleaning of the log would do right now.
pub fn cleanable_part(log: &LogFacts, rules: &CleaningRules) -> Cleanable {
    let bases: Vec<i64> = log.segments.iter().map(|segment| segment.base_offset).collect();
    let active_base = bases.last().copied().unwrap_or(0);
    let dirty = segments_between(&bases, log.first_dirty, active_base);
    let dirty = log.segments.get(dirty).unwrap_or_default();
    let too_young = |segment: &&SegmentFacts| match (rules.min_lag_ms, segment.largest_timestamp_ms) {
        (Some(lag_ms), Some(largest)) if lag_ms > 0 => largest > rules.now_ms.saturating_sub(lag_ms),
        _ => false,
    };
    let young_base = dirty.iter().find(too_young).map_or(i64::MAX, |segment| segment.base_offset);
    let uncleanable = log.last_stable_offset.min(active_base).min(young_base).max(log.first_dirty);
    let holder = segments_between(&bases, uncleanable, active_base);
    let first_uncleanable = bases.get(holder).and_then(<[i64]>::first).copied().unwrap_or(active_base);
    let bytes = |range: Range<usize>| log.segments.get(range).unwrap_or_default().iter().map(|s| s.size).sum();
    Cleanable {
        first_dirty: log.first_dirty,
        first_uncleanable,
        clean_bytes: bytes(segments_between(&bases, -1, log.first_dirty)),
        cleanable_bytes: bytes(segments_between(&bases, log.first_dirty.min(first_uncleanable), first_uncleanable)),
        delay_ms: overdue_ms(dirty, rules),
    }
}

fn overdue_ms(dirty: &[SegmentFacts], rules: &CleaningRules) -> i64 {
    let oldest = dirty.iter().filter_map(|segment| segment.first_timestamp_ms).filter(|at| *at > 0).min();
    match (rules.max_lag_ms, oldest) {
        (Some(lag_ms), Some(oldest)) => rules.now_ms.saturating_sub(lag_ms).saturating_sub(oldest).max(0),
        _ => 0,
    }
}

/// What decides whether segments fit together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentSizes {
    /// Its first offset.
    pub base_offset: i64,
    /// Of its records.
    pub log_bytes: u64,
    /// Of its offset index.
    pub offset_index_bytes: u64,
    /// Of its time index.
    pub time_index_bytes: u64,
}

impl SegmentSizes {
    fn plus(self, next: &SegmentSizes) -> SegmentSizes {
        SegmentSizes {
            base_offset: self.base_offset,
            log_bytes: self.log_bytes + next.log_bytes,
            offset_index_bytes: self.offset_index_bytes + next.offset_index_bytes,
            time_index_bytes: self.time_index_bytes + next.time_index_bytes,
        }
    }
}

/// Joins neighbours that become one segment: as many as fit `segment.bytes`, `segment.index.bytes` and 31 bits of offset.
pub fn group_segments(
    segments: &[SegmentSizes],
    segment_bytes: u64,
    index_bytes: u64,
    first_uncleanable: i64,
) -> Vec<Range<usize>> {
    let mut groups = Vec::new();
    let mut group: Option<(Range<usize>, SegmentSizes)> = None;
    for (number, segment) in segments.iter().enumerate() {
        // Only a guess, never below the truth: reading the segment to its end would cost too much.
        let end = segments.get(number + 1).map_or(first_uncleanable, |next| next.base_offset);
        let joined = group.take().map(|(range, sizes)| (range, sizes, sizes.plus(segment)));
        group = Some(match joined {
            None => (number..number + 1, *segment),
            Some((range, _, all)) if fits(&all, segment, end, segment_bytes, index_bytes) => {
                (range.start..number + 1, all)
            }
            Some((range, ..)) => {
                groups.push(range);
                (number..number + 1, *segment)
            }
        });
    }
    groups.extend(group.map(|(range, _)| range));
    groups
}

fn fits(all: &SegmentSizes, added: &SegmentSizes, end: i64, segment_bytes: u64, index_bytes: u64) -> bool {
    all.log_bytes <= segment_bytes
        && all.offset_index_bytes <= index_bytes
        && all.time_index_bytes <= index_bytes
        && (added.log_bytes == 0 || end - 1 - all.base_offset <= i64::from(i32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: CleaningRules =
        CleaningRules { min_dirty_ratio: 0.5, min_lag_ms: None, max_lag_ms: None, now_ms: 1000 };

    /// Segments of 100 bytes each ten offsets, with these first timestamps and largest ones one above.
    fn log(first_dirty: i64, last_stable_offset: i64, timestamps: &[i64]) -> LogFacts {
        let segment = |(number, at): (usize, &i64)| SegmentFacts {
            base_offset: 10 * number as i64,
            size: 100,
            largest_timestamp_ms: Some(at + 1),
            first_timestamp_ms: Some(*at),
        };
        LogFacts { segments: timestamps.iter().enumerate().map(segment).collect(), first_dirty, last_stable_offset }
    }

    fn check(log: &LogFacts, rules: CleaningRules, uncleanable: i64, clean: u64, cleanable: u64, due: bool) {
        let found = cleanable_part(log, &rules);
        let got = (found.first_uncleanable, found.clean_bytes, found.cleanable_bytes, found.is_due(&rules));
        assert_eq!(got, (uncleanable, clean, cleanable, due), "{log:?} {rules:?}");
    }

    #[test]
    fn whole_segments_below_the_last_stable_offset_are_cleanable() {
        let times = [1; 4];
        check(&log(0, 40, &times), RULES, 30, 0, 300, true);
        check(&log(0, 29, &times), RULES, 20, 0, 200, true);
        check(&log(0, 30, &times), RULES, 30, 0, 300, true);
        check(&log(10, 40, &times), RULES, 30, 100, 200, true);
        check(&log(20, 40, &times), RULES, 30, 200, 100, false);
        check(&log(30, 40, &times), RULES, 30, 300, 0, false);
        // A map that was full in the middle of a segment: the segment counts on both sides, as in Kafka.
        check(&log(15, 40, &times), RULES, 30, 200, 200, false);
        check(&log(0, 5, &times), RULES, 0, 0, 0, false);
        check(&log(35, 40, &times), RULES, 30, 400, 0, false);
        check(&log(0, 9, &[1]), RULES, 0, 0, 0, false);
    }

    #[test]
    fn young_segments_wait_and_old_ones_do_not() {
        let times = [100, 200, 900, 100];
        let lag = |min, max| CleaningRules { min_lag_ms: min, max_lag_ms: max, ..RULES };
        check(&log(0, 40, &times), lag(Some(500), None), 20, 0, 200, true);
        check(&log(0, 40, &times), lag(Some(100), None), 20, 0, 200, true);
        check(&log(0, 40, &times), lag(Some(99), None), 30, 0, 300, true);
        check(&log(20, 40, &times), lag(None, Some(99)), 30, 200, 100, true);
        check(&log(20, 40, &times), lag(None, Some(100)), 30, 200, 100, false);
        assert_eq!(cleanable_part(&log(0, 40, &times), &lag(None, Some(600))).delay_ms, 300);
        // Overdue, but nothing may be cleaned.
        check(&log(20, 20, &times), lag(None, Some(1)), 20, 200, 0, false);
    }

    #[test]
    fn a_checkpoint_off_the_log_begins_anew() {
        assert_eq!(first_dirty(None, 5, 10), (5, None));
        assert_eq!(first_dirty(Some(5), 5, 10), (5, None));
        assert_eq!(first_dirty(Some(10), 5, 10), (10, None));
        assert_eq!(first_dirty(Some(4), 5, 10), (5, Some(Reset::BelowLogStart)));
        assert_eq!(first_dirty(Some(11), 5, 10), (5, Some(Reset::AboveLogEnd)));
    }

    #[test]
    fn neighbours_join_as_far_as_every_limit_allows() {
        let sizes = |base_offset, log_bytes, offset_index_bytes, time_index_bytes| SegmentSizes {
            base_offset,
            log_bytes,
            offset_index_bytes,
            time_index_bytes,
        };
        let far = i64::from(i32::MAX);
        for (segments, groups) in [
            (vec![], vec![]),
            (vec![sizes(0, 60, 8, 12), sizes(10, 40, 8, 12), sizes(20, 1, 8, 12)], vec![(0, 2), (2, 3)]),
            (vec![sizes(0, 500, 8, 12), sizes(10, 40, 8, 12), sizes(20, 1, 8, 12)], vec![(0, 1), (1, 3)]),
            (vec![sizes(0, 1, 40, 12), sizes(10, 1, 8, 12), sizes(20, 1, 8, 12)], vec![(0, 2), (2, 3)]),
            (vec![sizes(0, 1, 8, 40), sizes(10, 1, 8, 12), sizes(20, 1, 8, 12)], vec![(0, 1), (1, 3)]),
            (vec![sizes(0, 1, 0, 0), sizes(10, 1, 0, 0), sizes(far + 1, 1, 0, 0)], vec![(0, 2), (2, 3)]),
            (vec![sizes(0, 1, 0, 0), sizes(10, 1, 0, 0), sizes(far + 2, 1, 0, 0)], vec![(0, 1), (1, 2), (2, 3)]),
            (vec![sizes(0, 1, 0, 0), sizes(10, 0, 0, 0), sizes(far + 2, 0, 0, 0)], vec![(0, 3)]),
        ] {
            let end = segments.last().map_or(0, |last| last.base_offset + 10);
            let found = group_segments(&segments, 100, 48, end);
            let found: Vec<_> = found.into_iter().map(|range| (range.start, range.end)).collect();
            assert_eq!(found, groups, "{segments:?}");
        }
    }
}
