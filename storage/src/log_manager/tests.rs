//! Directories on a disk in memory.

use bytes::Bytes;
use world::clock::ManualClock;
use world::{MemDisk, Unsynced};
use zk_paths::ids::{LeaderEpoch, Offset};

use super::*;
use crate::batch::BatchBuilder;
use crate::producer_state::AppendOrigin;

const DIRS: [&str; 2] = ["/one", "/two"];

fn try_load(disk: &MemDisk, dirs: &[&str]) -> Result<LogManager, StartError> {
    let config = LogManagerConfig {
        log_dirs: dirs.iter().map(PathBuf::from).collect(),
        recovery_threads_per_dir: 2,
        producer_id_expiration: Duration::from_secs(1000),
        failed_dirs: Vec::new(),
        failure_listener: None,
        progress: Arc::default(),
    };
    let clock = Arc::new(ManualClock::new(1_000_000));
    LogManager::load(config, Arc::new(disk.clone()), clock, &|_| LogConfig::default())
}

#[test]
fn a_directory_that_failed_before_the_start_is_not_touched() {
    let disk = MemDisk::new();
    let config = LogManagerConfig {
        log_dirs: DIRS.iter().map(PathBuf::from).collect(),
        recovery_threads_per_dir: 1,
        producer_id_expiration: Duration::from_secs(1000),
        failed_dirs: vec![(PathBuf::from(DIRS[1]), "cannot read meta.properties".into())],
        failure_listener: None,
        progress: Arc::default(),
    };
    let clock = Arc::new(ManualClock::new(1_000_000));
    let manager = LogManager::load(config, Arc::new(disk.clone()), clock, &|_| LogConfig::default()).unwrap();
    assert_eq!(manager.live_dirs(), [PathBuf::from(DIRS[0])]);
    assert!(!disk.exists(Path::new(DIRS[1])).unwrap());
    assert_eq!(make(&manager, 0).parent_dir(), Path::new(DIRS[0]));
}

fn load(disk: &MemDisk) -> LogManager {
    try_load(disk, &DIRS).unwrap()
}

fn records() -> Bytes {
    let mut builder = BatchBuilder::new();
    builder.append(1, None, Some(b"value"), &[]);
    builder.build().unwrap()
}

fn partition(number: i32) -> TopicPartition {
    TopicPartition::new("topic", number)
}

fn make(manager: &LogManager, number: i32) -> Arc<Log> {
    let log = manager.get_or_create(&partition(number), true, Some(TopicId::ONE), LogConfig::default()).unwrap();
    log.append_as_leader(records(), LeaderEpoch(0), AppendOrigin::Client).unwrap();
    log
}

#[test]
fn new_logs_spread_over_directories_and_are_loaded_again() {
    let disk = MemDisk::new();
    for clean in [true, false] {
        let disk = if clean { disk.clone() } else { MemDisk::new() };
        let manager = load(&disk);
        for number in 0..6 {
            let log = make(&manager, number);
            log.raise_high_watermark(Offset(1));
        }
        for dir in DIRS {
            assert_eq!(manager.all().iter().filter(|log| log.parent_dir() == Path::new(dir)).count(), 3);
        }
        manager.checkpoint_high_watermarks().unwrap();
        if clean {
            manager.shutdown().unwrap();
            assert!(disk.exists(Path::new("/one/.kafka_cleanshutdown")).unwrap());
        }
        drop(manager);
        let again = load(&disk);
        assert!(!disk.exists(Path::new("/one/.kafka_cleanshutdown")).unwrap());
        assert_eq!(again.all().len(), 6);
        let log = again.get(&partition(4)).unwrap();
        assert_eq!((log.log_end_offset(), log.high_watermark()), (Offset(1), Offset(1)));
        assert_eq!(log.topic_id(), Some(TopicId::ONE));
        assert_eq!(log.recovery_point(), Offset(if clean { 1 } else { 0 }));
    }
}

#[test]
fn loading_counts_down_what_is_left() {
    let disk = MemDisk::new();
    let manager = load(&disk);
    (0..4).for_each(|number| drop(make(&manager, number)));
    drop(manager);
    let progress = Arc::new(LoadProgress::default());
    let config = LogManagerConfig {
        log_dirs: DIRS.iter().map(PathBuf::from).collect(),
        recovery_threads_per_dir: 2,
        producer_id_expiration: Duration::from_secs(1000),
        failed_dirs: Vec::new(),
        failure_listener: None,
        progress: progress.clone(),
    };
    let seen = Mutex::new(Vec::new());
    let look = |_: &str| {
        let left: usize = progress.remaining_logs().iter().map(|(_, left)| left).sum();
        seen.lock().unwrap().push((left, progress.remaining_segments().len()));
        LogConfig::default()
    };
    let clock = Arc::new(ManualClock::new(1_000_000));
    let manager = LogManager::load(config, Arc::new(disk), clock, &look).unwrap();
    assert_eq!(manager.unclean_dirs(), DIRS.map(PathBuf::from));
    let seen = seen.into_inner().unwrap();
    assert!(seen.len() == 4 && seen.iter().all(|(left, _)| (1..=4).contains(left)), "{seen:?}");
    assert_eq!(progress.remaining_logs(), DIRS.map(|dir| (PathBuf::from(dir), 0)));
    assert!(progress.remaining_segments().iter().all(|(_, _, left)| *left == 0));
    assert_eq!(progress.remaining_segments().len(), 4);
}

#[test]
fn a_directory_is_taken_once_and_only_partitions_may_be_in_it() {
    let disk = MemDisk::new();
    let first = load(&disk);
    assert!(matches!(try_load(&disk, &DIRS), Err(StartError::Locked { .. })));
    drop(first);
    disk.create_dir_all(Path::new("/one/remote-log-index-cache")).unwrap();
    drop(load(&disk));
    disk.create_dir_all(Path::new("/one/t-0")).unwrap();
    disk.create_dir_all(Path::new("/two/t-0")).unwrap();
    assert!(matches!(try_load(&disk, &DIRS), Err(StartError::Duplicate { .. })));
    disk.create_dir_all(Path::new("/two/lost+found")).unwrap();
    assert!(matches!(try_load(&disk, &DIRS), Err(StartError::ForeignDirectory { .. })));
}

#[test]
fn a_deleted_partition_is_renamed_at_once_and_removed_later() {
    let disk = MemDisk::new();
    let manager = load(&disk);
    let log = make(&manager, 7);
    let slice = log.read(Offset(0), 1000, Offset(1), true).unwrap().slice.unwrap();
    assert!(manager.delete(&[partition(7), partition(8)]).is_empty());
    assert!(manager.delete(&[partition(7)]).is_empty());
    assert!(manager.get(&partition(7)).is_none());
    let waiting = || -> Vec<String> {
        let names = DIRS.iter().flat_map(|dir| disk.read_dir(Path::new(dir)).unwrap());
        names.filter(|entry| entry.is_dir).map(|entry| entry.name).collect()
    };
    assert!(waiting()[0].starts_with("topic-7.") && waiting()[0].ends_with("-delete"), "{:?}", waiting());
    assert_eq!(slice.read().unwrap().len(), slice.len);
    assert_eq!(manager.run_deletions(1_000_000 + 59_999), 0);
    make(&manager, 7);
    assert_eq!(manager.run_deletions(1_000_000 + 60_000), 1);
    assert_eq!(waiting(), ["topic-7"]);
    manager.delete(&[partition(7)]);
    drop(manager);
    // What waited when the broker stopped goes after the next start.
    let again = load(&disk);
    assert!(again.all().is_empty());
    assert_eq!(again.run_deletions(1_000_000 + 59_999), 0);
    assert_eq!(again.run_deletions(1_000_000 + 60_000), 1);
    assert_eq!(waiting(), Vec::<String>::new());
}

#[test]
fn a_failed_directory_goes_offline_alone() {
    let disk = MemDisk::new();
    let manager = load(&disk);
    let logs: Vec<_> = (0..2).map(|number| make(&manager, number)).collect();
    disk.fail_once(disk.operations());
    let failed = logs[0].append_as_leader(records(), LeaderEpoch(0), AppendOrigin::Client);
    assert!(failed.is_err());
    logs[1].append_as_leader(records(), LeaderEpoch(0), AppendOrigin::Client).unwrap();
    let offline = manager.offline_dirs();
    assert_eq!((offline.len(), manager.live_dirs().len()), (1, 1));
    assert_eq!(offline[0].0, logs[0].parent_dir());
    assert!(offline[0].1.contains("append to") && offline[0].1.contains("at position 73:"), "{}", offline[0].1);
    let new = make(&manager, 5);
    assert_eq!(new.parent_dir(), manager.live_dirs()[0]);
    assert!(manager.get_or_create(&partition(0), true, None, LogConfig::default()).is_err());
    // A partition that is not new may have its records in the directory that failed: no empty log is put beside them.
    let elsewhere = manager.get_or_create(&partition(6), false, None, LogConfig::default());
    assert!(matches!(elsewhere, Err(StorageError::Offline { .. })), "{elsewhere:?}");
    manager.shutdown().unwrap();
}

#[test]
fn no_working_directory_stops_the_start() {
    let disk = MemDisk::new();
    disk.fail_from(Some(0));
    assert!(matches!(try_load(&disk, &DIRS), Err(StartError::NoDirectory { .. })));
}

/// Two partitions, checkpoints now and then, a deletion, a clean stop. Answers how many records each had flushed.
fn day(disk: &MemDisk) -> Vec<i64> {
    let mut flushed = vec![0; 2];
    let Ok(manager) = try_load(disk, &DIRS) else { return flushed };
    for round in 0..4 {
        for (number, flushed) in flushed.iter_mut().enumerate() {
            let log = manager.get_or_create(&partition(number as i32), true, Some(TopicId::ONE), LogConfig::default());
            let Ok(log) = log else { continue };
            let _ = log.append_as_leader(records(), LeaderEpoch(round), AppendOrigin::Client);
            if round % 2 == number as i32 && log.flush().is_ok() {
                *flushed = log.recovery_point().0;
            }
        }
        let _ = manager.checkpoint_recovery_points();
        let _ = manager.checkpoint_log_starts();
    }
    let _ = manager.get_or_create(&partition(9), true, None, LogConfig::default());
    let _ = manager.delete(&[partition(9)]);
    if manager.shutdown().is_ok() && manager.offline_dirs().is_empty() {
        flushed = vec![4; 2];
    }
    flushed
}

#[test]
fn after_a_crash_anywhere_every_directory_is_loaded_with_what_was_flushed() {
    let whole = MemDisk::new();
    day(&whole);
    for crash_after in 0..=whole.operations() {
        let disk = MemDisk::new();
        disk.fail_from(Some(crash_after));
        let flushed = day(&disk);
        for unsynced in [Unsynced::Lost, Unsynced::Kept, Unsynced::Random(crash_after), Unsynced::Random(!crash_after)]
        {
            let manager = load(&disk.crash(unsynced));
            for (number, flushed) in flushed.iter().enumerate() {
                let end = manager.get(&partition(number as i32)).map_or(0, |log| log.log_end_offset().0);
                assert!(end >= *flushed, "crash after {crash_after}, {unsynced:?}: {end} of {flushed} flushed records");
            }
            assert_eq!(manager.offline_dirs(), [], "crash after {crash_after}, {unsynced:?}");
        }
    }
}

fn future(manager: &LogManager, number: i32, dir: &str) -> Arc<Log> {
    let made =
        manager.get_or_create_future(&partition(number), Path::new(dir), Some(TopicId::ONE), LogConfig::default());
    made.unwrap()
}

/// The other of the two directories.
fn other(log: &Log) -> &'static str {
    if log.parent_dir() == Path::new(DIRS[0]) { DIRS[1] } else { DIRS[0] }
}

fn copy(from: &Log, to: &Log) {
    let end = from.log_end_offset();
    if let Some(slice) = from.read(to.log_end_offset(), 1 << 20, end, true).unwrap().slice {
        to.append_as_follower(slice.read().unwrap(), LeaderEpoch(0)).unwrap();
    }
    assert_eq!(to.log_end_offset(), end);
}

#[test]
fn a_new_log_lands_where_it_was_wished_and_else_where_the_fewest_are() {
    let disk = MemDisk::new();
    let manager = load(&disk);
    for number in 0..3 {
        manager.prefer_dir(&partition(number), Path::new("/two"));
        assert_eq!(make(&manager, number).parent_dir(), Path::new("/two"));
    }
    for number in 3..6 {
        assert_eq!(make(&manager, number).parent_dir(), Path::new("/one"));
    }
    // A wish is for one time, and none for where the partition is already.
    manager.delete(&[partition(0)]);
    make(&manager, 0);
    manager.prefer_dir(&partition(1), Path::new("/two"));
    assert!(manager.changes().preferred.is_empty());
    // Logs being built count for their directory.
    future(&manager, 1, "/one");
    future(&manager, 2, "/one");
    assert_eq!(make(&manager, 7).parent_dir(), Path::new("/two"));
}

#[test]
fn a_directory_that_takes_no_new_partition_is_passed_over() {
    let disk = MemDisk::new();
    let manager = load(&disk);
    disk.fail_once(disk.operations());
    assert_eq!(make(&manager, 0).parent_dir(), Path::new("/two"));
    assert_eq!(manager.offline_dirs()[0].0, Path::new("/one"));
    let future = manager.get_or_create_future(&partition(0), Path::new("/one"), None, LogConfig::default());
    assert!(matches!(future, Err(StorageError::Offline { .. })), "{future:?}");
}

#[test]
fn a_future_log_survives_restarts_and_takes_the_place_of_the_current_one() {
    let disk = MemDisk::new();
    let mut manager = load(&disk);
    let target = other(&make(&manager, 0));
    future(&manager, 0, target);
    for clean in [true, false] {
        copy(&manager.get(&partition(0)).unwrap(), &manager.future(&partition(0)).unwrap());
        if clean {
            manager.shutdown().unwrap();
        }
        drop(manager);
        manager = load(&disk);
        let (log, future) = (manager.get(&partition(0)).unwrap(), manager.future(&partition(0)).unwrap());
        assert_eq!((log.log_end_offset(), future.log_end_offset()), (Offset(1), Offset(1)));
        assert_eq!((future.parent_dir(), other(&log)), (Path::new(target), target));
        assert_eq!(manager.all().len(), 1, "what is being built is not in use");
    }
    manager.get(&partition(0)).unwrap().raise_high_watermark(Offset(1));
    let former = manager.get(&partition(0)).unwrap();
    let mut published = None;
    let replaced = manager.replace_with_future(&partition(0), |log| {
        assert!(!former.is_retired(), "who finds the former log retired finds the next one published");
        published = Some(log.clone());
    });
    let replaced = replaced.unwrap();
    assert!(former.is_retired() && Arc::ptr_eq(&published.unwrap(), &replaced.log));
    manager.note_replaced(&replaced);
    drop(former);
    let log = manager.get(&partition(0)).unwrap();
    assert_eq!((log.parent_dir(), log.high_watermark()), (Path::new(target), Offset(1)));
    assert!(Arc::ptr_eq(&log, &replaced.log) && manager.future(&partition(0)).is_none());
    log.append_as_leader(records(), LeaderEpoch(0), AppendOrigin::Client).unwrap();
    let names = |dir: &str| -> Vec<String> {
        let entries = disk.read_dir(Path::new(dir)).unwrap().into_iter();
        entries.filter(|entry| entry.is_dir).map(|entry| entry.name).collect()
    };
    assert_eq!(names(target), ["topic-0"]);
    let left = names(other(&log));
    assert!(left.len() == 1 && left[0].ends_with("-delete"), "{left:?}");
    assert_eq!(manager.run_deletions(1_000_000 + 60_000), 1);
    drop((log, replaced, manager));
    assert_eq!(load(&disk).get(&partition(0)).unwrap().log_end_offset(), Offset(2));
}

#[test]
fn a_move_is_given_up_and_a_deleted_partition_takes_its_future_along() {
    let disk = MemDisk::new();
    let manager = load(&disk);
    let target = other(&make(&manager, 0));
    let cancelled = future(&manager, 0, target);
    assert!(manager.delete_future(&partition(0)).unwrap());
    assert!(!manager.delete_future(&partition(0)).unwrap());
    assert!(cancelled.dir().to_string_lossy().ends_with("-delete"));
    future(&manager, 0, target);
    assert!(manager.delete(&[partition(0)]).is_empty());
    assert!(manager.future(&partition(0)).is_none() && manager.replace_with_future(&partition(0), |_| {}).is_err());
    assert_eq!(manager.run_deletions(1_000_000 + 60_000), 3);
}

/// A move from its first step to the removal of the old log. The only answer of a crash that needs its operator is the
/// partition being there twice.
#[test]
fn a_move_that_a_crash_ends_anywhere_leaves_every_record() {
    let run = |disk: &MemDisk| -> Option<()> {
        let manager = try_load(disk, &DIRS).ok()?;
        let log = manager.get_or_create(&partition(0), true, Some(TopicId::ONE), LogConfig::default()).ok()?;
        log.append_as_leader(records(), LeaderEpoch(0), AppendOrigin::Client).ok()?;
        log.flush().ok()?;
        let target = other(&log);
        let begun = disk.operations();
        let future = manager.get_or_create_future(&partition(0), Path::new(target), None, LogConfig::default()).ok()?;
        let slice = log.read(Offset(0), 1 << 20, Offset(1), true).ok()?.slice?;
        future.append_as_follower(slice.read().ok()?, LeaderEpoch(0)).ok()?;
        future.flush().ok()?;
        manager.note_replaced(&manager.replace_with_future(&partition(0), |_| {}).ok()?);
        manager.run_deletions(i64::MAX);
        assert!(begun < disk.operations());
        Some(())
    };
    let whole = MemDisk::new();
    run(&whole).unwrap();
    let prepared = MemDisk::new();
    {
        let manager = load(&prepared);
        make(&manager, 0).flush().unwrap();
    }
    let (mut loaded, mut twice) = (0, 0);
    for crash_after in prepared.operations()..=whole.operations() {
        let disk = MemDisk::new();
        disk.fail_from(Some(crash_after));
        run(&disk);
        for unsynced in [Unsynced::Lost, Unsynced::Kept, Unsynced::Random(crash_after), Unsynced::Random(!crash_after)]
        {
            match try_load(&disk.crash(unsynced), &DIRS) {
                Ok(manager) => {
                    let end = manager.get(&partition(0)).map(|log| log.log_end_offset());
                    assert_eq!(end, Some(Offset(1)), "crash after {crash_after}, {unsynced:?}");
                    loaded += 1;
                }
                Err(StartError::Duplicate { .. }) => twice += 1,
                Err(error) => panic!("crash after {crash_after}, {unsynced:?}: {error}"),
            }
        }
    }
    assert!(loaded > 50 && twice > 0 && twice < 10, "{loaded} {twice}");
}

#[test]
fn cleaners_keep_away_from_a_log_that_moves_and_know_the_next_one() {
    let disk = MemDisk::new();
    let manager = load(&disk);
    let log = make(&manager, 0);
    let cleanable = |log: &Arc<Log>| log.begin_cleaning().is_some();
    let turn = log.begin_cleaning().unwrap();
    future(&manager, 0, other(&log));
    assert!(turn.is_aborted() && !cleanable(&log));
    drop(turn);
    manager.delete_future(&partition(0)).unwrap();
    assert!(cleanable(&log));

    copy(&log, &future(&manager, 0, other(&log)));
    log.set_cleaner_checkpoint(Some(Offset(1)));
    drop(log);
    manager.shutdown().unwrap();
    drop(manager);
    let manager = load(&disk);
    let log = manager.get(&partition(0)).unwrap();
    assert!(!cleanable(&log), "also after a restart");
    assert_eq!(manager.future(&partition(0)).unwrap().log_end_offset(), Offset(1));
    let replaced = manager.replace_with_future(&partition(0), |_| {}).unwrap();
    assert_eq!(replaced.log.cleaner_checkpoint(), Some(Offset(1)));
    assert!(cleanable(&replaced.log) && !cleanable(&log));
}

#[test]
fn a_copy_behind_what_was_cleaned_is_begun_anew() {
    let disk = MemDisk::new();
    let manager = load(&disk);
    let log = make(&manager, 0);
    copy(&log, &future(&manager, 0, other(&log)));
    log.append_as_leader(records(), LeaderEpoch(0), AppendOrigin::Client).unwrap();
    log.set_cleaner_checkpoint(Some(Offset(2)));
    manager.shutdown().unwrap();
    drop((log, manager));
    assert_eq!(load(&disk).future(&partition(0)).unwrap().log_end_offset(), Offset(0));
}

#[test]
fn where_a_client_let_a_log_start_is_remembered_across_stops_and_kills() {
    for clean in [true, false] {
        let disk = MemDisk::new();
        let manager = load(&disk);
        let log = make(&manager, 0);
        log.append_as_leader(records(), LeaderEpoch(0), AppendOrigin::Client).unwrap();
        log.raise_high_watermark(Offset(2));
        assert!(log.maybe_increment_log_start_offset(Offset(1)).unwrap());
        match clean {
            true => manager.shutdown().unwrap(),
            false => manager.checkpoint_log_starts().unwrap(),
        }
        drop((log, manager));
        let log = load(&disk).get(&partition(0)).unwrap();
        assert_eq!((log.log_start_offset(), log.log_end_offset()), (Offset(1), Offset(2)), "clean: {clean}");
    }
}
