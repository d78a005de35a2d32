//! The broker on each ZooKeeper release that it must work with: start, create a topic, produce, consume, stop cleanly.

mod support;

use std::time::Duration;

use support::{assert_same_lines, numbered_lines};
use test_lab::KafkaVersion::V3_9;
use test_lab::{Broker, Driver, ZooKeeper, ZooKeeperVersion, until};

const LINES: usize = 1_000;

#[test]
fn on_zookeeper_3_4() {
    run_on(ZooKeeperVersion::V3_4);
}

#[test]
fn on_zookeeper_3_5() {
    run_on(ZooKeeperVersion::V3_5);
}

#[test]
fn on_zookeeper_3_8() {
    run_on(ZooKeeperVersion::V3_8);
}

#[test]
fn on_zookeeper_3_9() {
    run_on(ZooKeeperVersion::V3_9);
}

fn run_on(version: ZooKeeperVersion) {
    let zookeeper = ZooKeeper::start(version);
    let mut broker = Broker::start(env!("CARGO_BIN_EXE_klamm"), &(zookeeper.address() + "/klamm/here"), &[]);
    let address = broker.address();
    let tool = |tool: &str, args: &[&str], input: &str| {
        let mut all = vec!["--bootstrap-server", address.as_str()];
        all.extend(args);
        Driver::shared().tool_with_input(V3_9, tool, &all, input).ok()
    };
    tool("kafka-topics", &["--create", "--topic", "lines", "--partitions", "1"], "");
    let lines = numbered_lines(LINES);
    tool("kafka-console-producer", &["--topic", "lines"], &lines);
    let count = LINES.to_string();
    let consume =
        ["--topic", "lines", "--from-beginning", "--max-messages", &count, "--timeout-ms", "20000", "--group", "g"];
    assert_same_lines(&tool("kafka-console-consumer", &consume, "").stdout, &lines, "lines");

    assert_eq!(list(&zookeeper, "/klamm/here/brokers/ids"), "[1]");
    assert!(broker.stop(), "the broker's end");
    assert_eq!(list(&zookeeper, "/klamm/here/brokers/ids"), "[]");
    assert!(broker.log_dir().join(".kafka_cleanshutdown").is_file(), "the mark of a clean stop");

    broker.restart();
    let back = until(Duration::from_secs(20), || (list(&zookeeper, "/klamm/here/brokers/ids") == "[1]").then_some(()));
    assert!(back.is_some());
    let again = ["--topic", "lines", "--from-beginning", "--max-messages", &count, "--timeout-ms", "20000"];
    assert_same_lines(&tool("kafka-console-consumer", &again, "").stdout, &lines, "lines after a restart");
}

/// The children of a znode as Kafka's ZooKeeper shell prints them.
fn list(zookeeper: &ZooKeeper, path: &str) -> String {
    let listed = Driver::shared().tool(V3_9, "zookeeper-shell", &["-server", &zookeeper.address(), "ls", path]);
    listed.stdout.lines().last().unwrap_or_default().to_owned()
}
