//! A snapshot whose disk takes its time: requests go on meanwhile, and a server that is killed then loses nothing.

#![allow(clippy::unwrap_used, reason = "a failure is to show where")]

mod common;

use std::fmt;
use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use common::raw::Raw;
use common::{connect, loopback};
use world::disk::{DirLock, DiskFile, Entry, Metadata, Space};
use world::mem::Unsynced;
use world::{Disk, MemDisk, SystemClock};
use zk_server::Config;
use zk_server::acl::Acl;
use zk_server::proto::op;

const CHANGES: i32 = 2_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_go_on_while_a_snapshot_waits_for_the_disk() {
    let disk = SlowDisk::default();
    let mut config = Config::new("/zk");
    (config.address, config.snap_count) = (loopback(), 100);
    let clock = Arc::new(SystemClock::new());
    let server = zk_server::start(config.clone(), Arc::new(disk.clone()), clock.clone()).await.unwrap();
    let mut raw = Raw::with_session(&server).await;
    // The gate is shut for snapshots from the start: the first one begins behind a hundred changes and gets nowhere.
    for xid in 0..CHANGES {
        raw.request(xid, op::CREATE, |out| {
            out.string(&format!("/n{xid}"));
            out.buffer(Some(&[b'x'; 500]));
            Acl::encode_all(&Acl::open(), out);
            out.int(0);
        })
        .await;
        assert_eq!(tokio::time::timeout(Duration::from_secs(30), raw.answer()).await.unwrap(), Some((xid, 0)));
    }
    assert!(disk.gate.is_waited_for(), "a snapshot is being written");
    let crashed = disk.inner.crash(Unsynced::Lost);
    assert!(!names(&crashed).iter().any(|name| name.starts_with("snapshot.") && !name.ends_with(".tmp")));

    disk.gate.open();
    server.stop().await;
    for disk in [crashed, disk.inner] {
        let server = zk_server::start(config.clone(), Arc::new(disk.clone()), clock.clone()).await.unwrap();
        let client = connect(&server).await;
        let (children, _) = client.get_children("/").await.unwrap();
        assert_eq!(children.len() as i32, CHANGES + 1, "and /zookeeper");
        server.stop().await;
    }
}

fn names(disk: &MemDisk) -> Vec<String> {
    disk.read_dir(Path::new("/zk/klamm-1")).unwrap().into_iter().map(|entry| entry.name).collect()
}

/// Where writers of snapshots wait.
#[derive(Default)]
struct Gate {
    /// Whether it is open, and whether anybody came to it.
    state: Mutex<(bool, bool)>,
    changed: Condvar,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gate")
    }
}

impl Gate {
    fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        state.1 = true;
        drop(self.changed.wait_while(state, |(open, _)| !*open).unwrap());
    }

    fn open(&self) {
        self.state.lock().unwrap().0 = true;
        self.changed.notify_all();
    }

    fn is_waited_for(&self) -> bool {
        let state = self.state.lock().unwrap();
        state.1 && !state.0
    }
}

/// A disk in memory on which nothing is written into a snapshot before the gate is open.
#[derive(Debug, Default, Clone)]
struct SlowDisk {
    inner: MemDisk,
    gate: Arc<Gate>,
}

impl Disk for SlowDisk {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.inner.open(path)
    }

    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.inner.open_read(path)
    }

    fn open_or_create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.inner.open_or_create(path)?;
        let is_snapshot = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("snapshot."));
        Ok(if is_snapshot { Arc::new(SlowFile { inner: file, gate: self.gate.clone() }) } else { file })
    }

    fn create_new(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.inner.create_new(path)
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        self.inner.metadata(path)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<Entry>> {
        self.inner.read_dir(path)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.inner.create_dir_all(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.inner.remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.inner.remove_dir_all(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.inner.sync_dir(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn DirLock>> {
        self.inner.lock(path)
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        self.inner.space(path)
    }
}

#[derive(Debug)]
struct SlowFile {
    inner: Arc<dyn DiskFile>,
    gate: Arc<Gate>,
}

impl DiskFile for SlowFile {
    fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize> {
        self.inner.read_at(buf, position)
    }

    fn read_cached_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize> {
        self.inner.read_cached_at(buf, position)
    }

    fn write_at(&self, slices: &mut [IoSlice<'_>], position: u64) -> io::Result<()> {
        self.gate.pass();
        self.inner.write_at(slices, position)
    }

    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.inner.set_len(len)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.inner.allocate(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.inner.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.inner.sync_all()
    }

    fn modified_ms(&self) -> io::Result<i64> {
        self.inner.modified_ms()
    }

    fn set_modified_ms(&self, modified_ms: i64) -> io::Result<()> {
        self.inner.set_modified_ms(modified_ms)
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.inner.fd()
    }
}
