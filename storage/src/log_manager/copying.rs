//! How the log of a move catches up with the current one: records are copied as they are, in slices, from wherever it
//! stands. It may stand anywhere, even off the current log's history: it may be from before a restart, and the current
//! log's start and end move meanwhile.

use std::io;

use zk_paths::ids::{LeaderEpoch, Offset};

use crate::error::StorageError;
use crate::log::{Log, LogAppendInfo, LogStartError, ReadError};
use crate::validate::AppendError;

/// Why a slice could not be copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The current log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// What was read is not taken: a batch of the current log is damaged.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// One of the two disks failed.
    #[error(transparent)]
    Fault(#[from] StorageError),
    /// The slice could not be read.
    #[error("could not read a slice of the log: {0}")]
    Slice(#[from] io::Error),
}

/// Copies about `max_bytes` of what `to` lacks of `from`, at least one batch. Answers how much; nothing when both end at
/// the same offset.
pub fn copy_some(from: &Log, to: &Log, max_bytes: usize) -> Result<usize, CopyError> {
    align(from, to)?;
    let (at, end) = (to.log_end_offset(), from.log_end_offset());
    let copied = if at < end { copy_slice(from, to, at, end, max_bytes)? } else { 0 };
    to.raise_high_watermark(from.high_watermark());
    match to.maybe_increment_log_start_offset(from.log_start_offset()) {
        Ok(_) | Err(LogStartError::AboveHighWatermark { .. }) => Ok(copied),
        Err(LogStartError::Fault(fault)) => Err(fault.into()),
    }
}

fn copy_slice(from: &Log, to: &Log, at: Offset, end: Offset, max_bytes: usize) -> Result<usize, CopyError> {
    let slice = match from.read(at, max_bytes, end, true) {
        Ok(fetched) => fetched.slice,
        // The log's start has moved since it was looked at: the next time it is found there.
        Err(ReadError::OutOfRange { .. }) => return Ok(0),
        Err(error) => return Err(error.into()),
    };
    let Some(slice) = slice else {
        // The last records were compacted away, or never came: only their offsets are left.
        to.advance_end_to(end)?;
        return Ok(0);
    };
    let appended = append(to, slice.read()?)?;
    if appended.rolled {
        to.flush_rolled()?;
    }
    Ok(appended.size)
}

/// An empty log that began at a log start offset may have to begin earlier: where the batch that holds it begins
/// (`Partition.appendRecordsToFollowerOrFutureReplica`).
fn append(to: &Log, records: bytes::Bytes) -> Result<LogAppendInfo, CopyError> {
    // What is in the current log has passed every check of epochs.
    const ANY_EPOCH: LeaderEpoch = LeaderEpoch(i32::MAX);
    match to.append_as_follower(records.clone(), ANY_EPOCH) {
        Err(AppendError::UnexpectedOffset { first_offset, .. }) if to.log_start_offset() == to.log_end_offset() => {
            to.truncate_fully_and_start_at(Offset(first_offset), None)?;
            Ok(to.append_as_follower(records, ANY_EPOCH)?)
        }
        appended => Ok(appended?),
    }
}

/// Cuts what `to` has and `from` has not: behind the last leader epoch that both know (KIP-101), behind the end, and
/// everything when the current log starts behind it.
fn align(from: &Log, to: &Log) -> Result<(), StorageError> {
    while let Some(latest) = to.latest_epoch() {
        let Some((epoch, end)) = from.end_offset_for_epoch(latest) else { break };
        let ours = to.end_offset_for_epoch(epoch).map_or(Offset::ZERO, |(_, end)| end);
        let common = if epoch == latest { end } else { end.min(ours) };
        if common >= to.log_end_offset() || !to.truncate_to(common)? {
            break;
        }
    }
    if to.log_end_offset() > from.log_end_offset() {
        to.truncate_to(from.log_end_offset())?;
    }
    if to.log_end_offset() < from.log_start_offset() {
        to.truncate_fully_and_start_at(from.log_start_offset(), None)?;
    }
    Ok(())
}

/// Notes the epochs without records at the current log's end, which copying records does not bring along.
pub fn copy_latest_epochs(from: &Log, to: &Log) -> Result<(), StorageError> {
    let known = to.latest_epoch().unwrap_or(LeaderEpoch::NONE);
    let newer = from.epoch_entries().into_iter().filter(|(epoch, _)| *epoch > known);
    newer.into_iter().try_for_each(|(epoch, start)| to.assign_epoch_start(epoch, start))
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;
    use std::time::Duration;

    use world::clock::ManualClock;
    use world::{Disk, MemDisk};
    use zk_paths::ids::TopicPartition;

    use super::*;
    use crate::batch::BatchBuilder;
    use crate::health::DirHealth;
    use crate::log::{LoadHints, LogContext};
    use crate::log_config::LogConfig;
    use crate::producer_state::AppendOrigin;

    fn log(disk: &MemDisk, dir: &str) -> Log {
        let path = Path::new(dir).join("t-0");
        disk.create_dir_all(&path).unwrap();
        let context = LogContext {
            disk: Arc::new(disk.clone()),
            clock: Arc::new(ManualClock::new(1_000_000)),
            health: Arc::new(DirHealth::new(dir.into(), None)),
            producer_id_expiration: Duration::from_secs(1000),
            memory: crate::memory::ConversionMemory::default(),
        };
        let config = LogConfig { segment_bytes: 500, ..LogConfig::default() };
        Log::open(&path, TopicPartition::new("t", 0), config, LoadHints::default(), context).unwrap()
    }

    /// Batches of two records.
    fn append(log: &Log, batches: usize, epoch: i32) {
        for _ in 0..batches {
            let mut builder = BatchBuilder::new();
            builder.append(1, None, Some(format!("epoch {epoch} at {}", log.log_end_offset()).as_bytes()), &[]);
            builder.append(2, None, Some(b"second"), &[]);
            log.append_as_leader(builder.build().unwrap(), LeaderEpoch(epoch), AppendOrigin::Client).unwrap();
        }
    }

    /// Copies everything, and compares what can be read and what is known.
    fn catch_up(from: &Log, to: &Log) {
        let mut rounds = 0;
        while to.log_end_offset() != from.log_end_offset() {
            copy_some(from, to, 200).unwrap();
            rounds += 1;
            assert!(rounds < 1000, "{} of {}", to.log_end_offset(), from.log_end_offset());
        }
        copy_some(from, to, 200).unwrap();
        copy_latest_epochs(from, to).unwrap();
        assert_eq!(records(to), records(from));
        assert_eq!(to.log_start_offset(), from.log_start_offset());
        assert_eq!(to.high_watermark(), from.high_watermark());
        let after_start = |log: &Log| -> Vec<_> {
            log.epoch_entries().into_iter().map(|(epoch, start)| (epoch, start.max(log.log_start_offset()))).collect()
        };
        assert_eq!(after_start(to), after_start(from));
    }

    fn records(log: &Log) -> Vec<u8> {
        let (mut at, end) = (log.log_start_offset(), log.log_end_offset());
        let mut all = Vec::new();
        while let Some(slice) = log.read(at, 1, end, true).unwrap().slice {
            let bytes = slice.read().unwrap();
            let header = crate::batch::BatchHeader::parse(&bytes).unwrap();
            at = Offset(header.next_offset());
            all.extend(bytes);
        }
        all
    }

    #[test]
    fn an_empty_log_catches_up_and_goes_on_with_what_comes() {
        let disk = MemDisk::new();
        let (from, to) = (log(&disk, "/one"), log(&disk, "/two"));
        append(&from, 20, 0);
        from.assign_epoch_start(LeaderEpoch(3), from.log_end_offset()).unwrap();
        from.raise_high_watermark(Offset(17));
        catch_up(&from, &to);
        append(&from, 5, 3);
        catch_up(&from, &to);
        assert!(to.segment_count() > 3);
    }

    #[test]
    fn a_log_start_within_a_batch_is_kept() {
        let disk = MemDisk::new();
        let (from, to) = (log(&disk, "/one"), log(&disk, "/two"));
        append(&from, 20, 0);
        from.raise_high_watermark(Offset(40));
        from.maybe_increment_log_start_offset(Offset(13)).unwrap();
        catch_up(&from, &to);
        // And when it overtakes the copy.
        append(&from, 20, 1);
        from.raise_high_watermark(Offset(80));
        from.maybe_increment_log_start_offset(Offset(61)).unwrap();
        catch_up(&from, &to);
    }

    #[test]
    fn what_the_current_log_has_lost_is_cut() {
        let disk = MemDisk::new();
        let (from, to) = (log(&disk, "/one"), log(&disk, "/two"));
        append(&from, 10, 0);
        append(&from, 5, 1);
        catch_up(&from, &to);
        // A follower that truncated and went on with another leader, while the copy stood still.
        from.truncate_to(Offset(16)).unwrap();
        append(&from, 10, 2);
        catch_up(&from, &to);
        from.truncate_to(Offset(16)).unwrap();
        catch_up(&from, &to);
    }

    #[test]
    fn offsets_without_records_at_the_end_are_reached() {
        let disk = MemDisk::new();
        let (from, to) = (log(&disk, "/one"), log(&disk, "/two"));
        append(&from, 3, 0);
        from.advance_end_to(Offset(50)).unwrap();
        catch_up(&from, &to);
        append(&from, 1, 0);
        catch_up(&from, &to);
        assert_eq!(to.log_end_offset(), Offset(52));
    }

    #[test]
    fn a_damaged_batch_is_not_copied() {
        let disk = MemDisk::new();
        let (from, to) = (log(&disk, "/one"), log(&disk, "/two"));
        append(&from, 1, 0);
        let file = disk.open(Path::new("/one/t-0/00000000000000000000.log")).unwrap();
        file.write_at(&mut [io::IoSlice::new(b"?")], 80).unwrap();
        assert!(matches!(copy_some(&from, &to, 200), Err(CopyError::Append(AppendError::CorruptRecord { .. }))));
        assert_eq!(to.log_end_offset(), Offset(0));
    }
}
