//! Which segments may be deleted. Pure; `Log::apply_retention` carries it out.
//!
//! | rule | a segment goes when |
//! |---|---|
//! | start offset | the next one begins at or below the log start offset (also on compact-only topics) |
//! | size | the log without it and its elders still has `retention.bytes` |
//! | time | its largest timestamp is more than `retention.ms` ago; a timestamp in the future keeps it |
//!
//! Only from the oldest on, without gaps, and never what the high watermark has not passed. An empty active segment
//! stays. Kafka applies the rules one after the other, and so does this.

/// What is known of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentSummary {
    /// Its first offset.
    pub base_offset: i64,
    /// Its bytes.
    pub size: u64,
    /// Its largest timestamp, or when it was last changed if it has none.
    pub largest_timestamp_ms: i64,
}

/// What the rules depend on. `None` switches a rule off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetentionRules {
    /// `retention.ms`.
    pub retention_ms: Option<i64>,
    /// `retention.bytes`.
    pub retention_bytes: Option<u64>,
    /// Where the log starts.
    pub log_start_offset: i64,
    /// Nothing at or above goes.
    pub high_watermark: i64,
    /// Where the log ends.
    pub log_end_offset: i64,
    /// The time.
    pub now_ms: i64,
}

/// How many of the oldest segments may go. May be all of them: the caller then begins a new one first.
pub fn plan_retention(segments: &[SegmentSummary], rules: &RetentionRules) -> usize {
    let count = below_start(segments, rules);
    let count = count + above_size(segments.get(count..).unwrap_or_default(), rules);
    count + too_old(segments.get(count..).unwrap_or_default(), rules)
}

fn below_start(segments: &[SegmentSummary], rules: &RetentionRules) -> usize {
    deletable(segments, rules, |_, next| next.is_some_and(|next| next.base_offset <= rules.log_start_offset))
}

fn above_size(segments: &[SegmentSummary], rules: &RetentionRules) -> usize {
    let Some(retention_bytes) = rules.retention_bytes else { return 0 };
    let size: u64 = segments.iter().map(|segment| segment.size).sum();
    let Some(mut surplus) = size.checked_sub(retention_bytes) else { return 0 };
    deletable(segments, rules, |segment, _| match surplus.checked_sub(segment.size) {
        Some(left) => {
            surplus = left;
            true
        }
        None => false,
    })
}

fn too_old(segments: &[SegmentSummary], rules: &RetentionRules) -> usize {
    let Some(retention_ms) = rules.retention_ms else { return 0 };
    deletable(segments, rules, |segment, _| rules.now_ms.saturating_sub(segment.largest_timestamp_ms) > retention_ms)
}

fn deletable(
    segments: &[SegmentSummary],
    rules: &RetentionRules,
    mut may_go: impl FnMut(&SegmentSummary, Option<&SegmentSummary>) -> bool,
) -> usize {
    let mut count = 0;
    for (number, segment) in segments.iter().enumerate() {
        let next = segments.get(number + 1);
        let end_offset = next.map_or(rules.log_end_offset, |next| next.base_offset);
        let is_empty_active = next.is_none() && segment.size == 0;
        if is_empty_active || rules.high_watermark < end_offset || !may_go(segment, next) {
            break;
        }
        count += 1;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: RetentionRules = RetentionRules {
        retention_ms: None,
        retention_bytes: None,
        log_start_offset: 0,
        high_watermark: 40,
        log_end_offset: 40,
        now_ms: 1000,
    };

    /// Four segments of 100 bytes at 0, 10, 20 and 30, with these largest timestamps.
    fn check(timestamps: [i64; 4], rules: RetentionRules, count: usize) {
        let segments: Vec<_> = timestamps
            .iter()
            .zip([0, 10, 20, 30])
            .map(|(at, base_offset)| SegmentSummary { base_offset, size: 100, largest_timestamp_ms: *at })
            .collect();
        assert_eq!(plan_retention(&segments, &rules), count, "{rules:?}");
    }

    #[test]
    fn each_rule_takes_the_oldest() {
        let times = [100, 200, 300, 400];
        check(times, RULES, 0);
        check(times, RetentionRules { log_start_offset: 20, ..RULES }, 2);
        check(times, RetentionRules { log_start_offset: 19, ..RULES }, 1);
        check(times, RetentionRules { retention_bytes: Some(250), ..RULES }, 1);
        check(times, RetentionRules { retention_bytes: Some(200), ..RULES }, 2);
        check(times, RetentionRules { retention_bytes: Some(0), ..RULES }, 4);
        check(times, RetentionRules { retention_ms: Some(800), ..RULES }, 1);
        check(times, RetentionRules { retention_ms: Some(0), ..RULES }, 4);
    }

    #[test]
    fn a_young_segment_protects_its_elders_successors() {
        check([100, 999, 100, 100], RetentionRules { retention_ms: Some(500), ..RULES }, 1);
        check([5000, 100, 100, 100], RetentionRules { retention_ms: Some(0), ..RULES }, 0);
    }

    #[test]
    fn nothing_above_the_high_watermark_goes() {
        let all = RetentionRules { retention_ms: Some(0), high_watermark: 29, ..RULES };
        check([1; 4], all, 2);
        check([1; 4], RetentionRules { high_watermark: 39, ..all }, 3);
    }

    #[test]
    fn rules_add_up_and_an_empty_active_segment_stays() {
        let rules = RetentionRules { log_start_offset: 10, retention_bytes: Some(200), ..RULES };
        check([1; 4], rules, 2);
        let empty = SegmentSummary { base_offset: 40, size: 0, largest_timestamp_ms: 0 };
        assert_eq!(plan_retention(&[empty], &RetentionRules { retention_ms: Some(0), ..RULES }), 0);
    }
}
