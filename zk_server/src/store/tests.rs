//! Restarts and crashes: whatever was acknowledged is there again, whatever was not is there as a whole or not at all.
//! Snapshots are written between the batches, a few nodes at a time.

use std::collections::BTreeMap;

use world::MemDisk;
use world::clock::ManualClock;
use world::mem::Unsynced;

use super::*;
use crate::acl::Acl;
use crate::txn::{Change, TxnHeader, TxnWriter};

const SETTINGS: Settings = Settings {
    tick: Duration::from_millis(100),
    sync: true,
    snap_count: 7,
    retain: 2,
    purge: Purge::AfterSnapshot,
    snapshot_block: 300,
};

/// How many transactions each run makes: enough for several snapshots, begun, finished and purged.
const TRANSACTIONS: i64 = 60;

fn open_with(disk: &MemDisk, settings: Settings) -> Result<(Store, State), StoreError> {
    Store::open(Arc::new(disk.clone()), Path::new("/data"), settings, &ManualClock::new(0))
}

fn open(disk: &MemDisk) -> Result<(Store, State), StoreError> {
    open_with(disk, SETTINGS)
}

/// Ten transactions make a round: a session comes, makes a node of its own and others, and goes.
fn header(zxid: i64) -> TxnHeader {
    TxnHeader { zxid, time_ms: zxid, session_id: zxid / 10 + 1 }
}

/// The changes of a transaction: nodes come, change and go, so that a lost or doubled one shows.
fn change(zxid: i64) -> Vec<Change> {
    let create = |path: String, owner| Change::Create {
        path: path.into(),
        data: Some(Box::from(&b"first"[..])),
        acl: Acl::open(),
        owner,
        parent_cversion: zxid as i32,
    };
    let set = |path: String| Change::SetData { path: path.into(), data: None, version: zxid as i32 };
    let round = zxid / 10;
    match zxid % 10 {
        0 => vec![Change::OpenSession { timeout_ms: 500, password: [3; 16] }],
        1 => vec![create(format!("/n{round}"), 0), create(format!("/n{round}/deep"), 0)],
        2 => vec![create(format!("/n{round}/mine"), round + 1), set(format!("/n{round}/deep"))],
        3 => vec![create(format!("/a{round}"), 0), set(format!("/n{}/deep", round / 2))],
        4 => vec![Change::SetAcl { path: format!("/n{round}").into(), acl: Acl::read_only(), version: 1 }],
        5 => vec![Change::Delete { path: format!("/a{round}").into() }, create(format!("/a{round}"), 0)],
        6 => vec![set(format!("/n{}", round / 2)), set("/zookeeper".into())],
        7 => vec![Change::Delete { path: format!("/a{round}").into() }],
        8 if round % 3 == 2 => vec![set(format!("/n{round}"))],
        8 => vec![Change::CloseSession],
        _ => vec![set(format!("/n{round}"))],
    }
}

fn append(store: &mut Store, state: &mut State) {
    let zxid = state.zxid + 1;
    // The first round has no beginning.
    let changes = if zxid == 1 { change(0).into_iter().chain(change(1)).collect() } else { change(zxid) };
    let mut txn = TxnWriter::new(&header(zxid));
    changes.iter().for_each(|change| txn.push(change));
    store.append(&txn.finish().unwrap());
    state.replay(&header(zxid), changes, Duration::ZERO).unwrap();
}

fn expected(zxid: i64) -> Vec<String> {
    let (mut store, mut state) = open(&MemDisk::new()).unwrap();
    (0..zxid).for_each(|_| append(&mut store, &mut state));
    picture(&state)
}

/// All that outlives a restart.
fn picture(state: &State) -> Vec<String> {
    let mut lines = vec![format!("{:x} {:?}", state.zxid, state.tree.ephemerals())];
    let _ = state.tree.walk(|path, node| {
        lines.push(format!("{path} {:?} {:?} {:?}", node.stat(), node.data, node.acl));
        Ok::<(), ()>(())
    });
    let sessions: BTreeMap<i64, _> = state.sessions.iter().map(|(id, s)| (id, (s.timeout_ms, s.password))).collect();
    lines.push(format!("{sessions:?}"));
    lines
}

/// A store with a worker beside it that takes every other turn.
struct Running {
    store: Store,
    state: State,
    worker: Worker,
    job: Option<Job>,
    acknowledged: i64,
    snapshots: u32,
}

impl Running {
    fn start(disk: &MemDisk, settings: Settings) -> Option<Running> {
        let (store, state) = open_with(disk, settings).ok()?;
        let worker = store.worker();
        Some(Running { acknowledged: state.zxid, store, state, worker, job: None, snapshots: 0 })
    }

    /// Runs batches of one, two and three transactions until there are so many or the disk fails.
    fn run(&mut self, transactions: i64) {
        while self.state.zxid < transactions {
            for _ in 0..=self.state.zxid % 3 {
                append(&mut self.store, &mut self.state);
            }
            if self.store.commit().is_err() {
                return;
            }
            self.acknowledged = self.state.zxid;
            if self.state.zxid % 4 == 0 {
                self.store.idle();
            }
            self.beside();
            if self.state.zxid % 8 == 0 && self.store.tick().is_err() {
                return;
            }
        }
    }

    /// Does what there is to do beside the requests.
    fn finish(&mut self) {
        loop {
            self.beside();
            if self.job.is_none() {
                self.beside();
            }
            if self.job.is_none() {
                return;
            }
        }
    }

    fn beside(&mut self) {
        if let Some(job) = self.job.take() {
            let done = self.worker.run(job);
            self.snapshots += u32::from(matches!(done, Done::Snapshot(_)));
            self.store.done(&done, &mut self.state);
        } else {
            self.job = self.store.next_job(&mut self.state, Duration::ZERO);
        }
    }
}

/// Runs to the end or until the disk fails; answers the last acknowledged transaction.
fn run(disk: &MemDisk) -> i64 {
    let Some(mut running) = Running::start(disk, SETTINGS) else { return 0 };
    running.run(TRANSACTIONS);
    running.acknowledged
}

fn names(disk: &MemDisk, prefix: &str) -> Vec<String> {
    let entries = disk.read_dir(Path::new("/data/klamm-1")).unwrap();
    entries.into_iter().map(|entry| entry.name).filter(|name| name.starts_with(prefix)).collect()
}

#[test]
fn a_restart_finds_everything() {
    let disk = MemDisk::new();
    for transactions in [1, 5, 6, 40, 41, 90, 200] {
        let mut running = Running::start(&disk, SETTINGS).unwrap();
        running.run(transactions);
        running.store.close();
        let last = running.acknowledged;
        drop(running);
        let (_, state) = open(&disk).unwrap();
        assert_eq!(picture(&state), expected(last));
    }
}

#[test]
fn old_files_are_purged_when_they_should() {
    let every = Duration::from_secs(3600);
    for (purge, now, snapshots) in [
        (Purge::AfterSnapshot, Duration::ZERO, Some(2)),
        (Purge::Never, every * 9, None),
        (Purge::Every(every), every / 2, None),
        (Purge::Every(every), every, Some(2)),
    ] {
        let disk = MemDisk::new();
        let mut running = Running::start(&disk, Settings { purge, ..SETTINGS }).unwrap();
        running.run(200);
        running.finish();
        // The purge at the start found nothing yet.
        let job = running.store.next_job(&mut running.state, now);
        assert_eq!(job.is_some(), matches!(purge, Purge::Every(_)) && now >= every, "{purge:?} at {now:?}");
        job.map(|job| running.worker.run(job));
        let written = running.snapshots as usize;
        assert!(written > 4);
        assert_eq!(names(&disk, "snapshot.").len(), snapshots.unwrap_or(written), "{purge:?}");
        assert_eq!(names(&disk, "log.").len() <= 4, snapshots.is_some(), "{:?}", names(&disk, ""));
        drop(running);
        let (_, state) = open(&disk).unwrap();
        assert_eq!(picture(&state), expected(state.zxid));
    }
}

#[test]
fn a_crash_after_any_operation_loses_nothing_acknowledged() {
    let whole = MemDisk::new();
    run(&whole);
    let expected: Vec<_> = (0..TRANSACTIONS + 4).map(expected).collect();
    for operation in 0..whole.operations() {
        for unsynced in
            [Unsynced::Lost, Unsynced::Kept, Unsynced::Random(operation), Unsynced::Random(operation + 7919)]
        {
            let context = format!("operation {operation}, {unsynced:?}");
            let disk = MemDisk::new();
            disk.fail_from(Some(operation));
            let acknowledged = run(&disk);
            let crashed = disk.crash(unsynced);
            let (mut store, mut state) =
                open(&crashed).unwrap_or_else(|error| panic!("{context}: {}", describe(&error)));
            assert!(state.zxid >= acknowledged, "{context}: {} < {acknowledged}", state.zxid);
            assert_eq!(picture(&state), expected[state.zxid as usize], "{context}");
            assert!(names(&crashed, "").iter().all(|name| !name.ends_with(".tmp")), "{context}");

            // And it goes on from there, through another restart.
            append(&mut store, &mut state);
            store.commit().unwrap();
            drop(store);
            let (_, again) = open(&crashed.crash(Unsynced::Lost)).unwrap();
            assert_eq!(picture(&again), expected[state.zxid as usize], "{context}");
        }
    }
}

#[test]
fn a_crash_when_a_single_operation_failed_loses_nothing_acknowledged() {
    let whole = MemDisk::new();
    run(&whole);
    let expected: Vec<_> = (0..TRANSACTIONS + 4).map(expected).collect();
    for operation in 0..whole.operations() {
        let disk = MemDisk::new();
        disk.fail_once(operation);
        let acknowledged = run(&disk);
        for unsynced in [Unsynced::Lost, Unsynced::Kept] {
            let (_, state) = open(&disk.crash(unsynced)).unwrap();
            assert!(state.zxid >= acknowledged, "operation {operation}, {unsynced:?}");
            assert_eq!(picture(&state), expected[state.zxid as usize], "operation {operation}, {unsynced:?}");
        }
    }
}

#[test]
fn a_full_disk_acknowledges_nothing_that_it_loses() {
    for capacity in (0..12_000).step_by(97) {
        let disk = MemDisk::new();
        disk.set_capacity(Some(capacity));
        let acknowledged = run(&disk);
        // It starts again though there is still no room, and takes changes when there is.
        if let Ok((store, state)) = open(&disk.crash(Unsynced::Kept)) {
            assert!(state.zxid >= acknowledged, "{capacity} bytes");
            drop(store);
        }
        disk.set_capacity(None);
        let (_, state) = open(&disk.crash(Unsynced::Kept)).unwrap();
        assert!(state.zxid >= acknowledged, "{capacity} bytes");
        assert_eq!(picture(&state), expected(state.zxid), "{capacity} bytes");
    }
}

#[test]
fn a_snapshot_that_finds_no_room_gives_its_room_back_and_comes_later() {
    let disk = MemDisk::new();
    let mut running = Running::start(&disk, SETTINGS).unwrap();
    running.run(40);
    running.finish();
    let before = running.snapshots;
    while running.store.snapshot.is_none() {
        append(&mut running.store, &mut running.state);
        running.store.commit().unwrap();
        running.job = running.store.next_job(&mut running.state, Duration::ZERO);
    }
    let used = disk.space(Path::new("/")).unwrap();
    disk.set_capacity(Some(used.total - used.usable + 100));
    running.beside();
    assert!(running.store.snapshot.is_none());
    assert_eq!(running.state.tree.captured_bytes(), 0);
    assert!(names(&disk, "").iter().all(|name| !name.ends_with(".tmp")));
    disk.set_capacity(None);
    running.run(TRANSACTIONS + 40);
    assert!(running.snapshots > before);
}

#[test]
fn after_a_stop_or_a_kill_damage_anywhere_in_the_log_stops_the_start() {
    let disk = MemDisk::new();
    let mut running = Running::start(&disk, Settings { snap_count: 1000, ..SETTINGS }).unwrap();
    running.run(9);
    running.store.idle();
    drop(running);
    let path = Path::new("/data/klamm-1").join(txn_log::file_name(1));
    let len = disk.metadata(&path).unwrap().len;
    for position in 0..len {
        let disk = disk.crash(Unsynced::Kept);
        let file = disk.open(&path).unwrap();
        let mut byte = [0];
        file.read_at(&mut byte, position).unwrap();
        file.write_at(&mut [std::io::IoSlice::new(&[!byte[0]])], position).unwrap();
        match open(&disk) {
            Ok((_, state)) => assert!(position >= len - 20 && state.zxid == 9, "byte {position} of {len}"),
            Err(error) => assert!(error.to_string().contains("is damaged at position"), "{error}"),
        }
    }
}

#[test]
fn a_missing_log_file_is_a_gap_and_a_damaged_snapshot_is_passed_over() {
    let disk = MemDisk::new();
    run(&disk);
    let dir = Path::new("/data/klamm-1");
    let (_, newest) = open(&disk).unwrap();
    let files = Files::list(&disk, dir).unwrap();
    let (_, snapshot) = files.snapshots.last().unwrap();
    disk.open(snapshot).unwrap().set_len(100).unwrap();
    let (_, state) = open(&disk).unwrap();
    assert_eq!(picture(&state), picture(&newest), "an older snapshot and more of the log give the same");

    let (_, log) = files.logs.iter().rev().nth(1).unwrap();
    disk.remove_file(log).unwrap();
    let error = open(&disk).map(|(_, state)| state.zxid).unwrap_err().to_string();
    assert!(error.contains("is damaged at position 0"), "{error}");

    // The newest snapshot's name alone says how far the state once was.
    names(&disk, "log.").iter().for_each(|name| disk.remove_file(&dir.join(name)).unwrap());
    let error = open(&disk).map(|(_, state)| state.zxid).unwrap_err().to_string();
    assert!(error.starts_with(&*snapshot.to_string_lossy()), "{error}");
}

#[test]
fn a_directory_has_one_server_and_no_apache_data() {
    let disk = MemDisk::new();
    let held = open(&disk).unwrap();
    assert!(matches!(open(&disk), Err(StoreError::Locked(_))));
    drop(held);
    open(&disk).unwrap();
    let foreign = MemDisk::new();
    foreign.create_dir_all(Path::new("/data/version-2")).unwrap();
    assert!(matches!(open(&foreign), Err(StoreError::Foreign(_))));
}
