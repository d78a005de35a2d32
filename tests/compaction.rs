//! Compacted topics of a running broker, `__consumer_offsets` among them: written and read by Java's tools, cleaned meanwhile.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a black-box test runs on the machine")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use support::Ensemble;
use test_lab::KafkaVersion::V3_9;
use test_lab::{Broker, Driver, until};

const KLAMM: &str = env!("CARGO_BIN_EXE_klamm");
const KEYS: usize = 20;

/// First dirty offsets, by `topic-partition`, as the broker has written them down.
fn cleaned(log_dir: &Path) -> BTreeMap<String, i64> {
    let text = fs::read_to_string(log_dir.join("cleaner-offset-checkpoint")).unwrap_or_default();
    let entry = |line: &str| {
        let fields: Vec<&str> = line.split(' ').collect();
        let [topic, partition, offset] = fields[..] else { return None };
        Some((format!("{topic}-{partition}"), offset.parse().unwrap()))
    };
    text.lines().filter_map(entry).collect()
}

fn bytes_in(partition_dir: &Path) -> u64 {
    let entries = fs::read_dir(partition_dir).unwrap().flatten();
    let logs = entries.filter(|entry| entry.path().extension().is_some_and(|kind| kind == "log"));
    logs.filter_map(|entry| entry.metadata().ok()).map(|found| found.len()).sum()
}

#[test]
fn a_running_broker_compacts_topics_and_committed_offsets() {
    let ensemble = Ensemble::ours();
    let dir = tempfile::tempdir().unwrap();
    let log_dir = dir.path().join("logs");
    let settings = [
        ("log.dirs", log_dir.to_str().unwrap()),
        ("log.cleaner.backoff.ms", "50"),
        ("log.cleaner.threads", "2"),
        ("log.cleaner.min.cleanable.ratio", "0.01"),
        ("log.segment.delete.delay.ms", "0"),
        ("offsets.topic.num.partitions", "1"),
        ("offsets.topic.segment.bytes", "4096"),
    ];
    let broker = Broker::start(KLAMM, &ensemble.address(), &settings);
    let address = broker.address();
    let run = |tool: &str, args: &[&str], input: &str| {
        let args = [&["--bootstrap-server", &address], args].concat();
        Driver::shared().tool_with_input(V3_9, tool, &args, input).ok().stdout
    };
    let compact = ["--config", "cleanup.policy=compact", "--config", "segment.bytes=16384"];
    run("kafka-topics", &[&["--create", "--topic", "table"], &compact[..]].concat(), "");
    let lines = |from: usize, to: usize| -> String {
        (from..to).map(|number| format!("key {}:value {number} {}\n", number % KEYS, "x".repeat(60))).collect()
    };
    let keyed = ["--topic", "table", "--property", "parse.key=true", "--property", "key.separator=:"];
    // Small batches, so that there are many segments.
    let small = ["--producer-property", "batch.size=1000"];
    run("kafka-console-producer", &[&keyed[..], &small].concat(), &lines(0, 2000));
    run("kafka-console-producer", &[&keyed[..], &small].concat(), &lines(2000, 2100));

    let partition_dir = log_dir.join("table-0");
    let limit = Duration::from_secs(60);
    let is_clean = || (cleaned(&log_dir).get("table-0")? > &1500 && bytes_in(&partition_dir) < 60_000).then_some(());
    until(limit, is_clean).unwrap_or_else(|| panic!("{:?}", cleaned(&log_dir)));

    // One record a poll, and a commit for each.
    let often = ["--consumer-property", "auto.commit.interval.ms=1", "--consumer-property", "max.poll.records=1"];
    let keys = ["--property", "print.key=true", "--property", "key.separator=:", "--timeout-ms", "10000"];
    let read = [&["--topic", "table", "--from-beginning", "--group", "readers"], &keys[..], &often].concat();
    let seen = run("kafka-console-consumer", &read, "");
    let newest: BTreeMap<&str, &str> = seen.lines().filter_map(|line| line.split_once(':')).collect();
    let count = seen.lines().count();
    assert!(count < 700, "{count} of 2100 records are left");
    for key in 0..KEYS {
        let value = format!("value {} ", 2100 - KEYS + key);
        assert!(newest[format!("key {key}").as_str()].starts_with(&value), "key {key}: {newest:?}");
    }
    let offsets = || cleaned(&log_dir).get("__consumer_offsets-0").filter(|offset| **offset > 10).copied();
    until(limit, offsets).unwrap_or_else(|| panic!("{:?}", cleaned(&log_dir)));
    let describe = ["--describe", "--group", "readers", "--timeout", "60000"];
    let described = run("kafka-consumer-groups", &describe, "");
    let row = described.lines().find(|line| line.contains("table")).unwrap_or_else(|| panic!("{described}"));
    assert!(row.split_whitespace().any(|word| word == "2100"), "{described}");

    // What was committed is there after a restart as well, read from the cleaned log.
    drop(broker);
    let broker = Broker::start(KLAMM, &ensemble.address(), &settings);
    let address = broker.address();
    let args = [&["--bootstrap-server", &address], &describe[..]].concat();
    let offsets_of = |text: &str| -> Option<Vec<String>> {
        let row = text.lines().find(|line| line.contains("table"))?;
        Some(row.split_whitespace().skip(3).take(3).map(str::to_owned).collect())
    };
    // The coordinator loads first.
    let again = || offsets_of(&Driver::shared().tool(V3_9, "kafka-consumer-groups", &args).stdout);
    assert_eq!(until(limit, again), offsets_of(&described));
}
