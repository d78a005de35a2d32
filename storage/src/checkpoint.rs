//! Checkpoint files: small text tables that are replaced as a whole.
//!
//! ```text
//! 0                          version
//! 2                          number of entries
//! topic 0 1234               topic, partition, offset      (the four *-offset-checkpoint files)
//! 5 1234                     leader epoch, start offset    (leader-epoch-checkpoint)
//! ```
//!
//! A file without version or count line counts as empty, as for Kafka's `CheckpointFile`; any other damage is reported
//! with its line. A table that was read whole is right: it was synced before it got its name.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::Path;

use world::Disk;
use zk_paths::ids::{LeaderEpoch, Offset, TopicPartition};

use crate::error::{Attempt, StorageError};

/// Everything below is flushed.
pub const RECOVERY_POINT_FILE: &str = "recovery-point-offset-checkpoint";
/// Log start offsets above the first segment's base offset.
pub const LOG_START_OFFSET_FILE: &str = "log-start-offset-checkpoint";
/// High watermarks.
pub const HIGH_WATERMARK_FILE: &str = "replication-offset-checkpoint";
/// First dirty offsets of compacted partitions.
pub const CLEANER_OFFSET_FILE: &str = "cleaner-offset-checkpoint";
/// In each partition's directory.
pub const LEADER_EPOCH_FILE: &str = "leader-epoch-checkpoint";

/// A million partitions with the longest names need a third of this.
const MAX_FILE: u64 = 1 << 30;

/// An offset for each partition.
pub type OffsetTable = BTreeMap<TopicPartition, Offset>;

/// Reads one of the `*-offset-checkpoint` files; a missing one is empty.
pub fn read_offsets(disk: &dyn Disk, path: &Path) -> Result<OffsetTable, StorageError> {
    let Some(text) = read_text(disk, path)? else { return Ok(OffsetTable::new()) };
    decode_offsets(&text).map_err(|what| StorageError::Damaged { path: path.to_owned(), what })
}

/// Replaces one of the `*-offset-checkpoint` files.
pub fn write_offsets(disk: &dyn Disk, path: &Path, offsets: &OffsetTable) -> Result<(), StorageError> {
    disk.replace(path, encode_offsets(offsets).as_bytes()).attempt("write", path)
}

/// Reads a `leader-epoch-checkpoint`; a missing one is empty.
pub(crate) fn read_epochs(disk: &dyn Disk, path: &Path) -> Result<Vec<(LeaderEpoch, Offset)>, StorageError> {
    let Some(text) = read_text(disk, path)? else { return Ok(Vec::new()) };
    decode_epochs(&text).map_err(|what| StorageError::Damaged { path: path.to_owned(), what })
}

/// Replaces a `leader-epoch-checkpoint`.
pub(crate) fn write_epochs(disk: &dyn Disk, path: &Path, epochs: &[(LeaderEpoch, Offset)]) -> Result<(), StorageError> {
    let mut text = format!("0\n{}\n", epochs.len());
    for (epoch, start_offset) in epochs {
        let _ = writeln!(text, "{epoch} {start_offset}");
    }
    disk.replace(path, text.as_bytes()).attempt("write", path)
}

fn read_text(disk: &dyn Disk, path: &Path) -> Result<Option<String>, StorageError> {
    match disk.read_all(path, MAX_FILE) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => Ok(Some(String::from_utf8_lossy(&read.attempt("read", path)?).into_owned())),
    }
}

/// The text of an offset table.
pub fn encode_offsets(offsets: &OffsetTable) -> String {
    let mut text = format!("0\n{}\n", offsets.len());
    for (partition, offset) in offsets {
        let _ = writeln!(text, "{} {} {offset}", partition.topic, partition.partition);
    }
    text
}

/// Reads the text of an offset table.
pub fn decode_offsets(text: &str) -> Result<OffsetTable, String> {
    let row = |fields: &[&str]| match fields {
        [topic, partition, offset] => {
            Some((TopicPartition::new(*topic, partition.parse().ok()?), Offset(offset.parse().ok()?)))
        }
        _ => None,
    };
    Ok(decode(text, row)?.into_iter().collect())
}

/// Reads the text of a leader epoch table.
pub fn decode_epochs(text: &str) -> Result<Vec<(LeaderEpoch, Offset)>, String> {
    decode(text, |fields| match fields {
        [epoch, offset] => Some((LeaderEpoch(epoch.parse().ok()?), Offset(offset.parse().ok()?))),
        _ => None,
    })
}

fn decode<T>(text: &str, row: impl Fn(&[&str]) -> Option<T>) -> Result<Vec<T>, String> {
    let mut lines = text.lines();
    let Some(version) = lines.next() else { return Ok(Vec::new()) };
    if version.trim() != "0" {
        return Err(format!("line 1: version '{version}' is not 0"));
    }
    let Some(count) = lines.next() else { return Ok(Vec::new()) };
    let count: usize = count.trim().parse().map_err(|_| format!("line 2: '{count}' is not a number of entries"))?;
    let mut rows = Vec::new();
    for (number, line) in lines.enumerate() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        rows.push(row(&fields).ok_or_else(|| format!("line {}: '{line}' is not an entry", number + 3))?);
    }
    if rows.len() == count { Ok(rows) } else { Err(format!("{count} entries declared, {} there", rows.len())) }
}

/// Feeds arbitrary bytes to the readers; for fuzzing.
pub fn fuzz(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let _ = decode_offsets(&text);
    let _ = decode_epochs(&text);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use world::MemDisk;

    use super::*;

    #[test]
    fn tables_go_both_ways_in_kafkas_text() {
        let text = "0\n2\na 0 5\nb.c-d 12 9223372036854775807\n";
        assert_eq!(encode_offsets(&decode_offsets(text).unwrap()), text);
        assert_eq!(decode_epochs("0\n1\n3 40\n").unwrap(), [(LeaderEpoch(3), Offset(40))]);
    }

    #[test]
    fn missing_lines_are_empty_and_damage_names_its_line() {
        for empty in ["", "0", "0\n0\n"] {
            assert_eq!(decode_offsets(empty).unwrap().len(), 0, "{empty:?}");
        }
        for (text, start) in [
            ("1\n0\n", "line 1"),
            ("0\nx\n", "line 2"),
            ("0\n1\na 0\n", "line 3"),
            ("0\n1\na 0 x\n", "line 3"),
            ("0\n2\na 0 5\n", "2 entries"),
            ("0\n0\na 0 5\n", "0 entries"),
        ] {
            assert!(decode_offsets(text).unwrap_err().starts_with(start), "{text:?}");
        }
    }

    #[test]
    fn files_are_replaced_and_missing_ones_empty() {
        let disk = MemDisk::new();
        let path = Path::new("/replication-offset-checkpoint");
        assert_eq!(read_offsets(&disk, path).unwrap().len(), 0);
        let table = OffsetTable::from([(TopicPartition::new("t", 1), Offset(9))]);
        write_offsets(&disk, path, &table).unwrap();
        assert_eq!(read_offsets(&disk, path).unwrap(), table);
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "[0-9a-z \n-]{0,60}") {
            fuzz(text.as_bytes());
        }
    }
}
