//! Kafka's dump-log tool, 3.9.2 and 2.4.1, reads the broker's segments record by record and checks the indexes, after a
//! clean stop and after a kill with its recovery: no complaint, and every record is there.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a black-box test runs on the machine")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use support::{Ensemble, numbered_lines};
use test_lab::KafkaVersion::{self, V2_4, V3_9};
use test_lab::{Broker, Driver};

const LINES: usize = 5_000;
const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];

/// What the tool says when something is wrong.
const COMPLAINTS: [&str; 6] =
    ["isvalid: false", "invalid bytes", "ismatch", "Non-consecutive", "Found timestamp", "Exception"];

#[test]
fn kafkas_dump_log_reads_the_segments_and_checks_the_indexes() {
    let ensemble = Ensemble::apache();
    let mut broker = Broker::start(env!("CARGO_BIN_EXE_klamm"), &ensemble.address(), &[]);
    for codec in CODECS {
        fill(&broker.address(), codec);
    }
    broker.stop();
    let segments: usize = CODECS.iter().map(|codec| check(&broker.log_dir().join(format!("{codec}-0")), LINES)).sum();
    assert!(segments > CODECS.len() * 2, "{segments} segments are too few to show anything");

    broker.restart();
    produce(&broker.address(), "none");
    broker.kill();
    broker.restart();
    broker.stop();
    check(&broker.log_dir().join("none-0"), 2 * LINES);
}

/// A topic of small segments and a dense index, with lines in it.
fn fill(address: &str, codec: &str) {
    let create = [
        "--bootstrap-server",
        address,
        "--create",
        "--topic",
        codec,
        "--partitions",
        "1",
        "--config",
        "segment.bytes=16384",
        "--config",
        "index.interval.bytes=1000",
    ];
    Driver::shared().tool(V3_9, "kafka-topics", &create).ok();
    produce(address, codec);
}

fn produce(address: &str, codec: &str) {
    let args = ["--bootstrap-server", address, "--topic", codec, "--compression-codec", codec, "--batch-size", "2000"];
    let produced = Driver::shared().tool_with_input(V3_9, "kafka-console-producer", &args, &numbered_lines(LINES)).ok();
    assert!(!produced.stderr.contains("ERROR"), "{}", produced.stderr);
}

/// Has the files of one partition checked; answers with the number of its segments.
fn check(partition: &Path, records: usize) -> usize {
    let (logs, indexes, times) = (files(partition, "log"), files(partition, "index"), files(partition, "timeindex"));
    for version in [V3_9, V2_4] {
        let mut found = 0;
        for log in &logs {
            found += dump(version, log, &["--deep-iteration"]).lines().filter(|line| line.starts_with('|')).count();
            let shallow = dump(version, log, &[]);
            assert!(shallow.contains("isvalid: true"), "{shallow}");
        }
        // 2.4.1 tells records from batches only when it prints their data.
        if version == V3_9 {
            assert_eq!(found, records, "{}", partition.display());
        }
        for index in indexes.iter().chain(&times) {
            let sane = dump(version, index, &["--index-sanity-check"]);
            assert!(sane.contains("passed sanity check.") || sane.contains("is empty."), "{sane}");
            dump(version, index, &["--verify-index-only"]);
            dump(version, index, &[]);
        }
    }
    logs.len()
}

fn dump(version: KafkaVersion, file: &Path, more: &[&str]) -> String {
    let path = file.display().to_string();
    let mut args = vec!["--files", path.as_str()];
    args.extend(more);
    let output = Driver::shared().tool(version, "kafka-dump-log", &args).ok();
    for complaint in COMPLAINTS {
        let said = output.stdout.contains(complaint) || output.stderr.contains(complaint);
        assert!(!said, "{version:?} about {path}:\n{}\n{}", output.stdout, output.stderr);
    }
    output.stdout
}

fn files(partition: &Path, extension: &str) -> Vec<PathBuf> {
    let listed = fs::read_dir(partition).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = listed.filter(|path| path.extension().is_some_and(|e| e == extension)).collect();
    files.sort();
    assert!(!files.is_empty(), "no .{extension} in {}", partition.display());
    files
}
