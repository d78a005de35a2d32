//! Files that Java brokers wrote, byte for byte: Kafka 3.9.2 (all codecs, headers, an idempotent producer each, committed
//! and aborted transactions; stopped cleanly) and 2.4.1 with `message.format.version` 0.9.0 and then 0.10.2 (killed).
//! `testdata/Fill.java` is the producer. They are laid on a disk in memory, opened, and compared with what was sent.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use storage::batch::{Batches, Record};
use storage::health::DirHealth;
use storage::memory::ConversionMemory;
use storage::{
    LoadHints, Log, LogConfig, LogContext, checkpoint, meta_properties, partition_metadata, producer_snapshot,
};
use world::clock::ManualClock;
use world::{Disk, MemDisk};
use zk_paths::ids::{BrokerId, LeaderEpoch, Offset, TopicPartition};

const FIRST_TIMESTAMP: i64 = 1_600_000_000_000;
const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];

macro_rules! captured {
    ($name:literal) => {
        ($name, include_bytes!(concat!("../testdata/java-3.9.2/", $name)).as_slice())
    };
}

const FILES: [(&str, &[u8]); 11] = [
    captured!("00000000000000000000.log"),
    captured!("00000000000000000000.index"),
    captured!("00000000000000000000.timeindex"),
    captured!("00000000000000000255.log"),
    captured!("00000000000000000255.index"),
    captured!("00000000000000000255.timeindex"),
    captured!("00000000000000000255.txnindex"),
    captured!("00000000000000000255.snapshot"),
    captured!("00000000000000000286.snapshot"),
    captured!("leader-epoch-checkpoint"),
    captured!("partition.metadata"),
];

const OLD_LOG: &[u8] = include_bytes!("../testdata/java-2.4.1/00000000000000000000.log");

fn lay(files: &[(&str, &[u8])]) -> MemDisk {
    let disk = MemDisk::new();
    disk.create_dir_all(Path::new("/logs/small-0")).unwrap();
    for (name, bytes) in files {
        let file = disk.create_new(&Path::new("/logs/small-0").join(name)).unwrap();
        file.write_at(&mut [IoSlice::new(bytes)], 0).unwrap();
    }
    disk
}

fn open(disk: &MemDisk, clean_shutdown: bool) -> Log {
    let context = LogContext {
        disk: Arc::new(disk.clone()),
        clock: Arc::new(ManualClock::new(FIRST_TIMESTAMP + 1000)),
        health: Arc::new(DirHealth::new(PathBuf::from("/logs"), None)),
        producer_id_expiration: Duration::from_secs(86_400),
        memory: ConversionMemory::default(),
    };
    let hints = LoadHints { clean_shutdown, ..LoadHints::default() };
    Log::open(Path::new("/logs/small-0"), TopicPartition::new("small", 0), LogConfig::default(), hints, context)
        .unwrap()
}

/// All records that consumers see, control records left out.
fn read_all(log: &Log) -> Vec<Record> {
    let mut records = Vec::new();
    let mut next = Offset(0);
    while next < log.log_end_offset() {
        let slice = log.read(next, 4096, log.log_end_offset(), true).unwrap().slice.unwrap();
        for batch in Batches::new(slice.read().unwrap()).map(Result::unwrap) {
            batch.check_crc().unwrap();
            next = Offset(batch.header.next_offset());
            if !batch.header.is_control() {
                records.extend(batch.records(1 << 20).unwrap());
            }
        }
    }
    records
}

#[test]
fn every_record_of_kafka_3_9_is_there() {
    for clean in [true, false] {
        let log = open(&lay(&FILES), clean);
        assert_eq!((log.log_start_offset(), log.log_end_offset()), (Offset(0), Offset(286)));
        let records = read_all(&log);
        assert_eq!(records.len(), 280);
        for (n, record) in records.iter().enumerate() {
            let value = match n {
                0..250 => format!("value {} {n}", CODECS[n / 50]),
                _ => format!("txn {} {n}", (n - 250) / 5),
            };
            assert_eq!(record.value.as_deref(), Some(value.as_bytes()));
            assert_eq!(record.key.as_deref(), Some(format!("k{n}").as_bytes()));
            assert_eq!(record.timestamp, FIRST_TIMESTAMP + n as i64);
            let header = record.headers.first().map(|header| header.value.clone().unwrap_or_default());
            let expected = (n < 250 && n % 10 == 0).then(|| format!("x{n}"));
            assert_eq!(header.as_deref(), expected.as_ref().map(|text| text.as_bytes()));
        }
        assert_eq!(log.epoch_entries(), [(LeaderEpoch(0), Offset(0))]);
        let found = log.offset_for_timestamp(FIRST_TIMESTAMP + 120).unwrap().unwrap();
        assert_eq!((found.offset, found.timestamp), (Offset(120), FIRST_TIMESTAMP + 120));
    }
}

#[test]
fn aborted_transactions_of_kafka_3_9_are_known() {
    for clean in [true, false] {
        let log = open(&lay(&FILES), clean);
        log.set_high_watermark(Offset(286));
        assert_eq!(log.last_stable_offset(), Offset(286));
        let slice = log.read(Offset(250), 100_000, Offset(286), true).unwrap().slice.unwrap();
        let slice = if slice.segment_base_offset == Offset(0) {
            log.read(Offset(255), 100_000, Offset(286), true).unwrap().slice.unwrap()
        } else {
            slice
        };
        let aborted = log.aborted_transactions(Offset(250), &slice).unwrap();
        let ranges: Vec<_> = aborted.iter().map(|txn| (txn.first_offset, txn.last_offset)).collect();
        assert_eq!(ranges, [(250, 255), (262, 267), (274, 279)]);
    }
}

#[test]
fn recovery_builds_the_indexes_that_java_wrote() {
    let disk = lay(&FILES);
    drop(open(&disk, false));
    for (name, bytes) in FILES.iter().filter(|(name, _)| name.ends_with("index")) {
        let rebuilt = disk.read_all(&Path::new("/logs/small-0").join(name), 1 << 20).unwrap();
        assert_eq!(&rebuilt, bytes, "{name}");
    }
}

#[test]
fn producers_of_the_snapshot_are_remembered() {
    let snapshot = FILES.iter().find(|(name, _)| *name == "00000000000000000286.snapshot").unwrap().1;
    let producers = producer_snapshot::decode(snapshot).unwrap();
    assert_eq!(producers.len(), 6);
    assert!(producers.iter().all(|(_, entry)| entry.batches.len() == 1 && entry.txn_first_offset.is_none()));
    assert_eq!(open(&lay(&FILES), true).producer_count(), 6);
    // Without any snapshot the same is read from the records.
    let logs: Vec<_> = FILES.iter().filter(|(name, _)| !name.ends_with("snapshot")).copied().collect();
    assert_eq!(open(&lay(&logs), false).producer_count(), 6);
}

#[test]
fn messages_of_formats_0_and_1_are_read() {
    let log = open(&lay(&[("00000000000000000000.log", OLD_LOG)]), false);
    let records = read_all(&log);
    assert_eq!(records.len(), 800);
    for (offset, record) in records.iter().enumerate() {
        let n = offset % 400;
        assert_eq!(record.offset, offset as i64);
        assert_eq!(record.value.as_deref(), Some(format!("value {} {n}", CODECS[n / 100]).as_bytes()));
        let timestamp = if offset < 400 { -1 } else { FIRST_TIMESTAMP + n as i64 };
        assert_eq!(record.timestamp, timestamp, "{offset}");
    }
    let found = log.offset_for_timestamp(FIRST_TIMESTAMP + 250).unwrap().unwrap();
    assert_eq!((found.offset, found.timestamp), (Offset(650), FIRST_TIMESTAMP + 250));
}

#[test]
fn small_files_of_kafka_3_9_are_understood() {
    let meta = meta_properties::decode(include_str!("../testdata/java-3.9.2/meta.properties")).unwrap();
    assert_eq!(meta.broker_id, Some(BrokerId(1)));
    assert_eq!(meta.cluster_id.map(|id| id.len()), Some(22));
    let text = include_str!("../testdata/java-3.9.2/recovery-point-offset-checkpoint");
    let points = checkpoint::decode_offsets(text).unwrap();
    assert_eq!(points.get(&TopicPartition::new("small", 0)), Some(&Offset(286)));
    let metadata = include_str!("../testdata/java-3.9.2/partition.metadata");
    assert_eq!(partition_metadata::encode(partition_metadata::decode(metadata).unwrap()), metadata);
}
