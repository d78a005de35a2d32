//! Several log directories, as Java's administrators and the machine see them: replicas move between directories while they
//! are written, records are deleted, and a directory that fails or fills up goes offline alone.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a black-box test runs on the machine")]

mod support;

use std::fs;

use support::Ensemble;
use test_lab::KafkaVersion::{V2_4, V3_9};
use test_lab::{Broker, Driver};

const KLAMM: &str = env!("CARGO_BIN_EXE_klamm");

/// A broker with two log directories, which live as long as the answer.
fn two_dirs(ensemble: &Ensemble, more: &[(&str, &str)]) -> (tempfile::TempDir, Broker) {
    let dirs = tempfile::tempdir().unwrap();
    let log_dirs = format!("{},{}", dirs.path().join("one").display(), dirs.path().join("two").display());
    let broker = Broker::start(KLAMM, &ensemble.address(), &[&[("log.dirs", log_dirs.as_str())], more].concat());
    (dirs, broker)
}

#[test]
fn javas_admin_moves_replicas_and_deletes_records() {
    let ensemble = Ensemble::ours();
    let (_dirs, broker) = two_dirs(&ensemble, &[("log.segment.bytes", "1048576")]);
    let report = Driver::shared().scenarios(&broker.address(), &["LogDirsTest"]);
    println!("{}", report.stdout);
}

#[test]
fn javas_tools_show_log_dirs_and_delete_records() {
    let ensemble = Ensemble::ours();
    let (dirs, broker) = two_dirs(&ensemble, &[]);
    let address = broker.address();
    let with = |args: &[&'static str]| -> Vec<String> {
        ["--bootstrap-server", &address].iter().chain(args).map(|arg| (*arg).to_owned()).collect()
    };
    let run = |version, tool: &str, args: &[&'static str]| {
        let args = with(args);
        Driver::shared().tool(version, tool, &args.iter().map(String::as_str).collect::<Vec<_>>()).ok()
    };
    run(V3_9, "kafka-topics", &["--create", "--topic", "t", "--partitions", "2"]);
    let lines: String = (0..100).map(|number| format!("line {number}\n")).collect();
    let producer = with(&["--topic", "t"]);
    let producer: Vec<&str> = producer.iter().map(String::as_str).collect();
    Driver::shared().tool_with_input(V3_9, "kafka-console-producer", &producer, &lines).ok();

    let file = dirs.path().join("offsets.json");
    fs::write(&file, r#"{"partitions":[{"topic":"t","partition":0,"offset":-1},{"topic":"t","partition":1,"offset":-1}],"version":1}"#)
        .unwrap();
    for version in [V2_4, V3_9] {
        let described = run(version, "kafka-log-dirs", &["--describe", "--topic-list", "t"]).stdout;
        for word in ["\"partition\":\"t-0\"", "\"partition\":\"t-1\"", "\"isFuture\":false", "\"offsetLag\":0"] {
            assert!(described.contains(word), "{version:?} {word}: {described}");
        }
        for dir in ["one", "two"] {
            assert!(described.contains(&format!("\"logDir\":\"{}\"", dirs.path().join(dir).display())), "{described}");
        }
        let args = ["--bootstrap-server", &address, "--offset-json-file", file.to_str().unwrap()];
        let deleted = Driver::shared().tool(version, "kafka-delete-records", &args).ok().stdout;
        let low_watermarks: i64 =
            deleted.lines().filter_map(|line| line.split_once("low_watermark: ")?.1.trim().parse::<i64>().ok()).sum();
        assert_eq!(low_watermarks, 100, "{version:?}: {deleted}");
    }
    let earliest = run(V3_9, "kafka-get-offsets", &["--topic", "t", "--time", "earliest"]).stdout;
    let latest = run(V3_9, "kafka-get-offsets", &["--topic", "t", "--time", "latest"]).stdout;
    assert_eq!(earliest, latest);
}
