//! Compacted logs on a disk in memory: what a cleaning leaves, whatever happens meanwhile.

use std::collections::BTreeMap;
use std::io::IoSlice;
use std::path::PathBuf;

use bytes::Bytes;
use proptest::prelude::*;
use world::clock::ManualClock;
use world::{Disk, MemDisk, Unsynced};
use zk_paths::ids::{LeaderEpoch, TopicPartition};

use super::*;
use crate::batch::{Batch, BatchBuilder, Batches, ControlType, EndTransactionMarker, ProducerFields, TimestampType};
use crate::compression::Codec;
use crate::file_name::FileKind;
use crate::log_config::LogConfig;
use crate::log_manager::{LogManager, LogManagerConfig};
use crate::producer_state::AppendOrigin;

const NOW: i64 = 1_700_000_000_000;
const EPOCH: LeaderEpoch = LeaderEpoch(3);
const RETENTION: Duration = Duration::from_secs(60);

/// A broker's logs with a cleaner.
struct Lab {
    disk: MemDisk,
    clock: Arc<ManualClock>,
    manager: Arc<LogManager>,
    cleaner: LogCleaner,
    config: LogConfig,
}

fn compact() -> LogConfig {
    LogConfig {
        segment_bytes: 700,
        index_interval_bytes: 100,
        file_delete_delay: Duration::ZERO,
        delete: false,
        compact: true,
        min_cleanable_dirty_ratio: 0.0,
        delete_retention: RETENTION,
        ..LogConfig::default()
    }
}

fn tight() -> CleanerConfig {
    CleanerConfig {
        threads: 1,
        dedupe_buffer_bytes: 1 << 20,
        dedupe_buffer_load_factor: 0.9,
        io_buffer_bytes: 0,
        io_max_bytes_per_second: f64::MAX,
    }
}

impl Lab {
    fn new(config: LogConfig) -> Lab {
        Lab::on(MemDisk::new(), NOW, config, tight())
    }

    fn on(disk: MemDisk, now_ms: i64, config: LogConfig, cleaner: CleanerConfig) -> Lab {
        let dirs = LogManagerConfig {
            log_dirs: vec![PathBuf::from("/logs")],
            recovery_threads_per_dir: 1,
            producer_id_expiration: Duration::from_secs(86_400),
            failed_dirs: Vec::new(),
            failure_listener: None,
            progress: Arc::default(),
        };
        let clock = Arc::new(ManualClock::new(now_ms));
        disk.set_now_ms(now_ms);
        let manager = LogManager::load(dirs, Arc::new(disk.clone()), clock.clone(), &|_| config.clone()).unwrap();
        let manager = Arc::new(manager);
        let cleaner = LogCleaner::new(cleaner, manager.clone(), clock.clone());
        Lab { disk, clock, manager, cleaner, config }
    }

    /// The same disk after a stop; `None`: a clean one.
    fn again(&self, crash: Option<Unsynced>) -> Lab {
        let disk = match crash {
            Some(unsynced) => self.disk.crash(unsynced),
            None => {
                self.manager.shutdown().unwrap();
                self.disk.crash(Unsynced::Kept)
            }
        };
        Lab::on(disk, self.clock.now_ms(), self.config.clone(), self.cleaner.config)
    }

    fn log(&self) -> Arc<Log> {
        self.log_of(0)
    }

    fn log_of(&self, number: i32) -> Arc<Log> {
        let partition = TopicPartition::new("t", number);
        self.manager.get_or_create(&partition, true, None, self.config.clone()).unwrap()
    }

    fn advance(&self, by: Duration) {
        self.clock.advance(by);
        self.disk.set_now_ms(self.clock.now_ms());
    }

    /// Cleans until nothing is due.
    fn clean(&self) {
        for round in 0.. {
            if !self.cleaner.clean_dirtiest(0) {
                return;
            }
            assert!(round < 100, "the cleaner finds no end");
        }
    }

    /// Rolls, and lets every record be seen by all.
    fn roll(&self) {
        let log = self.log();
        log.roll().unwrap();
        log.set_high_watermark(log.log_end_offset());
    }
}

type Pair<'a> = (&'a str, Option<&'a str>);

fn batch(builder: BatchBuilder, pairs: &[Pair<'_>]) -> Bytes {
    let mut builder = builder;
    for (number, (key, value)) in pairs.iter().enumerate() {
        builder.append(NOW + number as i64, Some(key.as_bytes()), value.map(str::as_bytes), &[]);
    }
    builder.build().unwrap()
}

fn append(log: &Log, pairs: &[Pair<'_>]) {
    put(log, batch(BatchBuilder::new(), pairs), AppendOrigin::Client);
}

fn put(log: &Log, batch: Bytes, origin: AppendOrigin) {
    log.append_as_leader(batch, EPOCH, origin).unwrap();
}

fn producer(id: i64, base_sequence: i32) -> BatchBuilder {
    BatchBuilder::new().producer(ProducerFields { id, epoch: 0, base_sequence })
}

fn marker(log: &Log, id: i64, control_type: ControlType) {
    let marker = EndTransactionMarker { control_type, coordinator_epoch: 0 };
    put(log, marker.batch(id, 0, EPOCH.0, NOW), AppendOrigin::Coordinator);
}

/// All batches of a log.
fn batches(log: &Log) -> Vec<Batch> {
    let mut found = Vec::new();
    let mut next = log.log_start_offset();
    while let Some(slice) = log.read(next, 300, log.log_end_offset(), true).unwrap().slice {
        for batch in Batches::new(slice.read().unwrap()).map(Result::unwrap) {
            batch.check_crc().unwrap();
            assert!(batch.header.last_offset() >= next.0, "{:?} at {next}", batch.header);
            next = Offset(batch.header.next_offset());
            found.push(batch);
        }
    }
    found
}

type Survivor = (i64, String, Option<String>);

/// All data records of a log, as (offset, key, value).
fn survivors(log: &Log) -> Vec<Survivor> {
    let text = |bytes: Bytes| String::from_utf8(bytes.to_vec()).unwrap();
    let data = batches(log).into_iter().filter(|batch| !batch.header.is_control());
    let records = data.flat_map(|batch| batch.records(1 << 20).unwrap());
    records.map(|record| (record.offset, record.key.map(text).unwrap_or_default(), record.value.map(text))).collect()
}

/// Survivors as words: `0:a=1 5:b`, a tombstone without value.
fn words(log: &Log) -> String {
    let word = |(offset, key, value): Survivor| match value {
        Some(value) => format!("{offset}:{key}={value}"),
        None => format!("{offset}:{key}"),
    };
    survivors(log).into_iter().map(word).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_newest_record_of_each_key_survives_where_it_was() {
    for codec in [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let lab = Lab::new(compact());
        let log = lab.log();
        let pack = || BatchBuilder::new().compression(codec);
        put(&log, batch(pack(), &[("a", Some("1")), ("b", Some("1")), ("c", Some("1"))]), AppendOrigin::Client);
        put(&log, batch(pack(), &[("a", Some("2")), ("d", Some("1"))]), AppendOrigin::Client);
        put(&log, batch(pack(), &[("a", Some("3"))]), AppendOrigin::Client);
        lab.roll();
        append(&log, &[("b", Some("not yet"))]);
        lab.clean();
        assert_eq!(words(&log), "1:b=1 2:c=1 4:d=1 5:a=3 6:b=not yet", "{codec:?}");
        assert_eq!(log.log_end_offset(), Offset(7));
        assert_eq!(log.cleaner_checkpoint(), Some(Offset(6)));
        let first = &batches(&log)[0].header;
        assert_eq!((first.base_offset, first.last_offset(), first.record_count), (0, 2, 2));
        assert_eq!(first.codec().unwrap(), codec);
        assert_eq!((first.max_timestamp, first.leader_epoch), (NOW + 2, EPOCH.0));
        let files: Vec<_> = lab.disk.read_dir(&log.dir()).unwrap().into_iter().map(|entry| entry.name).collect();
        assert!(!files.iter().any(|name| name.contains(".cleaned") || name.contains(".swap")), "{files:?}");
    }
}

#[test]
fn segments_join_and_every_way_of_reading_still_works() {
    let lab = Lab::new(compact());
    let log = lab.log();
    for n in 0..60 {
        append(&log, &[(&format!("key {}", n % 7), Some(&format!("value {n}")))]);
    }
    lab.roll();
    let before = log.segment_count();
    let size = log.size();
    lab.clean();
    assert_eq!(log.segment_count(), before, "together they were too large");
    append(&log, &[("key 4", Some("value 60"))]);
    lab.roll();
    lab.clean();
    assert!(before > 5 && log.segment_count() == 2, "{before} segments, now {}", log.segment_count());
    assert!(log.size() < size / 3);
    let expected: Vec<i64> = (54..61).collect();
    assert_eq!(survivors(&log).iter().map(|(offset, ..)| *offset).collect::<Vec<_>>(), expected);
    for reopened in [lab.again(None), lab.again(Some(Unsynced::Kept)), lab.again(Some(Unsynced::Lost))] {
        let log = reopened.log();
        assert_eq!(survivors(&log).iter().map(|(offset, ..)| *offset).collect::<Vec<_>>(), expected);
        assert_eq!(log.log_end_offset(), Offset(61));
        assert_eq!(log.offset_for_timestamp(NOW).unwrap().unwrap().offset, Offset(54));
        assert_eq!(log.cleaner_checkpoint(), Some(Offset(61)));
    }
}

#[test]
fn tombstones_stay_until_their_horizon() {
    let lab = Lab::new(compact());
    let log = lab.log();
    append(&log, &[("a", Some("1")), ("b", Some("1"))]);
    append(&log, &[("a", None), ("c", Some("1"))]);
    lab.roll();
    lab.clean();
    assert_eq!(words(&log), "1:b=1 2:a 3:c=1");
    let stamped = batches(&log)[1].header;
    assert_eq!(stamped.delete_horizon_ms(), Some(NOW + RETENTION.as_millis() as i64));
    assert_eq!(batches(&log)[1].records(1000).unwrap()[1].timestamp, NOW + 1, "timestamps stay");
    lab.advance(RETENTION - Duration::from_millis(1));
    append(&log, &[("d", Some("1"))]);
    lab.roll();
    lab.clean();
    assert_eq!(words(&log), "1:b=1 2:a 3:c=1 4:d=1");
    assert_eq!(batches(&log)[1].header, stamped, "the horizon is set once");
    lab.advance(Duration::from_millis(1));
    append(&log, &[("e", Some("1"))]);
    lab.roll();
    lab.clean();
    assert_eq!(words(&log), "1:b=1 3:c=1 4:d=1 5:e=1");
}

#[test]
fn aborted_data_goes_at_once_and_markers_follow_their_data() {
    let lab = Lab::new(LogConfig { segment_bytes: 1 << 20, ..compact() });
    let log = lab.log();
    put(&log, batch(producer(1, 0).transactional(), &[("a", Some("aborted"))]), AppendOrigin::Client);
    put(&log, batch(producer(2, 0).transactional(), &[("b", Some("committed"))]), AppendOrigin::Client);
    marker(&log, 1, ControlType::Abort);
    marker(&log, 2, ControlType::Commit);
    put(&log, batch(producer(1, 1).transactional(), &[("x", Some("1"))]), AppendOrigin::Client);
    marker(&log, 1, ControlType::Commit);
    put(&log, batch(producer(2, 1), &[("x", Some("2"))]), AppendOrigin::Client);
    lab.roll();
    let kinds = |log: &Log| {
        let kind = |batch: &Batch| (batch.header.base_offset, batch.header.is_control(), batch.header.record_count);
        batches(log).iter().map(kind).collect::<Vec<_>>()
    };
    lab.clean();
    // Offset 4 is the last data of producer 1, kept empty for its sequence.
    let all = [(1, false, 1), (2, true, 1), (3, true, 1), (4, false, 0), (5, true, 1), (6, false, 1)];
    assert_eq!(kinds(&log), all);
    let slice = log.read(Offset(0), 1 << 20, log.log_end_offset(), true).unwrap().slice.unwrap();
    let aborted = log.aborted_transactions(Offset(0), &slice).unwrap();
    assert_eq!(aborted.len(), 1, "its data was there when the cleaning began");
    append(&log, &[("y", Some("1"))]);
    lab.roll();
    lab.clean();
    assert_eq!(kinds(&log)[..6], all, "now the marker of the aborted transaction has a horizon");
    assert_eq!(batches(&log)[1].header.delete_horizon_ms(), Some(NOW + 60_000));
    assert_eq!(batches(&log)[2].header.delete_horizon_ms(), None, "its data is still there");
    let slice = log.read(Offset(0), 1 << 20, log.log_end_offset(), true).unwrap().slice.unwrap();
    assert_eq!(log.aborted_transactions(Offset(0), &slice).unwrap(), []);
    lab.advance(RETENTION);
    append(&log, &[("z", Some("1"))]);
    lab.roll();
    lab.clean();
    assert_eq!(kinds(&log)[..5], [all[0], all[2], all[3], all[4], all[5]]);
    // Nobody is forgotten, even when the log is read from its beginning.
    let again = lab.again(Some(Unsynced::Kept)).log();
    for log in [&log, &again] {
        put(log, batch(producer(1, 2), &[("q", Some("1"))]), AppendOrigin::Client);
        let gap = batch(producer(2, 9), &[("q", Some("1"))]);
        assert!(log.append_as_leader(gap, EPOCH, AppendOrigin::Client).is_err());
    }
}

/// A consumer may have found its bytes in a segment just before that is joined to its elder. If it then asked the segment
/// behind both for aborted transactions, it would hear of none and take aborted records.
#[test]
fn a_reader_that_was_overtaken_by_a_swap_still_hears_of_aborted_transactions() {
    let lab = Lab::new(LogConfig { segment_bytes: 1 << 20, ..compact() });
    let log = lab.log();
    append(&log, &[("a", Some("1"))]);
    lab.roll();
    put(&log, batch(producer(1, 0).transactional(), &[("b", Some("aborted"))]), AppendOrigin::Client);
    marker(&log, 1, ControlType::Abort);
    put(&log, batch(producer(1, 1), &[("c", Some("1"))]), AppendOrigin::Client);
    lab.roll();
    let slice = log.read(Offset(1), 1 << 20, log.log_end_offset(), true).unwrap().slice.unwrap();
    let before = log.aborted_transactions(Offset(1), &slice).unwrap();
    lab.clean();
    assert_eq!(log.segment_count(), 2);
    assert_eq!((before.len(), log.aborted_transactions(Offset(1), &slice).unwrap()), (1, before.clone()));
    assert_eq!(Batches::new(slice.read().unwrap()).count(), 3, "the old bytes can be read to their end");
}

#[test]
fn undecided_transactions_are_not_cleaned() {
    let lab = Lab::new(compact());
    let log = lab.log();
    append(&log, &[("a", Some("1"))]);
    append(&log, &[("a", Some("2"))]);
    lab.roll();
    put(&log, batch(producer(1, 0).transactional(), &[("a", Some("3"))]), AppendOrigin::Client);
    lab.roll();
    lab.clean();
    assert_eq!(words(&log), "1:a=2 2:a=3");
    assert_eq!(log.cleaner_checkpoint(), Some(Offset(2)));
    marker(&log, 1, ControlType::Commit);
    lab.roll();
    lab.clean();
    assert_eq!(words(&log), "2:a=3");
}

/// A message of an old format, as a follower gets it.
fn old(magic: u8, offset: i64, key: &str, value: Option<&str>) -> Vec<u8> {
    let mut out = Vec::new();
    let stamp = crate::legacy::Stamp { magic, timestamp: NOW, timestamp_type: TimestampType::CreateTime };
    crate::legacy::put_message(&mut out, offset, stamp, Some(key.as_bytes()), value.map(str::as_bytes));
    out
}

#[test]
fn old_formats_keep_their_magic_and_their_wrappers() {
    for magic in [0u8, 1] {
        // Too small for two segments to become one, which would be as young as the younger.
        let lab = Lab::new(LogConfig { segment_bytes: 250, ..compact() });
        let log = lab.log();
        let long = "1".repeat(150);
        let inner = |offset: i64, key, value| old(magic, if magic == 0 { offset } else { offset - 1 }, key, value);
        let inner = [inner(1, "b", Some("1")), inner(2, "a", Some("1")), inner(3, "c", None)].concat();
        let wrapper = crate::legacy::tests::wrapper(magic, 3, Codec::Gzip, &inner);
        let plain = [old(magic, 0, "b", Some("0")), wrapper.to_vec(), old(magic, 4, "a", Some("2"))].concat();
        log.append_as_follower(plain.into(), EPOCH).unwrap();
        lab.roll();
        lab.clean();
        assert_eq!(words(&log), "1:b=1 3:c 4:a=2", "magic {magic}");
        let kept = batches(&log);
        assert!(kept.iter().all(|batch| batch.header.magic == magic));
        assert_eq!((kept.len(), kept[0].header.codec().unwrap()), (2, Codec::Gzip));
        // Tombstones go by the age of their segment.
        lab.advance(RETENTION);
        append(&log, &[("d", Some(&long))]);
        lab.roll();
        lab.clean();
        assert_eq!(words(&log), format!("1:b=1 3:c 4:a=2 5:d={long}"), "magic {magic}");
        append(&log, &[("e", Some("1"))]);
        lab.roll();
        lab.clean();
        assert_eq!(words(&log), format!("1:b=1 4:a=2 5:d={long} 6:e=1"), "magic {magic}");
    }
}

#[test]
fn a_small_map_takes_several_rounds() {
    let few_keys = CleanerConfig { dedupe_buffer_bytes: 24 * 10, ..tight() };
    let lab = Lab::on(MemDisk::new(), NOW, compact(), few_keys);
    let log = lab.log();
    for n in 0..80 {
        append(&log, &[(&format!("key {}", n % 40), Some(&format!("{n}")))]);
    }
    lab.roll();
    assert!(lab.cleaner.clean_dirtiest(0));
    assert_eq!(log.cleaner_checkpoint(), Some(Offset(9)), "nine keys fit");
    lab.clean();
    let offsets: Vec<i64> = survivors(&log).iter().map(|(offset, ..)| *offset).collect();
    assert_eq!(offsets, (40..80).collect::<Vec<_>>());
    assert_eq!(lab.cleaner.metrics().max_dirty_percent, 0);
}

#[test]
fn the_dirtiest_log_is_cleaned_first_and_only_when_it_is_due() {
    let lab = Lab::new(LogConfig { min_cleanable_dirty_ratio: 0.5, ..compact() });
    let logs = [lab.log_of(0), lab.log_of(1)];
    for log in &logs {
        (0..20).for_each(|n| append(log, &[(&format!("{n}"), Some("some value"))]));
        log.roll().unwrap();
        log.set_high_watermark(log.log_end_offset());
    }
    lab.clean();
    for (log, count) in logs.iter().zip([10, 50]) {
        (0..count).for_each(|n| append(log, &[(&format!("{n}"), Some("other value"))]));
        log.roll().unwrap();
        log.set_high_watermark(log.log_end_offset());
    }
    assert!(lab.cleaner.clean_dirtiest(0));
    assert_eq!((logs[0].cleaner_checkpoint(), logs[1].cleaner_checkpoint()), (Some(Offset(20)), Some(Offset(70))));
    assert!(!lab.cleaner.clean_dirtiest(0), "a third of the first one is not enough");
    assert_eq!(lab.cleaner.metrics().max_dirty_percent, 33);
}

#[test]
fn compacted_and_deleted_logs_lose_old_segments_to_the_cleaner() {
    let both = LogConfig { delete: true, retention: Some(RETENTION), ..compact() };
    let lab = Lab::new(both);
    let log = lab.log();
    append(&log, &[("a", Some("1"))]);
    lab.roll();
    lab.clean();
    lab.advance(RETENTION + Duration::from_secs(1));
    assert_eq!(lab.manager.run_retention(lab.clock.now_ms()), 0, "that is the cleaner's");
    lab.clean();
    assert_eq!((words(&log).as_str(), log.log_start_offset()), ("", Offset(1)));
}

#[test]
fn a_damaged_log_is_left_alone_and_the_others_go_on() {
    let lab = Lab::new(compact());
    let logs = [lab.log_of(0), lab.log_of(1)];
    for log in &logs {
        (0..5).for_each(|_| append(log, &[("a", Some("value"))]));
        log.roll().unwrap();
        log.set_high_watermark(log.log_end_offset());
    }
    let path = logs[0].dir().join(FileKind::Log.name(0));
    lab.disk.open(&path).unwrap().write_at(&mut [IoSlice::new(b"X")], 100).unwrap();
    // It ends a turn.
    lab.clean();
    lab.clean();
    let reason = logs[0].uncleanable_reason().unwrap();
    assert!(reason.contains("00000000000000000000.log is damaged: at position 74"), "{reason}");
    assert_eq!(words(&logs[1]), "4:a=value");
    let dir = Path::new("/logs");
    assert_eq!(lab.cleaner.uncleanable_partitions(dir), 1);
    assert_eq!(lab.cleaner.uncleanable_bytes(dir), logs[0].size());
    assert!(logs[0].check_online().is_ok(), "the directory is fine");
    assert!(lab.manager.delete(&[TopicPartition::new("t", 0)]).is_empty());
    assert_eq!(lab.cleaner.uncleanable_partitions(dir), 0);
}

#[test]
fn a_failed_disk_takes_its_directory_offline() {
    let lab = Lab::new(compact());
    let log = lab.log();
    (0..5).for_each(|_| append(&log, &[("a", Some("value"))]));
    lab.roll();
    lab.disk.fail_from(Some(lab.disk.operations() + 2));
    lab.clean();
    assert!(log.check_online().is_err());
    assert_eq!(log.uncleanable_reason(), None);
}

#[test]
fn what_a_truncation_overtakes_is_not_swapped_in() {
    let lab = Lab::new(compact());
    let log = lab.log();
    (0..30).for_each(|n| append(&log, &[("a", Some(&format!("{n}")))]));
    lab.roll();
    lab.clean();
    (30..60).for_each(|n| append(&log, &[("a", Some(&format!("{n}")))]));
    lab.roll();
    let turn = log.begin_cleaning().unwrap();
    assert!(log.begin_cleaning().is_none(), "one at a time");
    let group = log.closed_segments_below(60);
    let mut output = log.cleaned_output(0).unwrap();
    output.finish(NOW).unwrap();
    log.truncate_to(Offset(40)).unwrap();
    assert!(turn.is_aborted());
    assert!(!log.replace_segments(&turn, &group, &output).unwrap());
    turn.finish(60);
    drop(turn);
    assert_eq!(log.cleaner_checkpoint(), Some(Offset(30)), "and what was clean stays so");
    // The one that comes next knows the log as it is now; the segment it was cut in takes appends again.
    let turn = log.begin_cleaning().unwrap();
    assert!(!log.replace_segments(&turn, &group, &output).unwrap());
    drop(turn);
    log.truncate_to(Offset(20)).unwrap();
    assert!(log.cleaner_checkpoint().unwrap() <= Offset(20));
    let mut wanted = LogConfig::clone(&log.config());
    let turn = log.begin_cleaning().unwrap();
    wanted.compact = false;
    log.update_config(wanted);
    assert!(turn.is_aborted(), "no longer compacted");
    drop(turn);
    log.end_cleaning();
    assert!(log.begin_cleaning().is_none());
}

#[test]
fn a_segment_that_was_cut_and_filled_again_is_not_the_one_that_was_cleaned() {
    let lab = Lab::new(compact());
    let log = lab.log();
    (0..5).for_each(|n| append(&log, &[("a", Some(&format!("{n}")))]));
    lab.roll();
    let turn = log.begin_cleaning().unwrap();
    let group = log.closed_segments_below(5);
    let mut output = log.cleaned_output(0).unwrap();
    output.finish(NOW).unwrap();
    log.truncate_to(Offset(2)).unwrap();
    append(&log, &[("b", Some("after the cut"))]);
    lab.roll();
    assert!(Arc::ptr_eq(&group[0], &log.closed_segments_below(5)[0]));
    assert!(!log.replace_segments(&turn, &group, &output).unwrap());
    assert_eq!(words(&log), "0:a=0 1:a=1 2:b=after the cut");
}

#[test]
fn stopped_cleaners_do_nothing() {
    let lab = Lab::new(compact());
    let log = lab.log();
    (0..5).for_each(|_| append(&log, &[("a", Some("value"))]));
    lab.roll();
    lab.cleaner.stop();
    assert!(!lab.cleaner.clean_dirtiest(0));
    assert_eq!(survivors(&log).len(), 5);
}

#[test]
fn readers_beside_several_cleaners_miss_no_key() {
    let lab = Lab::on(MemDisk::new(), NOW, compact(), CleanerConfig { threads: 2, ..tight() });
    let log = lab.log();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (lab, log, done) = (&lab, &log, &done);
        for number in 0..2 {
            scope.spawn(move || {
                while !done.load(Ordering::Acquire) {
                    lab.cleaner.clean_dirtiest(number);
                }
            });
        }
        for _ in 0..2 {
            scope.spawn(move || {
                while !done.load(Ordering::Acquire) {
                    let end = log.log_end_offset().0;
                    let seen: BTreeMap<String, i64> =
                        survivors(log).into_iter().map(|(offset, key, _)| (key, offset)).collect();
                    for key in 0..10.min(end) {
                        // What was appended before the reading began is found, or something newer.
                        let newest = (end - 1) - (end - 1 - key).rem_euclid(10);
                        let found = seen.get(&format!("{key}")).copied().unwrap_or(-1);
                        assert!(found >= newest, "key {key} at {found}, was written at {newest}");
                    }
                }
            });
        }
        for n in 0..600 {
            append(log, &[(&format!("{}", n % 10), Some(&format!("value {n}")))]);
            log.set_high_watermark(log.log_end_offset());
            log.remove_doomed(NOW).unwrap();
        }
        done.store(true, Ordering::Release);
    });
    lab.roll();
    lab.clean();
    assert_eq!(survivors(&log).len(), 10);
}

/// A fixed day in the life of a compacted log, until the disk fails.
fn workload(lab: &Lab) -> Option<BTreeMap<String, Option<String>>> {
    let log = lab.manager.get_or_create(&TopicPartition::new("t", 0), true, None, lab.config.clone()).ok()?;
    let mut expected = BTreeMap::new();
    for n in 0..24 {
        let (key, value) = (format!("k{}", n % 5), (n % 6 != 5).then(|| format!("value {n}")));
        let records = match n % 4 {
            3 => batch(producer(1, n / 4), &[(&key, value.as_deref())]),
            _ => batch(BatchBuilder::new(), &[(&key, value.as_deref())]),
        };
        log.append_as_leader(records, EPOCH, AppendOrigin::Client).ok()?;
        expected.insert(key, value);
    }
    log.roll().ok()?;
    log.flush().ok()?;
    lab.manager.checkpoint_recovery_points().ok()?;
    // The second cleaning joins what the first one left.
    for replicated in [12, 24] {
        log.set_high_watermark(Offset(replicated));
        while lab.cleaner.clean_dirtiest(0) {}
    }
    Some(expected)
}

#[test]
fn after_a_crash_in_any_step_no_key_is_lost() {
    let complete = Lab::new(compact());
    let start = complete.disk.operations();
    let expected = workload(&complete).unwrap();
    let operations = complete.disk.operations() - start;
    let view = |log: &Log| -> BTreeMap<String, Option<String>> {
        survivors(log).into_iter().map(|(_, key, value)| (key, value)).collect()
    };
    assert_eq!(view(&complete.log()), expected);
    let mut done = 0;
    for crash_after in 0..operations {
        let lab = Lab::new(compact());
        lab.disk.fail_from(Some(lab.disk.operations() + crash_after));
        if workload(&lab).is_none() {
            // Nothing was promised yet.
            continue;
        }
        done += 1;
        for unsynced in [Unsynced::Lost, Unsynced::Kept, Unsynced::Random(crash_after), Unsynced::Random(!crash_after)]
        {
            let story = format!("crash after {crash_after}, {unsynced:?}");
            let after = lab.again(Some(unsynced));
            let log = after.log();
            assert_eq!(view(&log), expected, "{story}");
            assert_eq!(log.log_end_offset(), Offset(24), "{story}");
            let files = after.disk.read_dir(&log.dir()).unwrap();
            let left = |name: &str| [".cleaned", ".swap", ".deleted"].iter().any(|suffix| name.ends_with(suffix));
            assert!(!files.iter().any(|entry| left(&entry.name)), "{story}: {files:?}");
            log.set_high_watermark(log.log_end_offset());
            after.clean();
            assert_eq!((view(&log), survivors(&log).len()), (expected.clone(), 5), "{story}");
            put(&log, batch(producer(1, 6), &[("p", Some("life goes on"))]), AppendOrigin::Client);
        }
    }
    assert!(done > 60, "the cleanings themselves have {done} steps");
}

/// What a test may do to a compacted log.
#[derive(Debug, Clone)]
enum Deed {
    /// Records of keys, the second half of them tombstones, as a batch in a codec; in a transaction of a producer.
    Append(Vec<u8>, Codec, Option<(u8, bool)>),
    Roll,
    Clean,
    Wait(u8),
    TruncateTo(u16),
    Reopen(bool),
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let codec = (0u8..5).prop_map(|id| Codec::from_id(id).unwrap());
    let txn = proptest::option::weighted(0.4, (0u8..3, any::<bool>()));
    let deed = prop_oneof![
        10 => (proptest::collection::vec(0u8..16, 1..6), codec, txn).prop_map(|(keys, codec, txn)| Deed::Append(keys, codec, txn)),
        3 => Just(Deed::Roll),
        4 => Just(Deed::Clean),
        2 => (0u8..80).prop_map(Deed::Wait),
        1 => any::<u16>().prop_map(Deed::TruncateTo),
        1 => any::<bool>().prop_map(Deed::Reopen),
    ];
    proptest::collection::vec(deed, 1..50)
}

/// What the model knows of a record.
#[derive(Debug, Clone)]
struct Known {
    offset: i64,
    key: String,
    value: Option<String>,
    aborted: bool,
    /// Number of its batch.
    batch: usize,
}

/// The log as a vector.
#[derive(Debug, Default)]
struct Model {
    records: Vec<Known>,
    /// When tombstones of a batch may go, by its number.
    horizons: BTreeMap<usize, i64>,
}

impl Model {
    /// The rule of compaction, said once more and without any machinery.
    /// The map knew the records of [start, end); what was written anew reaches up to `scope`.
    fn clean(&mut self, now_ms: i64, start: i64, end: i64, scope: i64) {
        let mut newest = BTreeMap::new();
        for record in self.records.iter().filter(|record| !record.aborted && (start..end).contains(&record.offset)) {
            newest.insert(record.key.clone(), record.offset);
        }
        let horizons = &mut self.horizons;
        self.records.retain(|record| {
            let is_newest = newest.get(&record.key).is_none_or(|newest| record.offset >= *newest);
            let is_over = horizons.get(&record.batch).is_some_and(|horizon| *horizon <= now_ms);
            let stays = is_newest && (record.value.is_some() || !is_over);
            if record.aborted { record.offset >= scope } else { record.offset >= end || stays }
        });
        for record in self.records.iter().filter(|record| record.offset < scope && record.value.is_none()) {
            horizons.entry(record.batch).or_insert(now_ms + RETENTION.as_millis() as i64);
        }
    }
}

fn run_against_model(deeds: Vec<Deed>, dedupe_buffer_bytes: u64) {
    let config = CleanerConfig { dedupe_buffer_bytes, ..tight() };
    let mut lab = Lab::on(MemDisk::new(), NOW, compact(), config);
    let mut model = Model::default();
    let mut sequences: BTreeMap<i64, i32> = BTreeMap::new();
    let (mut number, mut era) = (0, 0);
    for deed in deeds {
        let log = lab.log();
        match deed {
            Deed::Append(keys, codec, txn) => {
                number += 1;
                let pair =
                    |(at, key): (usize, u8)| (format!("{}", key % 8), (key < 8).then(|| format!("{number}/{at}")));
                let pairs: Vec<(String, Option<String>)> = keys.into_iter().enumerate().map(pair).collect();
                let id = era + txn.map_or(9, |(id, _)| i64::from(id));
                let sequence = sequences.entry(id).or_default();
                let builder = if txn.is_some() { producer(id, *sequence).transactional() } else { BatchBuilder::new() };
                *sequence += pairs.len() as i32;
                let shown: Vec<Pair<'_>> = pairs.iter().map(|(key, value)| (key.as_str(), value.as_deref())).collect();
                let first = log.log_end_offset().0;
                put(&log, batch(builder.compression(codec), &shown), AppendOrigin::Client);
                let aborted = txn.is_some_and(|(_, aborted)| aborted);
                let known = |(at, (key, value)): (usize, (String, Option<String>))| Known {
                    offset: first + at as i64,
                    key,
                    value,
                    aborted,
                    batch: number,
                };
                model.records.extend(pairs.into_iter().enumerate().map(known));
                if txn.is_some() {
                    marker(&log, id, if aborted { ControlType::Abort } else { ControlType::Commit });
                }
            }
            Deed::Roll => lab.roll(),
            Deed::Clean => {
                let start = log.cleaner_checkpoint().map_or(0, |offset| offset.0);
                let closed = log.closed_segments_below(i64::MAX);
                let ends: Vec<(i64, i64)> =
                    closed.iter().map(|segment| (segment.base_offset, segment.read_next_offset().unwrap())).collect();
                if lab.cleaner.clean_dirtiest(0) {
                    let end = log.cleaner_checkpoint().unwrap().0;
                    let scope = ends.iter().filter(|(base, _)| *base < end).map(|(_, next)| *next).max();
                    model.clean(lab.clock.now_ms(), start, end, scope.unwrap_or(0));
                }
                log.remove_doomed(lab.clock.now_ms()).unwrap();
            }
            Deed::Wait(seconds) => lab.advance(Duration::from_secs(u64::from(seconds))),
            Deed::TruncateTo(at) => {
                let end = log.log_end_offset();
                let wanted = i64::from(at) % (end.0 + 1);
                let found = log.read(Offset(wanted), 1, end, true).unwrap().slice;
                let first = found.map(|slice| Batch::parse(&slice.read().unwrap()).unwrap().header);
                // Where a batch without transaction begins: the model knows of no half ones.
                if let Some(first) = first.filter(|header| !header.has_producer_id() && header.record_count > 0) {
                    log.truncate_to(Offset(first.base_offset)).unwrap();
                    model.records.retain(|record| record.offset < first.base_offset);
                    lab.manager.checkpoint_recovery_points().unwrap();
                    // A cleaning may have relied on batches that are gone now: other producers go on.
                    era += 10;
                }
            }
            Deed::Reopen(clean) => lab = lab.again((!clean).then_some(Unsynced::Kept)),
        }
        let expected: Vec<Survivor> =
            model.records.iter().map(|known| (known.offset, known.key.clone(), known.value.clone())).collect();
        assert_eq!(survivors(&lab.log()), expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_compacted_log_behaves_like_a_vector(deeds in deeds()) {
        run_against_model(deeds, 1 << 20);
    }

    #[test]
    fn so_it_does_when_the_map_is_full_all_the_time(deeds in deeds(), keys in 2..6u64) {
        run_against_model(deeds, 24 * keys);
    }
}
