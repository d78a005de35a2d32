//! How long a start spends on its logs, beside Java Kafka 3.9.2 on the same files: many clean partitions, and a directory
//! that was stopped uncleanly.
//!
//! ```sh
//! cargo bench -p storage --bench recovery                  # 10,000 clean partitions; 10 GB to recover
//! cargo bench -p storage --bench recovery -- --quick       # 10,000; 1 GB
//! ... -- --partitions 2000 --gb 4 --threads 2 --dir /data  # threads: num.recovery.threads.per.data.dir
//! ```
//!
//! Both sides load with nothing else in their process: Java through its own `LogManager` (`java/LoadLogs.java`), without
//! a log4j configuration, so that it does not spend time on writing lines. Files are in the page cache. Three runs each,
//! in turns; the fastest counts.
#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "a program that measures the machine and tells")]

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use storage::batch::BatchBuilder;
use storage::{AppendOrigin, LogConfig, LogManager, LogManagerConfig};
use support::{cpu_ms, flag, option, place, resident_kib, timed};
use world::RealDisk;
use world::clock::SystemClock;
use zk_paths::ids::{LeaderEpoch, TopicId, TopicPartition};

const ROUNDS: usize = 3;
/// Partitions over which the directory to recover is spread.
const UNCLEAN_PARTITIONS: i32 = 8;

fn main() {
    let threads: usize = option("--threads").unwrap_or(1);
    if let Some(dir) = option::<String>("--load") {
        return load(Path::new(&dir), threads);
    }
    let partitions: i32 = option("--partitions").unwrap_or(10_000);
    let gigabytes: f64 = option("--gb").unwrap_or(if flag("--quick") { 1.0 } else { 10.0 });
    println!("| {:<40} | {:>12} | {:>12} | {:>7} | {:>9} |", "measured", "Klamm", "Java 3.9.2", "ratio", "goal");
    println!("|---|---:|---:|---:|---:|");
    if partitions > 0 {
        clean(partitions, threads);
    }
    if gigabytes > 0.0 {
        unclean(gigabytes, threads);
    }
}

/// A directory of small logs that was stopped cleanly.
fn clean(partitions: i32, threads: usize) {
    let dir = place();
    let batch = records(3, 200);
    let numbers: Vec<i32> = (0..partitions).collect();
    // An active log has three files open, and a process may have few.
    for some in numbers.chunks(1000) {
        let manager = open(dir.path(), 1);
        for number in some {
            let partition = TopicPartition::new(format!("topic-{}", number / 100), number % 100);
            let log = manager.get_or_create(&partition, true, Some(TopicId::ONE), LogConfig::default());
            let log = log.unwrap_or_else(|e| panic!("make {partition}: {e}"));
            for _ in 0..3 {
                append(&log, &batch);
            }
        }
        manager.shutdown().unwrap_or_else(|e| panic!("stop: {e}"));
    }
    let (ours, javas) = in_turns(dir.path(), threads, true);
    row(&format!("{partitions} clean partitions, ms"), ours.millis, javas.millis, "≤ 0.1");
    row("  CPU, ms", ours.cpu_ms, javas.cpu_ms, "");
    row("  resident memory above idle, MiB", ours.grown_mib, javas.grown_mib, "≤ 64 MiB");
}

/// A directory of large logs that was not stopped at all.
fn unclean(gigabytes: f64, threads: usize) {
    let dir = place();
    let manager = open(dir.path(), 1);
    let batch = records(16, 1000);
    let per_partition = (gigabytes * 1e9 / f64::from(UNCLEAN_PARTITIONS)) as u64;
    for number in 0..UNCLEAN_PARTITIONS {
        let partition = TopicPartition::new("topic", number);
        let log = manager.get_or_create(&partition, true, Some(TopicId::ONE), LogConfig::default());
        let log = log.unwrap_or_else(|e| panic!("make {partition}: {e}"));
        while log.size() < per_partition {
            append(&log, &batch);
        }
    }
    drop(manager);
    let (ours, javas) = in_turns(dir.path(), threads, false);
    row(&format!("recovery of {gigabytes} GB, ms"), ours.millis, javas.millis, "≤ 0.33");
    row("  CPU, ms", ours.cpu_ms, javas.cpu_ms, "");
}

fn row(what: &str, ours: f64, javas: f64, goal: &str) {
    println!("| {what:<40} | {ours:>12.0} | {javas:>12.0} | {:>7.3} | {goal:>9} |", ours / javas);
}

fn records(count: usize, size: usize) -> Bytes {
    let mut builder = BatchBuilder::new();
    let value: Vec<u8> = (0..size).map(|at| (at * 7 % 251) as u8).collect();
    for number in 0..count {
        builder.append(1_700_000_000_000 + number as i64, None, Some(&value), &[]);
    }
    builder.build().unwrap_or_else(|e| panic!("build a batch: {e}"))
}

fn append(log: &storage::Log, batch: &Bytes) {
    let appended = log.append_as_leader(batch.clone(), LeaderEpoch(0), AppendOrigin::Client);
    appended.unwrap_or_else(|e| panic!("append: {e}"));
}

fn open(dir: &Path, threads: usize) -> LogManager {
    let config = LogManagerConfig {
        log_dirs: vec![dir.to_owned()],
        recovery_threads_per_dir: threads,
        producer_id_expiration: Duration::from_secs(86_400),
        failure_listener: None,
        failed_dirs: Vec::new(),
        progress: Arc::default(),
    };
    let manager = LogManager::load(config, Arc::new(RealDisk), Arc::new(SystemClock::new()), &|_| LogConfig::default());
    manager.unwrap_or_else(|e| panic!("load {}: {e}", dir.display()))
}

/// What one load took.
#[derive(Debug, Clone, Copy)]
struct Load {
    millis: f64,
    cpu_ms: f64,
    grown_mib: f64,
}

/// Our side of a comparison: this program again, in a process that does nothing else.
fn load(dir: &Path, threads: usize) {
    let (before, cpu) = (resident_kib(), cpu_ms());
    let (manager, took) = timed(|| open(dir, threads));
    let cpu = cpu_ms() - cpu;
    let (millis, count, after) = (took.as_secs_f64() * 1000.0, manager.all().len(), resident_kib());
    println!("loaded {count} logs: {millis:.3} ms, {cpu} cpu ms, {before} KiB before, {after} KiB after");
    // No destructor: nothing in the directory changes any more.
    std::process::exit(0);
}

fn in_turns(dir: &Path, threads: usize, clean: bool) -> (Load, Load) {
    let mark = dir.join(".kafka_cleanshutdown");
    let sides: [fn(&Path, usize) -> Load; 2] = [load_ours, load_javas];
    let mut best: [Option<Load>; 2] = [None; 2];
    for _ in 0..ROUNDS {
        for (side, best) in sides.iter().zip(&mut best) {
            if clean {
                fs::write(&mark, "").unwrap_or_else(|e| panic!("write {}: {e}", mark.display()));
            }
            let load = side(dir, threads);
            if best.is_none_or(|best| load.millis < best.millis) {
                *best = Some(load);
            }
        }
    }
    match best {
        [Some(ours), Some(javas)] => (ours, javas),
        _ => panic!("nothing was measured"),
    }
}

fn load_ours(dir: &Path, threads: usize) -> Load {
    let program = std::env::current_exe().unwrap_or_else(|e| panic!("this program: {e}"));
    let threads = threads.to_string();
    measured(Command::new(program).arg("--load").arg(dir).args(["--threads", &threads]))
}

fn load_javas(dir: &Path, threads: usize) -> Load {
    let jars = format!("{}/*", test_lab::kafka(test_lab::KafkaVersion::V3_9).display());
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/java/LoadLogs.java");
    // The heap of Kafka's own start script.
    measured(
        Command::new("java").args(["-Xmx1G", "-Xms1G", "-cp", &jars]).arg(source).arg(dir).arg(threads.to_string()),
    )
}

fn measured(command: &mut Command) -> Load {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find(|line| line.starts_with("loaded "));
    let line = line.unwrap_or_else(|| panic!("{command:?}: {text}\n{}", String::from_utf8_lossy(&output.stderr)));
    if flag("--verbose") {
        println!("{line}");
    }
    let numbers: Vec<f64> =
        line.split(|c: char| !c.is_ascii_digit() && c != '.').filter_map(|n| n.parse().ok()).collect();
    match numbers[..] {
        [_, millis, cpu_ms, before, after] => Load { millis, cpu_ms, grown_mib: (after - before) / 1024.0 },
        _ => panic!("cannot read {line:?}"),
    }
}
