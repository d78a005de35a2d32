//! Which leader epoch wrote which offsets: `leader-epoch-checkpoint` in memory.
//!
//! Always: epochs and start offsets both grow strictly. The file is written when the log is flushed, before the recovery
//! point moves: what a crash takes from it lies above the recovery point, and the scan of those records puts it back. What
//! it knows too much is cut when the log is loaded. (Kafka syncs the file with every new epoch instead, which makes the
//! first append to each of a thousand partitions wait for the disk.)
//!
//! Rules: Kafka's `LeaderEpochFileCache` and KIP-101, KIP-320.

use std::path::PathBuf;
use std::sync::Arc;

use world::Disk;
use zk_paths::ids::{LeaderEpoch, Offset};

use crate::checkpoint::{LEADER_EPOCH_FILE, read_epochs, write_epochs};
use crate::error::StorageError;
use crate::log_path::SharedDir;

/// The epochs of one log.
#[derive(Debug)]
pub(crate) struct LeaderEpochCache {
    disk: Arc<dyn Disk>,
    dir: SharedDir,
    entries: Vec<(LeaderEpoch, Offset)>,
    /// Something changed since the file was written.
    dirty: bool,
}

impl LeaderEpochCache {
    /// Reads the file. A damaged one counts as empty, and recovery rebuilds what the log still tells.
    pub(crate) fn load(disk: Arc<dyn Disk>, dir: SharedDir) -> Result<LeaderEpochCache, StorageError> {
        let path = dir.load().join(LEADER_EPOCH_FILE);
        let read = match read_epochs(&*disk, &path) {
            Err(StorageError::Damaged { path, what }) => {
                tracing::warn!(path = %path.display(), what, "leader epochs are damaged, starting without them");
                Vec::new()
            }
            read => read?,
        };
        let mut cache = LeaderEpochCache { disk, dir, entries: Vec::new(), dirty: false };
        for (epoch, start_offset) in read {
            cache.insert(epoch, start_offset);
        }
        Ok(cache)
    }

    /// Notes that `epoch` begins at `start_offset`, unless that is known.
    pub(crate) fn assign(&mut self, epoch: LeaderEpoch, start_offset: Offset) {
        self.dirty |= self.insert(epoch, start_offset);
    }

    fn insert(&mut self, epoch: LeaderEpoch, start_offset: Offset) -> bool {
        if epoch.0 < 0 || start_offset.0 < 0 {
            return false;
        }
        let known = self.entries.last().is_some_and(|(last, start)| *last == epoch && *start <= start_offset);
        if known {
            return false;
        }
        // A truncated leader may meet entries of its own past that never became true.
        while self.entries.last().is_some_and(|(last, start)| *last >= epoch || *start >= start_offset) {
            self.entries.pop();
        }
        self.entries.push((epoch, start_offset));
        true
    }

    /// The epoch of the newest records.
    pub(crate) fn latest(&self) -> Option<LeaderEpoch> {
        self.entries.last().map(|(epoch, _)| *epoch)
    }

    /// The first epoch that is still known, with its start.
    pub(crate) fn earliest(&self) -> Option<(LeaderEpoch, Offset)> {
        self.entries.first().copied()
    }

    /// Where the records of `requested` end: the largest epoch not above it, and the start of the next one, or
    /// `log_end` for the newest epoch. `None` when nothing can be said.
    pub(crate) fn end_offset_for(&self, requested: LeaderEpoch, log_end: Offset) -> Option<(LeaderEpoch, Offset)> {
        if requested == LeaderEpoch::NONE {
            return None;
        }
        if self.latest() == Some(requested) {
            return Some((requested, log_end));
        }
        let next = self.entries.partition_point(|(epoch, _)| *epoch <= requested);
        let (_, end) = self.entries.get(next)?;
        let floor = next.checked_sub(1).and_then(|floor| self.entries.get(floor));
        Some((floor.map_or(requested, |(epoch, _)| *epoch), *end))
    }

    /// The epoch that wrote `offset`.
    pub(crate) fn epoch_for(&self, offset: Offset) -> Option<LeaderEpoch> {
        let next = self.entries.partition_point(|(_, start)| *start <= offset);
        next.checked_sub(1).and_then(|number| self.entries.get(number)).map(|(epoch, _)| *epoch)
    }

    /// Drops epochs that begin at or behind the log's end.
    pub(crate) fn truncate_from_end(&mut self, end_offset: Offset) {
        let before = self.entries.len();
        self.entries.retain(|(_, start)| *start < end_offset);
        self.dirty |= self.entries.len() != before;
    }

    /// Drops epochs that end at or before the log's start; the one that covers it begins there now.
    pub(crate) fn truncate_from_start(&mut self, start_offset: Offset) {
        let covered = self.entries.iter().take_while(|(_, start)| *start <= start_offset).count();
        let Some(last_covered) = covered.checked_sub(1) else { return };
        let before = self.entries.clone();
        self.entries.drain(..last_covered);
        if let Some(first) = self.entries.first_mut() {
            first.1 = start_offset;
        }
        self.dirty |= self.entries != before;
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.dirty |= !self.entries.is_empty();
        self.entries.clear();
    }

    /// Writes the file, if something changed.
    pub(crate) fn flush(&mut self) -> Result<(), StorageError> {
        if self.dirty { self.write() } else { Ok(()) }
    }

    pub(crate) fn entries(&self) -> &[(LeaderEpoch, Offset)] {
        &self.entries
    }

    fn write(&mut self) -> Result<(), StorageError> {
        let path: PathBuf = self.dir.load().join(LEADER_EPOCH_FILE);
        write_epochs(&*self.disk, &path, &self.entries)?;
        self.dirty = false;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::log_path::LogPath;
    use world::MemDisk;

    use super::*;

    fn cache(disk: &MemDisk, entries: &[(i32, i64)]) -> LeaderEpochCache {
        let dir = LogPath::new(PathBuf::from("/"));
        let mut cache = LeaderEpochCache::load(Arc::new(disk.clone()), dir).unwrap();
        for (epoch, start) in entries {
            cache.assign(LeaderEpoch(*epoch), Offset(*start));
        }
        cache
    }

    fn reloaded(disk: &MemDisk) -> LeaderEpochCache {
        cache(disk, &[])
    }

    fn numbers(cache: &LeaderEpochCache) -> Vec<(i32, i64)> {
        cache.entries().iter().map(|(epoch, start)| (epoch.0, start.0)).collect()
    }

    #[test]
    fn entries_grow_and_conflicting_ones_give_way() {
        let check = |assigned: &[(i32, i64)], kept: &[(i32, i64)]| {
            let disk = MemDisk::new();
            let mut assigned_cache = cache(&disk, assigned);
            assert_eq!(numbers(&assigned_cache), kept, "{assigned:?}");
            assigned_cache.flush().unwrap();
            assert_eq!(numbers(&cache(&disk, &[])), kept, "reloaded {assigned:?}");
        };
        check(&[(0, 0), (0, 5), (2, 10)], &[(0, 0), (2, 10)]);
        check(&[(0, 0), (2, 10), (3, 10)], &[(0, 0), (3, 10)]);
        check(&[(0, 0), (2, 10), (1, 20)], &[(0, 0), (1, 20)]);
        check(&[(0, 0), (2, 10), (2, 5)], &[(0, 0), (2, 5)]);
        check(&[(-1, 0), (1, -1)], &[]);
    }

    #[test]
    fn end_offsets_follow_kip_101() {
        let disk = MemDisk::new();
        let cache = cache(&disk, &[(2, 10), (4, 20), (7, 30)]);
        let check = |epoch, answer: Option<(i32, i64)>| {
            let found = cache.end_offset_for(LeaderEpoch(epoch), Offset(99));
            assert_eq!(found.map(|(epoch, end)| (epoch.0, end.0)), answer, "{epoch}");
        };
        check(-1, None);
        check(0, Some((0, 10)));
        check(2, Some((2, 20)));
        check(3, Some((2, 20)));
        check(5, Some((4, 30)));
        check(7, Some((7, 99)));
        check(8, None);
        assert_eq!(cache.epoch_for(Offset(9)), None);
        assert_eq!(cache.epoch_for(Offset(29)), Some(LeaderEpoch(4)));
    }

    #[test]
    fn truncations_keep_the_covering_epoch() {
        let disk = MemDisk::new();
        let mut cache = cache(&disk, &[(2, 10), (4, 20), (7, 30)]);
        cache.truncate_from_start(Offset(25));
        assert_eq!(numbers(&cache), [(4, 25), (7, 30)]);
        cache.truncate_from_end(Offset(30));
        assert_eq!(numbers(&cache), [(4, 25)]);
        cache.truncate_from_start(Offset(3));
        assert_eq!(numbers(&cache), [(4, 25)]);
        cache.flush().unwrap();
        drop(cache);
        assert_eq!(numbers(&reloaded(&disk)), [(4, 25)]);
    }
}
