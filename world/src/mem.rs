//! Files in memory that a test can crash.
//!
//! Every file has two contents: what readers see, and what was synced. Every directory likewise. [`MemDisk::crash`]
//! makes the disk that a power failure would leave: synced state plus none, all or a random part of what was not. A
//! file's unsynced writes survive or vanish one by one, the last survivor perhaps torn; unsynced creations, renames and
//! removals survive as a prefix of the order in which they were made, as on a file system with a metadata journal.
//!
//! Operations that change something are counted. [`MemDisk::fail_from`] makes all of them fail from a given count on,
//! so "crash after every operation" is a loop; [`MemDisk::fail_once`] fails a single one; [`MemDisk::set_capacity`]
//! fills the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;
use std::path::{Component, Path};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::disk::{DirLock, Disk, DiskFile, Entry, Metadata, Space};

/// A disk in memory. Clones share the same files.
#[derive(Debug, Clone, Default)]
pub struct MemDisk {
    tree: Arc<Mutex<Tree>>,
}

/// What happens to unsynced changes when the power fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsynced {
    /// All of them vanish.
    Lost,
    /// All of them survive, as after `kill -9`.
    Kept,
    /// A part survives, chosen by the seed.
    Random(u64),
}

impl MemDisk {
    /// An empty disk.
    pub fn new() -> MemDisk {
        MemDisk::default()
    }

    /// The disk as a machine that failed right now would find it. Nothing on it is locked and no fault is planned.
    pub fn crash(&self, unsynced: Unsynced) -> MemDisk {
        MemDisk { tree: Arc::new(Mutex::new(self.tree().crash(unsynced))) }
    }

    /// Operations that changed something (or tried to) so far.
    pub fn operations(&self) -> u64 {
        self.tree().operations
    }

    /// Operation `count` (from 0) and all later ones fail: the moment of the crash. `None` takes the plan back.
    pub fn fail_from(&self, count: Option<u64>) {
        self.tree().fail_from = count;
    }

    /// Only operation `count` (from 0) fails.
    pub fn fail_once(&self, count: u64) {
        self.tree().fail_once = Some(count);
    }

    /// Writes that would take all files together above this many bytes fail with `StorageFull`, after writing what fits.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.tree().capacity = bytes;
    }

    /// Whether nothing is in the page cache, so that [`DiskFile::read_cached_at`] answers `WouldBlock`.
    pub fn set_cold(&self, is_cold: bool) {
        self.tree().is_cold = is_cold;
    }

    /// The modification time that later changes give to files.
    pub fn set_now_ms(&self, now_ms: i64) {
        self.tree().now_ms = now_ms;
    }

    fn tree(&self) -> MutexGuard<'_, Tree> {
        self.tree.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn handle(&self, file: u64, writable: bool) -> Arc<dyn DiskFile> {
        Arc::new(MemFile { disk: self.clone(), file, writable })
    }
}

impl Disk for MemDisk {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.tree().file_at(path)?;
        Ok(self.handle(file, true))
    }

    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.tree().file_at(path)?;
        Ok(self.handle(file, false))
    }

    fn open_or_create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let mut tree = self.tree();
        let file = match tree.file_at(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => tree.create_file(path)?,
            found => found?,
        };
        Ok(self.handle(file, true))
    }

    fn create_new(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let mut tree = self.tree();
        if tree.find(path).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let file = tree.create_file(path)?;
        Ok(self.handle(file, true))
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        let tree = self.tree();
        let node = tree.find(path)?;
        Ok(match tree.files.get(&node) {
            Some(file) => Metadata { len: file.content.len() as u64, modified_ms: file.modified_ms, is_dir: false },
            None => Metadata { len: 0, modified_ms: 0, is_dir: true },
        })
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<Entry>> {
        let tree = self.tree();
        let node = tree.find(path)?;
        let dir = tree.dirs.get(&node).ok_or(io::ErrorKind::NotADirectory)?;
        let entries = dir.entries.iter();
        Ok(entries.map(|(name, node)| Entry { name: name.clone(), is_dir: tree.dirs.contains_key(node) }).collect())
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut tree = self.tree();
        let mut at = ROOT;
        for name in names(path) {
            let next = tree.dirs.get(&at).ok_or(io::ErrorKind::NotADirectory)?.entries.get(&name).copied();
            at = match next {
                Some(next) => next,
                None => {
                    tree.count()?;
                    let made = tree.new_node();
                    tree.dirs.insert(made, Dir::default());
                    tree.change(vec![Link { dir: at, name, node: Some(made) }]);
                    made
                }
            };
        }
        if tree.dirs.contains_key(&at) { Ok(()) } else { Err(io::ErrorKind::AlreadyExists.into()) }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut tree = self.tree();
        let node = tree.find(from)?;
        let (from_dir, from_name) = tree.parent(from)?;
        let (to_dir, to_name) = tree.parent(to)?;
        if let Ok(replaced) = tree.find(to)
            && tree.dirs.get(&replaced).is_some_and(|dir| !dir.entries.is_empty())
        {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        tree.count()?;
        let links = vec![
            Link { dir: from_dir, name: from_name, node: None },
            Link { dir: to_dir, name: to_name, node: Some(node) },
        ];
        tree.change(links);
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut tree = self.tree();
        tree.file_at(path)?;
        let (dir, name) = tree.parent(path)?;
        tree.count()?;
        tree.change(vec![Link { dir, name, node: None }]);
        Ok(())
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        let children = self.read_dir(path)?;
        for child in children {
            let child_path = path.join(&child.name);
            if child.is_dir { self.remove_dir_all(&child_path)? } else { self.remove_file(&child_path)? }
        }
        let mut tree = self.tree();
        let (dir, name) = tree.parent(path)?;
        tree.count()?;
        tree.change(vec![Link { dir, name, node: None }]);
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut tree = self.tree();
        let dir = tree.find(path)?;
        if !tree.dirs.contains_key(&dir) {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        tree.count()?;
        tree.sync_links(dir);
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn DirLock>> {
        let file = self.open_or_create(path)?;
        drop(file);
        let mut tree = self.tree();
        let node = tree.file_at(path)?;
        if !tree.locked.insert(node) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(MemLock { disk: self.clone(), node }))
    }

    fn space(&self, _path: &Path) -> io::Result<Space> {
        let tree = self.tree();
        let total = tree.capacity.unwrap_or(1 << 50);
        Ok(Space { total, usable: total.saturating_sub(tree.used()) })
    }
}

#[derive(Debug)]
struct MemFile {
    disk: MemDisk,
    file: u64,
    writable: bool,
}

impl MemFile {
    /// Counts a change and runs it on the file.
    fn change<T>(&self, change: impl FnOnce(&mut File, i64) -> T) -> io::Result<T> {
        if !self.writable {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let mut tree = self.disk.tree();
        tree.count()?;
        let now_ms = tree.now_ms;
        tree.files.get_mut(&self.file).map(|file| change(file, now_ms)).ok_or(io::ErrorKind::NotFound.into())
    }

    fn look<T>(&self, look: impl FnOnce(&File) -> T) -> io::Result<T> {
        self.disk.tree().files.get(&self.file).map(look).ok_or(io::ErrorKind::NotFound.into())
    }
}

impl DiskFile for MemFile {
    fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize> {
        self.look(|file| {
            let rest = usize::try_from(position).ok().and_then(|from| file.content.get(from..)).unwrap_or(&[]);
            let read = rest.len().min(buf.len());
            buf.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
            read
        })
    }

    fn read_cached_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize> {
        if self.disk.tree().is_cold { Err(io::ErrorKind::WouldBlock.into()) } else { self.read_at(buf, position) }
    }

    fn write_at(&self, slices: &mut [IoSlice<'_>], position: u64) -> io::Result<()> {
        let mut bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        let len = self.len()?;
        let wanted = bytes.len() as u64;
        let room = {
            let tree = self.disk.tree();
            tree.capacity.map(|capacity| capacity.saturating_sub(tree.used()) + len.saturating_sub(position))
        };
        let fits = room.map_or(wanted, |room| room.min(wanted));
        bytes.truncate(fits as usize);
        self.change(|file, now_ms| {
            file.modified_ms = now_ms;
            file.apply(Change::Write { position, bytes });
        })?;
        if fits < wanted { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn len(&self) -> io::Result<u64> {
        self.look(|file| file.content.len() as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change(|file, now_ms| {
            file.modified_ms = now_ms;
            file.apply(Change::SetLen(len));
        })
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        let more = len.saturating_sub(self.len()?);
        if more == 0 {
            return Ok(());
        }
        let is_full = {
            let tree = self.disk.tree();
            tree.capacity.is_some_and(|capacity| tree.used() + more > capacity)
        };
        if is_full { Err(io::ErrorKind::StorageFull.into()) } else { self.set_len(len) }
    }

    fn sync_data(&self) -> io::Result<()> {
        self.sync_all()
    }

    fn sync_all(&self) -> io::Result<()> {
        let mut tree = self.disk.tree();
        tree.count()?;
        let file = tree.files.get_mut(&self.file).ok_or(io::ErrorKind::NotFound)?;
        file.unsynced.drain(..).for_each(|change| change.apply_to(&mut file.synced));
        Ok(())
    }

    fn modified_ms(&self) -> io::Result<i64> {
        self.look(|file| file.modified_ms)
    }

    fn set_modified_ms(&self, modified_ms: i64) -> io::Result<()> {
        self.change(|file, _| file.modified_ms = modified_ms)
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

#[derive(Debug)]
struct MemLock {
    disk: MemDisk,
    node: u64,
}

impl DirLock for MemLock {}

impl Drop for MemLock {
    fn drop(&mut self) {
        self.disk.tree().locked.remove(&self.node);
    }
}

const ROOT: u64 = 0;

#[derive(Debug, Clone)]
struct Tree {
    files: BTreeMap<u64, File>,
    dirs: BTreeMap<u64, Dir>,
    /// Directory changes that no `sync_dir` covered, oldest first. A rename is one change with two links.
    unsynced: Vec<Vec<Link>>,
    next_node: u64,
    locked: BTreeSet<u64>,
    operations: u64,
    fail_from: Option<u64>,
    fail_once: Option<u64>,
    capacity: Option<u64>,
    is_cold: bool,
    now_ms: i64,
}

impl Default for Tree {
    fn default() -> Self {
        Tree {
            files: BTreeMap::new(),
            dirs: BTreeMap::from([(ROOT, Dir::default())]),
            unsynced: Vec::new(),
            next_node: ROOT + 1,
            locked: BTreeSet::new(),
            operations: 0,
            fail_from: None,
            fail_once: None,
            capacity: None,
            is_cold: false,
            now_ms: 0,
        }
    }
}

#[derive(Debug, Clone, Default)]
struct File {
    content: Vec<u8>,
    synced: Vec<u8>,
    unsynced: Vec<Change>,
    modified_ms: i64,
}

#[derive(Debug, Clone, Default)]
struct Dir {
    entries: BTreeMap<String, u64>,
    synced: BTreeMap<String, u64>,
}

/// One name in one directory now means this node, or nothing.
#[derive(Debug, Clone)]
struct Link {
    dir: u64,
    name: String,
    node: Option<u64>,
}

impl Link {
    fn apply_to(&self, entries: &mut BTreeMap<String, u64>) {
        match self.node {
            Some(node) => entries.insert(self.name.clone(), node),
            None => entries.remove(&self.name),
        };
    }
}

#[derive(Debug, Clone)]
enum Change {
    Write { position: u64, bytes: Vec<u8> },
    SetLen(u64),
}

impl Change {
    fn apply_to(&self, content: &mut Vec<u8>) {
        match self {
            Change::SetLen(len) => content.resize(*len as usize, 0),
            Change::Write { position, bytes } => {
                let from = *position as usize;
                if content.len() < from + bytes.len() {
                    content.resize(from + bytes.len(), 0);
                }
                content.splice(from..from + bytes.len(), bytes.iter().copied());
            }
        }
    }
}

impl File {
    fn apply(&mut self, change: Change) {
        change.apply_to(&mut self.content);
        self.unsynced.push(change);
    }

    fn crash(&self, unsynced: Unsynced, chance: &mut Chance) -> File {
        let content = match unsynced {
            Unsynced::Lost => self.synced.clone(),
            Unsynced::Kept => self.content.clone(),
            Unsynced::Random(_) => self.crash_at_random(chance),
        };
        File { synced: content.clone(), content, unsynced: Vec::new(), modified_ms: self.modified_ms }
    }

    fn crash_at_random(&self, chance: &mut Chance) -> Vec<u8> {
        let mut content = self.synced.clone();
        let mut survivors: Vec<Change> = self.unsynced.iter().filter(|_| chance.below(2) == 0).cloned().collect();
        if let Some(Change::Write { bytes, .. }) = survivors.last_mut()
            && chance.below(2) == 0
        {
            bytes.truncate(chance.below(bytes.len() as u64 + 1) as usize);
        }
        survivors.iter().for_each(|change| change.apply_to(&mut content));
        content
    }
}

impl Tree {
    /// Counts one change and fails it when that is planned.
    fn count(&mut self) -> io::Result<()> {
        let count = self.operations;
        self.operations += 1;
        if self.fail_from.is_some_and(|from| count >= from) || self.fail_once == Some(count) {
            return Err(io::Error::other(format!("planned failure of disk operation {count}")));
        }
        Ok(())
    }

    fn used(&self) -> u64 {
        self.files.values().map(|file| file.content.len() as u64).sum()
    }

    fn new_node(&mut self) -> u64 {
        let node = self.next_node;
        self.next_node += 1;
        node
    }

    fn find(&self, path: &Path) -> io::Result<u64> {
        names(path).try_fold(ROOT, |at, name| {
            let dir = self.dirs.get(&at).ok_or(io::Error::from(io::ErrorKind::NotADirectory))?;
            dir.entries.get(&name).copied().ok_or(io::ErrorKind::NotFound.into())
        })
    }

    fn file_at(&self, path: &Path) -> io::Result<u64> {
        let node = self.find(path)?;
        if self.dirs.contains_key(&node) { Err(io::ErrorKind::IsADirectory.into()) } else { Ok(node) }
    }

    fn parent(&self, path: &Path) -> io::Result<(u64, String)> {
        let name = names(path).last().ok_or(io::ErrorKind::InvalidInput)?;
        let dir = self.find(path.parent().unwrap_or(Path::new("")))?;
        if self.dirs.contains_key(&dir) { Ok((dir, name)) } else { Err(io::ErrorKind::NotADirectory.into()) }
    }

    fn create_file(&mut self, path: &Path) -> io::Result<u64> {
        let (dir, name) = self.parent(path)?;
        self.count()?;
        let node = self.new_node();
        self.files.insert(node, File { modified_ms: self.now_ms, ..File::default() });
        self.change(vec![Link { dir, name, node: Some(node) }]);
        Ok(node)
    }

    fn change(&mut self, links: Vec<Link>) {
        for link in &links {
            if let Some(dir) = self.dirs.get_mut(&link.dir) {
                link.apply_to(&mut dir.entries);
            }
        }
        self.unsynced.push(links);
    }

    fn sync_links(&mut self, synced_dir: u64) {
        let (now, later) = self.unsynced.drain(..).partition(|links| links.iter().any(|link| link.dir == synced_dir));
        self.unsynced = later;
        self.apply_to_synced(&now);
    }

    fn apply_to_synced(&mut self, changes: &[Vec<Link>]) {
        for link in changes.iter().flatten() {
            if let Some(dir) = self.dirs.get_mut(&link.dir) {
                link.apply_to(&mut dir.synced);
            }
        }
    }

    fn crash(&self, unsynced: Unsynced) -> Tree {
        let mut chance = Chance(match unsynced {
            Unsynced::Random(seed) => seed,
            _ => 0,
        });
        let mut after = Tree { now_ms: self.now_ms, next_node: self.next_node, ..Tree::default() };
        after.dirs = self.dirs.clone();
        let survivors = match unsynced {
            Unsynced::Lost => 0,
            Unsynced::Kept => self.unsynced.len(),
            Unsynced::Random(_) => chance.below(self.unsynced.len() as u64 + 1) as usize,
        };
        after.apply_to_synced(self.unsynced.get(..survivors).unwrap_or_default());
        after.dirs.values_mut().for_each(|dir| dir.entries = dir.synced.clone());
        after.files = self.files.iter().map(|(node, file)| (*node, file.crash(unsynced, &mut chance))).collect();
        after
    }
}

fn names(path: &Path) -> impl Iterator<Item = String> {
    let parts: Vec<String> = path
        .components()
        .filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
            _ => None,
        })
        .collect();
    parts.into_iter()
}

/// Repeatable chance (SplitMix64); the crate needs no better one.
#[derive(Debug)]
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> std::path::PathBuf {
        std::path::PathBuf::from("/")
    }

    fn put(disk: &MemDisk, path: &str, bytes: &[u8]) -> Arc<dyn DiskFile> {
        let file = disk.open_or_create(Path::new(path)).unwrap();
        file.write_at(&mut [IoSlice::new(bytes)], 0).unwrap();
        file
    }

    fn content(disk: &MemDisk, path: &str) -> Option<Vec<u8>> {
        disk.read_all(Path::new(path), 1000).ok()
    }

    #[test]
    fn a_crash_keeps_what_was_synced() {
        let disk = MemDisk::new();
        put(&disk, "/entry-and-bytes", b"a").sync_all().unwrap();
        put(&disk, "/entry-only", b"b");
        disk.sync_dir(&root()).unwrap();
        put(&disk, "/bytes-only", b"c").sync_data().unwrap();
        let lost = disk.crash(Unsynced::Lost);
        assert_eq!(content(&lost, "/entry-and-bytes").unwrap(), b"a");
        assert_eq!(content(&lost, "/entry-only").unwrap(), b"");
        assert_eq!(content(&lost, "/bytes-only"), None);
        let kept = disk.crash(Unsynced::Kept);
        assert_eq!(content(&kept, "/entry-only").unwrap(), b"b");
        assert_eq!(content(&kept, "/bytes-only").unwrap(), b"c");
    }

    #[test]
    fn a_replaced_file_is_old_or_new_at_every_crash() {
        let run = |fail_from: Option<u64>| {
            let disk = MemDisk::new();
            disk.replace(Path::new("/f"), b"old").unwrap();
            let start = disk.operations();
            disk.fail_from(fail_from.map(|after| start + after));
            let outcome = disk.replace(Path::new("/f"), b"new content");
            (disk.operations() - start, outcome.is_ok(), disk)
        };
        let (operations, done, _) = run(None);
        assert!(done && operations > 3);
        for after in 0..operations {
            for unsynced in [Unsynced::Lost, Unsynced::Kept, Unsynced::Random(after), Unsynced::Random(after + 1000)] {
                let (_, done, disk) = run(Some(after));
                assert!(!done);
                let found = content(&disk.crash(unsynced), "/f").unwrap();
                assert!(found == b"old" || found == b"new content", "after {after}, {unsynced:?}: {found:?}");
            }
        }
    }

    #[test]
    fn random_crashes_repeat_and_differ_by_seed() {
        let disk = MemDisk::new();
        for n in 0..20 {
            put(&disk, &format!("/{n}"), &[n; 10]);
        }
        let names = |seed| {
            let after = disk.crash(Unsynced::Random(seed));
            after.read_dir(&root()).unwrap().into_iter().map(|e| e.name).collect::<Vec<_>>()
        };
        assert_eq!(names(1), names(1));
        assert!((2..20).any(|seed| names(seed) != names(1)));
    }

    #[test]
    fn a_full_disk_takes_what_fits() {
        let disk = MemDisk::new();
        disk.set_capacity(Some(5));
        let file = disk.create_new(Path::new("/f")).unwrap();
        let error = file.write_at(&mut [IoSlice::new(b"123"), IoSlice::new(b"4567")], 0).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(content(&disk, "/f").unwrap(), b"12345");
        file.write_at(&mut [IoSlice::new(b"abc")], 0).unwrap();
        assert_eq!(disk.space(&root()).unwrap().usable, 0);
    }

    #[test]
    fn directories_nest_rename_and_go() {
        let disk = MemDisk::new();
        disk.create_dir_all(Path::new("/a/b")).unwrap();
        put(&disk, "/a/b/f", b"x");
        disk.rename(Path::new("/a/b"), Path::new("/a/c")).unwrap();
        assert_eq!(content(&disk, "/a/c/f").unwrap(), b"x");
        assert!(!disk.exists(Path::new("/a/b")).unwrap());
        disk.remove_dir_all(Path::new("/a")).unwrap();
        assert_eq!(disk.read_dir(&root()).unwrap(), []);
    }

    #[test]
    fn planned_failures_hit_their_operation_and_locks_exclude() {
        let disk = MemDisk::new();
        disk.fail_once(1);
        let file = disk.create_new(Path::new("/f")).unwrap();
        assert!(file.sync_all().is_err());
        file.sync_all().unwrap();
        let lock = disk.lock(Path::new("/.lock")).unwrap();
        assert_eq!(disk.lock(Path::new("/.lock")).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(lock);
        disk.lock(Path::new("/.lock")).unwrap();
    }
}
