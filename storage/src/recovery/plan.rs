//! What to do with the files of a partition's directory before its log is opened. Pure; `apply.rs` carries it out.
//!
//! | found | meaning | done |
//! |---|---|---|
//! | `.deleted` | was on its way out | removed |
//! | `.cleaned` | unfinished output of a cleaning or split | removed, with every `.swap` at or above the lowest one |
//! | `.swap` | finished output | replaces the segments in its range, loses its suffix |
//! | index without `.log` | left over | removed |
//! | `.log` without `.index` or `.timeindex` | crash, or somebody's hand | segment is scanned and indexed again |
//! | `.snapshot` off all segments, not the newest | cannot help | removed |
//! | anything else | not ours | left alone |

use std::collections::BTreeSet;

use crate::file_name::{FileKind, FileState, SegmentFile};

/// One step, to be carried out in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Remove this file.
    Remove(String),
    /// Rename the first to the second.
    Rename(String, String),
}

/// Steps for temporary files. A swapped log's range ends where its records end, which only reading it tells:
/// `swap_end` is the highest end of all swapped logs that [`valid_swaps`] names.
pub fn plan_temporary(names: &[String], swap_end: i64) -> Vec<Step> {
    let files = parsed(names);
    let swaps = valid_swaps(names);
    let swapped_logs = || swaps.iter().filter(|file| file.kind == FileKind::Log);
    let swap_start = swapped_logs().map(|file| file.offset).min().unwrap_or(i64::MAX);
    let mut steps = Vec::new();
    for file in &files {
        let gone = match file.state {
            FileState::Deleted | FileState::Cleaned => true,
            FileState::Swap => !swaps.contains(file),
            FileState::Plain => file.offset >= swap_start && file.offset < swap_end,
        };
        if gone {
            steps.push(Step::Remove(file.name()));
        }
    }
    // Highest first: while the lowest is still a swap file, a crash repeats all of this.
    for file in swaps.iter().rev() {
        steps.push(Step::Rename(file.name(), SegmentFile { state: FileState::Plain, ..*file }.name()));
    }
    steps
}

/// The swap files that count: those below every unfinished output.
pub fn valid_swaps(names: &[String]) -> Vec<SegmentFile> {
    let files = parsed(names);
    let cleaned = files.iter().filter(|file| file.state == FileState::Cleaned).map(|file| file.offset).min();
    let below = |file: &SegmentFile| cleaned.is_none_or(|cleaned| file.offset < cleaned);
    files.into_iter().filter(|file| file.state == FileState::Swap).filter(below).collect()
}

/// The segments of a directory without temporary files.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Layout {
    /// Ascending.
    pub segments: Vec<FoundSegment>,
    /// Offsets of producer snapshots that stay, ascending.
    pub snapshots: Vec<i64>,
    /// Files without use.
    pub steps: Vec<Step>,
}

/// One segment's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundSegment {
    /// Its first offset.
    pub base_offset: i64,
    /// Offset or time index is missing.
    pub index_missing: bool,
    /// It has a transaction index.
    pub has_txn_index: bool,
}

/// Understands the plain files of a directory.
pub fn plan_segments(names: &[String]) -> Layout {
    let files: BTreeSet<(FileKind, i64)> = parsed(names)
        .iter()
        .filter(|file| file.state == FileState::Plain)
        .map(|file| (file.kind, file.offset))
        .collect();
    let of_kind = |kind: FileKind| files.iter().filter(move |file| file.0 == kind).map(|file| file.1);
    let mut layout = Layout::default();
    for base in of_kind(FileKind::Log) {
        let has = |kind: FileKind| files.contains(&(kind, base));
        layout.segments.push(FoundSegment {
            base_offset: base,
            index_missing: !has(FileKind::OffsetIndex) || !has(FileKind::TimeIndex),
            has_txn_index: has(FileKind::TxnIndex),
        });
    }
    let bases: BTreeSet<i64> = of_kind(FileKind::Log).collect();
    for (kind, base) in &files {
        let is_index = matches!(kind, FileKind::OffsetIndex | FileKind::TimeIndex | FileKind::TxnIndex);
        if is_index && !bases.contains(base) {
            layout.steps.push(Step::Remove(kind.name(*base)));
        }
    }
    let snapshots: Vec<i64> = of_kind(FileKind::Snapshot).collect();
    // The newest of those that belong to no segment may be the one of the clean stop, if it is behind all segments.
    let last_base = bases.last().copied().unwrap_or(-1);
    let newest_stray = snapshots.iter().rev().find(|offset| !bases.contains(offset) && **offset > last_base).copied();
    for offset in snapshots {
        if bases.contains(&offset) || newest_stray == Some(offset) {
            layout.snapshots.push(offset);
        } else {
            layout.steps.push(Step::Remove(FileKind::Snapshot.name(offset)));
        }
    }
    layout
}

fn parsed(names: &[String]) -> Vec<SegmentFile> {
    let mut files: Vec<SegmentFile> = names.iter().filter_map(|name| SegmentFile::parse(name)).collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    /// File names written short: `5.log.swap` for the real 20 digits.
    fn names(text: &str) -> Vec<String> {
        text.split_whitespace().map(long).collect()
    }

    fn long(short: &str) -> String {
        match short.split_once('.') {
            Some((digits, rest)) if digits.bytes().all(|b| b.is_ascii_digit()) => format!("{digits:0>20}.{rest}"),
            _ => short.to_owned(),
        }
    }

    fn words(steps: &[Step]) -> String {
        let short = |name: &str| {
            let cut = name.trim_start_matches('0');
            if cut.starts_with('.') { format!("0{cut}") } else { cut.to_owned() }
        };
        let word = |step: &Step| match step {
            Step::Remove(name) => format!("-{}", short(name)),
            Step::Rename(from, to) => format!("{}>{}", short(from), short(to)),
        };
        steps.iter().map(word).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn temporary_files_are_finished_or_undone() {
        let check = |files: &str, swap_end, steps: &str| {
            assert_eq!(words(&plan_temporary(&names(files), swap_end)), steps, "{files}");
        };
        check("0.log 0.index leader-epoch-checkpoint foreign.txt", 0, "");
        check("0.log 0.log.deleted 0.snapshot.deleted", 0, "-0.log.deleted -0.snapshot.deleted");
        check("0.log 0.log.cleaned 0.index.cleaned", 0, "-0.log.cleaned -0.index.cleaned");
        check(
            "0.log 0.index 5.log 9.log 0.log.swap 0.index.swap",
            9,
            "-0.log -0.index -5.log 0.index.swap>0.index 0.log.swap>0.log",
        );
        check(
            "0.log 5.log 0.log.swap 7.log.swap 7.log.cleaned",
            5,
            "-0.log -7.log.cleaned -7.log.swap 0.log.swap>0.log",
        );
    }

    #[test]
    fn segments_are_listed_and_orphans_removed() {
        let layout = plan_segments(&names("0.log 0.index 0.timeindex 9.log 9.index 9.txnindex 5.timeindex 7.txnindex"));
        let found =
            |base_offset, index_missing, has_txn_index| FoundSegment { base_offset, index_missing, has_txn_index };
        assert_eq!(layout.segments, [found(0, false, false), found(9, true, true)]);
        assert_eq!(words(&layout.steps), "-5.timeindex -7.txnindex");
    }

    #[test]
    fn snapshots_of_segments_and_the_newest_behind_them_stay() {
        let check = |files: &str, kept: &[i64]| {
            assert_eq!(plan_segments(&names(files)).snapshots, kept, "{files}");
        };
        check("0.log 5.log 5.snapshot 9.snapshot", &[5, 9]);
        check("0.log 5.log 3.snapshot 5.snapshot 7.snapshot 9.snapshot", &[5, 9]);
        check("0.log 5.log 3.snapshot", &[]);
    }
}
