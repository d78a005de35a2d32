//! Names of files and directories, both ways.
//!
//! ```text
//! <topic>-<partition>                        a partition
//! <topic>-<partition>.<32 hex>-delete        waiting for deletion; the whole name is at most 255 characters
//! <topic>-<partition>.<32 hex>-future        being built by a move between directories
//! <topic>-<partition>.<32 hex>-stray         recognised only
//! <20-digit base offset>.log .index .timeindex .txnindex .snapshot    each perhaps with .deleted .cleaned .swap
//! ```
//!
//! The partition's number is what follows the last dash.

use zk_paths::ids::TopicPartition;

/// Kinds of files in a partition's directory that belong to an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileKind {
    /// Batches.
    Log,
    /// Offset to position.
    OffsetIndex,
    /// Timestamp to offset.
    TimeIndex,
    /// Aborted transactions.
    TxnIndex,
    /// Producer state.
    Snapshot,
}

impl FileKind {
    /// All of them, segment files first.
    pub const ALL: [FileKind; 5] =
        [FileKind::Log, FileKind::OffsetIndex, FileKind::TimeIndex, FileKind::TxnIndex, FileKind::Snapshot];

    /// Those of a segment.
    pub const SEGMENT: [FileKind; 4] = [FileKind::Log, FileKind::OffsetIndex, FileKind::TimeIndex, FileKind::TxnIndex];

    /// With its dot.
    pub fn suffix(self) -> &'static str {
        match self {
            FileKind::Log => ".log",
            FileKind::OffsetIndex => ".index",
            FileKind::TimeIndex => ".timeindex",
            FileKind::TxnIndex => ".txnindex",
            FileKind::Snapshot => ".snapshot",
        }
    }

    /// The name for an offset.
    pub fn name(self, offset: i64) -> String {
        format!("{offset:020}{}", self.suffix())
    }
}

/// What a file is waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileState {
    /// In use.
    Plain,
    /// `.deleted`: to be removed.
    Deleted,
    /// `.cleaned`: unfinished output.
    Cleaned,
    /// `.swap`: finished output that replaces others.
    Swap,
}

impl FileState {
    /// With its dot; empty for files in use.
    pub fn suffix(self) -> &'static str {
        match self {
            FileState::Plain => "",
            FileState::Deleted => ".deleted",
            FileState::Cleaned => ".cleaned",
            FileState::Swap => ".swap",
        }
    }
}

/// A file's name, understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SegmentFile {
    /// The offset it is named after.
    pub offset: i64,
    /// What it holds.
    pub kind: FileKind,
    /// What it waits for.
    pub state: FileState,
}

impl SegmentFile {
    /// Reads a name; `None` for other files (checkpoints, `partition.metadata`, foreign ones).
    pub fn parse(name: &str) -> Option<SegmentFile> {
        let states = [FileState::Deleted, FileState::Cleaned, FileState::Swap];
        let stated = states.iter().find_map(|state| Some((name.strip_suffix(state.suffix())?, *state)));
        let (plain, state) = stated.unwrap_or((name, FileState::Plain));
        let (digits, kind) = FileKind::ALL.iter().find_map(|kind| Some((plain.strip_suffix(kind.suffix())?, *kind)))?;
        let all_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let offset = digits.parse().ok().filter(|_| all_digits)?;
        Some(SegmentFile { offset, kind, state })
    }

    /// The name again.
    pub fn name(&self) -> String {
        format!("{}{}", self.kind.name(self.offset), self.state.suffix())
    }
}

/// What a partition's directory is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DirState {
    /// In use.
    Current,
    /// Waiting for deletion.
    Delete,
    /// The target of a move between directories.
    Future,
    /// Not ours any more.
    Stray,
}

/// Reads the name of a directory inside a log directory; `None` when it is not one of Kafka's.
pub fn parse_partition_dir(name: &str) -> Option<(TopicPartition, DirState)> {
    let suffixes = [("-delete", DirState::Delete), ("-future", DirState::Future), ("-stray", DirState::Stray)];
    let marked = suffixes.iter().find_map(|(suffix, state)| {
        let (plain, id) = name.strip_suffix(suffix)?.rsplit_once('.')?;
        let is_id = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_id.then_some((plain, *state))
    });
    let (plain, state) = marked.unwrap_or((name, DirState::Current));
    let (topic, partition) = plain.rsplit_once('-')?;
    let digits = !partition.is_empty() && partition.bytes().all(|byte| byte.is_ascii_digit());
    let partition = partition.parse().ok().filter(|_| digits && !topic.is_empty())?;
    Some((TopicPartition::new(topic, partition), state))
}

/// The name of a partition's directory in use.
pub fn current_dir_name(partition: &TopicPartition) -> String {
    partition.to_string()
}

/// The name under which a move builds a partition's directory. Not cut: a topic whose name leaves no room for the suffix
/// cannot be moved (KAFKA-4893).
pub fn future_dir_name(partition: &TopicPartition, unique: u128) -> String {
    format!("{partition}.{unique:032x}-future")
}

/// The name under which a partition's directory waits for deletion. The topic's name is cut so that the whole stays
/// within 255 characters (`LocalLog.logDeleteDirName`).
pub fn delete_dir_name(partition: &TopicPartition, unique: u128) -> String {
    let suffix = format!("-{}.{unique:032x}-delete", partition.partition);
    let room = 255usize.saturating_sub(suffix.len());
    let topic: String = partition.topic.chars().take(room).collect();
    format!("{topic}{suffix}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_go_both_ways() {
        for name in [
            "00000000000000000000.log",
            "00000000000000000042.timeindex",
            "09223372036854775807.index.deleted",
            "00000000000000000007.txnindex.swap",
            "00000000000000000007.snapshot",
            "00000000000000000007.log.cleaned",
        ] {
            assert_eq!(SegmentFile::parse(name).unwrap().name(), name);
        }
        for name in
            ["leader-epoch-checkpoint", "partition.metadata", ".log", "-1.log", "x.log", "99999999999999999999.log"]
        {
            assert_eq!(SegmentFile::parse(name), None, "{name}");
        }
    }

    #[test]
    fn directory_names_say_what_they_are_for() {
        let check = |name: &str, topic: &str, partition, state| {
            assert_eq!(parse_partition_dir(name), Some((TopicPartition::new(topic, partition), state)), "{name}");
        };
        check("a-0", "a", 0, DirState::Current);
        check("with-dash.and-dot-12", "with-dash.and-dot", 12, DirState::Current);
        check("a-delete-3", "a-delete", 3, DirState::Current);
        let id = "0123456789abcdef0123456789abcdef";
        check(&format!("a-1.{id}-delete"), "a", 1, DirState::Delete);
        check(&format!("a.b-1.{id}-future"), "a.b", 1, DirState::Future);
        check(&format!("a-1.{id}-stray"), "a", 1, DirState::Stray);
        for name in ["lost+found", "a", "a-", "-1", "a-x", "a-1.short-delete", "a--"] {
            assert_eq!(parse_partition_dir(name), None, "{name}");
        }
    }

    #[test]
    fn long_topics_are_cut_in_deleted_names() {
        let long = TopicPartition::new("t".repeat(249), 1234);
        let name = delete_dir_name(&long, 7);
        assert_eq!(name.len(), 255);
        assert_eq!(parse_partition_dir(&name).unwrap().1, DirState::Delete);
    }
}
