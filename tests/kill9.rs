//! A broker killed with SIGKILL in the middle of a produce run, twice: after its restart every acknowledged line is there,
//! once, in order, at the offset that the acknowledgement named.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a black-box test runs on the machine")]

mod support;

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use support::{Ensemble, assert_same_lines};
use test_lab::KafkaVersion::V3_9;
use test_lab::{Broker, Driver, until};

const LINES: usize = 400_000;
/// The broker is killed when this many lines have been acknowledged.
const KILLS: [usize; 2] = [40_000, 200_000];
const LIMIT: Duration = Duration::from_secs(180);

#[test]
fn no_acknowledged_line_is_lost_or_doubled_by_a_kill() {
    let ensemble = Ensemble::apache();
    let mut broker = Broker::start(env!("CARGO_BIN_EXE_klamm"), &ensemble.address(), &[]);
    let address = broker.address();
    let create = ["--bootstrap-server", &address, "--create", "--topic", "lines", "--partitions", "1"];
    Driver::shared().tool(V3_9, "kafka-topics", &create).ok();

    let dir = tempfile::tempdir().unwrap();
    let acknowledged = dir.path().join("acknowledged");
    let path = acknowledged.display().to_string();
    thread::scope(|scope| {
        let producing = scope.spawn(|| {
            let args = [&address, "lines", &LINES.to_string(), &path];
            Driver::shared().main(V3_9, "klamm.lab.AckedProducer", &args, "", LIMIT)
        });
        for acknowledgements in KILLS {
            let reached = until(LIMIT, || (lines_of(&acknowledged) >= acknowledgements).then_some(()));
            assert!(reached.is_some(), "{} lines acknowledged", lines_of(&acknowledged));
            broker.kill();
            assert!(lines_of(&acknowledged) < LINES, "the run was over before the kill");
            broker.restart();
        }
        let produced = producing.join().unwrap().ok();
        assert_eq!(produced.stdout, "0 failed\n", "{}", produced.stderr);
    });

    let every_offset: String = (0..LINES).map(|i| format!("{i} {i}\n")).collect();
    assert_same_lines(&fs::read_to_string(&acknowledged).unwrap(), &every_offset, "acknowledged offsets");
    let every_line: String = (0..LINES).map(|i| format!("{i}\n")).collect();
    assert_same_lines(&consume(&address), &every_line, "lines after the kills");
}

fn lines_of(path: &Path) -> usize {
    fs::read(path).map(|bytes| bytes.iter().filter(|&&byte| byte == b'\n').count()).unwrap_or(0)
}

/// All that the topic has; one line more than was sent would show.
fn consume(address: &str) -> String {
    let one_more = (LINES + 1).to_string();
    let args = [
        "--bootstrap-server",
        address,
        "--topic",
        "lines",
        "--from-beginning",
        "--max-messages",
        &one_more,
        "--timeout-ms",
        "5000",
    ];
    Driver::shared().tool(V3_9, "kafka-console-consumer", &args).ok().stdout
}
