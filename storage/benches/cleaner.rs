//! How fast a compacted log is cleaned, beside Java Kafka 3.9.2 on the same log.
//!
//! ```sh
//! cargo bench -p storage --bench cleaner                # 512 MB for each kind of log
//! cargo bench -p storage --bench cleaner -- --quick     # 96 MB
//! ... -- --mb 2000 --rounds 5 --dir /data
//! ```
//!
//! Java runs its own `Cleaner` on its own `UnifiedLog` (`java/CleanLog.java`), with the heap of Kafka's start script and no log
//! lines; both sides have Kafka's defaults for one cleaner thread. Every round cleans a fresh copy of the log, in turns; the
//! fastest counts, so that Java's first rounds warm it up. Files are in the page cache; both sides sync what they
//! write. MB/s are of the log that was there before: it is read twice, for the map and for the cleaning.
#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "a program that measures the machine and tells")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use storage::batch::BatchBuilder;
use storage::cleaner::{CleanerConfig, LogCleaner};
use storage::compression::Codec;
use storage::{AppendOrigin, LogConfig, LogManager, LogManagerConfig};
use support::{cpu_ms, flag, option, place, timed};
use world::RealDisk;
use world::clock::SystemClock;
use zk_paths::ids::{LeaderEpoch, Offset, TopicPartition};

const DEDUPE_BYTES: u64 = 128 << 20;
const SETTINGS: &str = "cleanup.policy=compact,segment.bytes=104857600";
/// Bytes of a batch before compression, a producer's `batch.size`.
const BATCH_BYTES: usize = 16 << 10;

/// A kind of log.
struct Kind {
    what: &'static str,
    record: usize,
    codec: Codec,
    /// Of 100 records so many have a key that comes again.
    repeated: u64,
}

const KINDS: [Kind; 6] = [
    Kind { what: "1 KiB records, 50 % stay", record: 1024, codec: Codec::None, repeated: 50 },
    Kind { what: "1 KiB records, 5 % stay", record: 1024, codec: Codec::None, repeated: 95 },
    Kind { what: "100 B records, 50 % stay", record: 100, codec: Codec::None, repeated: 50 },
    Kind { what: "100 B records, 5 % stay", record: 100, codec: Codec::None, repeated: 95 },
    Kind { what: "1 KiB records, lz4, 50 % stay", record: 1024, codec: Codec::Lz4, repeated: 50 },
    Kind { what: "1 KiB records, zstd, 50 % stay", record: 1024, codec: Codec::Zstd, repeated: 50 },
];

/// A cleaning that was measured.
#[derive(Debug, Clone, Copy)]
struct Cleaning {
    millis: f64,
    cpu_ms: f64,
}

fn main() {
    let megabytes: u64 = option("--mb").unwrap_or(if flag("--quick") { 96 } else { 512 });
    let rounds: usize = option("--rounds").unwrap_or(3);
    println!(
        "| {:<32} | {:>10} | {:>10} | {:>6} | {:>9} | {:>9} | {:>6} | goal |",
        "cleaned", "Klamm MB/s", "Java MB/s", "ratio", "Klamm CPU", "Java CPU", "ratio"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|");
    KINDS.iter().for_each(|kind| measure(kind, megabytes, rounds));
}

fn measure(kind: &Kind, megabytes: u64, rounds: usize) {
    let dir = place();
    let source = dir.path().join("source");
    let end = fill(&source, kind, megabytes << 20);
    let size: u64 = sizes(&source.join(partition().to_string()));
    let copies = |who: &str| -> Vec<PathBuf> {
        let copy = |round| {
            let to = dir.path().join(format!("{who}-{round}"));
            copy(&source, &to);
            to
        };
        (0..rounds).map(copy).collect()
    };
    let javas = copies("java");
    let theirs = fastest(java_cleans(&javas, end));
    javas.iter().for_each(|copy| drop(fs::remove_dir_all(copy)));
    let ours = fastest(copies("klamm").iter().map(|copy| klamm_cleans(copy)).collect());
    let speed = |cleaning: Cleaning| size as f64 / cleaning.millis / 1e3;
    println!(
        "| {:<32} | {:>10.0} | {:>10.0} | {:>6.2} | {:>7.2} s | {:>7.2} s | {:>6.2} | >= 3 |",
        kind.what,
        speed(ours),
        speed(theirs),
        theirs.millis / ours.millis,
        ours.cpu_ms / 1e3,
        theirs.cpu_ms / 1e3,
        theirs.cpu_ms / ours.cpu_ms.max(1.0),
    );
}

fn fastest(cleanings: Vec<Cleaning>) -> Cleaning {
    let fastest = cleanings.into_iter().min_by(|a, b| a.millis.total_cmp(&b.millis));
    fastest.unwrap_or_else(|| panic!("nothing was cleaned"))
}

fn partition() -> TopicPartition {
    TopicPartition::new("cleaned", 0)
}

fn log_config() -> LogConfig {
    LogConfig { segment_bytes: 100 << 20, compact: true, delete: false, ..LogConfig::default() }
}

fn manager(dir: &Path) -> Arc<LogManager> {
    let config = LogManagerConfig {
        log_dirs: vec![dir.to_owned()],
        recovery_threads_per_dir: 1,
        producer_id_expiration: Duration::from_secs(86_400),
        failed_dirs: Vec::new(),
        progress: Arc::default(),
        failure_listener: None,
    };
    let manager = LogManager::load(config, Arc::new(RealDisk), Arc::new(SystemClock::new()), &|_| log_config());
    Arc::new(manager.unwrap_or_else(|e| panic!("load {}: {e}", dir.display())))
}

/// Fills a log with so many bytes before compression, closes it, and answers where its last segment begins.
fn fill(dir: &Path, kind: &Kind, bytes: u64) -> i64 {
    let manager = manager(dir);
    let log =
        manager.get_or_create(&partition(), true, None, log_config()).unwrap_or_else(|e| panic!("make a log: {e}"));
    let words: Vec<u8> =
        (0..1 << 16).map(|at: u64| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 59) as u8 + b'a').collect();
    let (mut written, mut number) = (0u64, 0u64);
    while written < bytes {
        let mut builder = BatchBuilder::new().compression(kind.codec);
        while builder.uncompressed_size() + kind.record < BATCH_BYTES {
            let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let key = if (mixed >> 32) % 100 < kind.repeated { mixed % 1000 } else { number };
            let from = (mixed >> 48) as usize % (words.len() - kind.record);
            let value = words.get(from..from + kind.record - 20).unwrap_or_default();
            builder.append(
                1_700_000_000_000 + number as i64,
                Some(format!("key-{key:012}").as_bytes()),
                Some(value),
                &[],
            );
            number += 1;
        }
        written += builder.uncompressed_size() as u64;
        let batch = builder.build().unwrap_or_else(|e| panic!("pack a batch: {e}"));
        let appended = log.append_as_leader(batch, LeaderEpoch(0), AppendOrigin::Client);
        appended.unwrap_or_else(|e| panic!("append: {e}"));
    }
    log.roll().unwrap_or_else(|e| panic!("roll: {e}"));
    let end = log.log_end_offset();
    log.set_high_watermark(end);
    manager.checkpoint_high_watermarks().unwrap_or_else(|e| panic!("checkpoint: {e}"));
    manager.shutdown().unwrap_or_else(|e| panic!("close: {e}"));
    end.0
}

fn sizes(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).unwrap_or_else(|e| panic!("list {}: {e}", dir.display())).flatten();
    let logs = entries.filter(|entry| entry.path().extension().is_some_and(|kind| kind == "log"));
    logs.filter_map(|entry| entry.metadata().ok()).map(|found| found.len()).sum()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap_or_else(|e| panic!("make {}: {e}", to.display()));
    for entry in fs::read_dir(from).unwrap_or_else(|e| panic!("list {}: {e}", from.display())).flatten() {
        let target = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), &target).unwrap_or_else(|e| panic!("copy: {e}"))),
        }
    }
}

fn klamm_cleans(dir: &Path) -> Cleaning {
    let manager = manager(dir);
    let config = CleanerConfig {
        threads: 1,
        dedupe_buffer_bytes: DEDUPE_BYTES,
        dedupe_buffer_load_factor: 0.9,
        io_buffer_bytes: 512 << 10,
        io_max_bytes_per_second: f64::MAX,
    };
    let cleaner = LogCleaner::new(config, manager.clone(), Arc::new(SystemClock::new()));
    let cpu = cpu_ms();
    let (cleaned, took) = timed(|| cleaner.clean_dirtiest(0));
    assert!(cleaned, "the log was not due");
    let cleaning = Cleaning { millis: took.as_secs_f64() * 1e3, cpu_ms: (cpu_ms() - cpu) as f64 };
    let log = manager.get(&partition()).unwrap_or_else(|| panic!("the log is gone"));
    assert_eq!(log.cleaner_checkpoint(), Some(log.log_end_offset()).filter(|end| *end > Offset(0)));
    drop(fs::remove_dir_all(dir));
    cleaning
}

fn java_cleans(dirs: &[PathBuf], end: i64) -> Vec<Cleaning> {
    let jars = format!("{}/*", test_lab::kafka(test_lab::KafkaVersion::V3_9).display());
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/java/CleanLog.java");
    let mut java = Command::new("java");
    java.args(["-Xmx1G", "-Xms1G", "-cp", &jars]).arg(source).arg(SETTINGS);
    for dir in dirs {
        java.arg(format!("{}@{DEDUPE_BYTES}@1700000000000:{end}", dir.join(partition().to_string()).display()));
    }
    let output = java.output().unwrap_or_else(|e| panic!("start java: {e}"));
    let text = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("cleaned to ")).collect();
    assert_eq!(lines.len(), dirs.len(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    if flag("--verbose") {
        println!("{text}");
    }
    let cleaning = |line: &&str| {
        let numbers = line.split(|c: char| !c.is_ascii_digit() && c != '.').filter_map(|text| text.parse().ok());
        match numbers.collect::<Vec<f64>>()[..] {
            [_, millis, cpu_ms, ..] => Cleaning { millis, cpu_ms },
            _ => panic!("cannot read {line:?}"),
        }
    };
    lines.iter().map(cleaning).collect()
}
