//! Restarts and crashes: whatever was acknowledged is there again, whatever was not is there as a whole or not at all.

use std::collections::BTreeMap;

use world::MemDisk;
use world::clock::ManualClock;
use world::mem::Unsynced;

use super::*;
use crate::acl::Acl;
use crate::txn::{Change, TxnHeader, TxnWriter};

const SETTINGS: Settings = Settings { tick: Duration::from_millis(100), sync: true, snap_count: 7, retain: 2 };

fn open(disk: &MemDisk) -> Result<(Store, State), StoreError> {
    Store::open(Arc::new(disk.clone()), Path::new("/data"), SETTINGS, &ManualClock::new(0))
}

fn header(zxid: i64) -> TxnHeader {
    TxnHeader { zxid, time_ms: zxid, session_id: 5 }
}

/// The change of a transaction: nodes come, change and go, so that a lost or doubled one shows.
fn change(zxid: i64) -> Vec<Change> {
    let path = |zxid: i64| format!("/n{zxid}").into();
    let create = |zxid| Change::Create {
        path: path(zxid),
        data: Some(Box::from(&b"first"[..])),
        acl: Acl::open(),
        owner: 0,
        parent_cversion: zxid as i32,
    };
    match zxid % 4 {
        0 => vec![Change::Delete { path: path(zxid - 3) }, create(zxid)],
        2 => vec![create(zxid), Change::SetData { path: path(zxid - 1), data: None, version: 1 }],
        _ => vec![create(zxid)],
    }
}

fn append(store: &mut Store, state: &mut State, zxid: i64) {
    let mut txn = TxnWriter::new(&header(zxid));
    change(zxid).iter().for_each(|change| txn.push(change));
    store.append(&txn.finish().unwrap());
    state.replay(&header(zxid), change(zxid), Duration::ZERO).unwrap();
}

/// Runs batches of one, two and three transactions until the disk fails; answers the last acknowledged one.
fn run(disk: &MemDisk, transactions: i64) -> i64 {
    let Ok((mut store, mut state)) = open(disk) else { return 0 };
    let mut acknowledged = state.zxid;
    while state.zxid < transactions {
        for _ in 0..=state.zxid % 3 {
            let next = state.zxid + 1;
            append(&mut store, &mut state, next);
        }
        if store.commit().is_err() {
            break;
        }
        acknowledged = state.zxid;
        store.snapshot_if_due(&state);
    }
    acknowledged
}

fn nodes(state: &State) -> BTreeMap<String, (i64, i32)> {
    let mut nodes = BTreeMap::new();
    let _ = state.tree.walk(|path, node| {
        nodes.insert(path.to_string(), (node.czxid, node.version));
        Ok::<(), ()>(())
    });
    nodes
}

fn expected(zxid: i64) -> BTreeMap<String, (i64, i32)> {
    let mut state = State::new(SETTINGS.tick, 0);
    (1..=zxid).for_each(|zxid| state.replay(&header(zxid), change(zxid), Duration::ZERO).unwrap());
    nodes(&state)
}

#[test]
fn a_restart_finds_everything() {
    let disk = MemDisk::new();
    let mut last = 0;
    for transactions in [1, 5, 6, 40, 41, 90] {
        last = run(&disk, transactions).max(last);
        let (_, state) = open(&disk).unwrap();
        assert_eq!((state.zxid, nodes(&state)), (last, expected(last)));
    }
    let names: Vec<String> = disk.read_dir(Path::new("/data/klamm-1")).unwrap().into_iter().map(|e| e.name).collect();
    let snapshots = names.iter().filter(|name| name.starts_with("snapshot.")).count();
    let logs = names.iter().filter(|name| name.starts_with("log.")).count();
    assert_eq!((snapshots, logs <= 3, names.len()), (2, true, 2 + logs + 1), "purged: {names:?}");
}

#[test]
fn a_crash_after_any_operation_loses_nothing_acknowledged() {
    let whole = MemDisk::new();
    run(&whole, 40);
    for operation in 0..whole.operations() {
        for unsynced in
            [Unsynced::Lost, Unsynced::Kept, Unsynced::Random(operation), Unsynced::Random(operation + 7919)]
        {
            let disk = MemDisk::new();
            disk.fail_from(Some(operation));
            let acknowledged = run(&disk, 40);
            let crashed = disk.crash(unsynced);
            let (mut store, mut state) = open(&crashed)
                .unwrap_or_else(|error| panic!("operation {operation}, {unsynced:?}: {}", describe(&error)));
            assert!(state.zxid >= acknowledged, "operation {operation}, {unsynced:?}: {} < {acknowledged}", state.zxid);
            assert_eq!(nodes(&state), expected(state.zxid), "operation {operation}, {unsynced:?}");

            // And it goes on from there, through another restart.
            let next = state.zxid + 1;
            append(&mut store, &mut state, next);
            store.commit().unwrap();
            drop(store);
            let (_, state) = open(&crashed.crash(Unsynced::Lost)).unwrap();
            assert_eq!((state.zxid, nodes(&state)), (next, expected(next)), "operation {operation}, {unsynced:?}");
        }
    }
}

#[test]
fn a_full_disk_acknowledges_nothing_that_it_loses() {
    for capacity in (0..6000).step_by(97) {
        let disk = MemDisk::new();
        disk.set_capacity(Some(capacity));
        let acknowledged = run(&disk, 60);
        disk.set_capacity(None);
        let (_, state) = open(&disk.crash(Unsynced::Kept)).unwrap();
        assert!(state.zxid >= acknowledged, "{capacity} bytes");
        assert_eq!(nodes(&state), expected(state.zxid), "{capacity} bytes");
    }
}

#[test]
fn a_missing_log_file_is_a_gap_and_a_damaged_snapshot_is_passed_over() {
    let disk = MemDisk::new();
    run(&disk, 32);
    let dir = Path::new("/data/klamm-1");
    let (_, newest) = open(&disk).unwrap();
    let files = Files::list(&disk, dir).unwrap();
    let (_, snapshot) = files.snapshots.last().unwrap();
    disk.open(snapshot).unwrap().set_len(100).unwrap();
    let (_, state) = open(&disk).unwrap();
    assert_eq!(nodes(&state), nodes(&newest), "an older snapshot and more of the log give the same");

    let (_, log) = files.logs.iter().rev().nth(1).unwrap();
    disk.remove_file(log).unwrap();
    let error = open(&disk).map(|(_, state)| state.zxid).unwrap_err().to_string();
    assert!(error.contains("is damaged at position 0"), "{error}");

    // The newest snapshot's name alone says how far the state once was.
    let (_, log) = files.logs.last().unwrap();
    disk.remove_file(log).unwrap();
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
