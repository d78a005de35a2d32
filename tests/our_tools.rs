//! Our tools, called by the names of Kafka's scripts, beside Kafka's own on the same broker: the same standard output and
//! the same exit status, command by command; and a quickstart that is found again as it was left.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a black-box test runs on the machine")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use support::{Ensemble, assert_same_lines, numbered_lines};
use tempfile::TempDir;
use test_lab::KafkaVersion::V3_9;
use test_lab::{Broker, Driver, Output, Process, free_port, run, until, wait_for_port};

const KLAMM: &str = env!("CARGO_BIN_EXE_klamm");
const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];
const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn our_tools_say_what_kafkas_say() {
    let ensemble = Ensemble::ours();
    let mut broker = Broker::start(KLAMM, &ensemble.address(), &[]);
    let both = Both { links: links(), broker: broker.address() };
    let lines = numbered_lines(2_000);
    for codec in CODECS {
        both.ours("kafka-topics", &["--create", "--topic", codec, "--partitions", "1"], "").ok();
        both.ours("kafka-console-producer", &["--topic", codec, "--compression-codec", codec], &lines).ok();
        let args = ["--topic", codec, "--from-beginning", "--max-messages", "2000", "--timeout-ms", "20000"];
        assert_same_lines(&both.kafkas("kafka-console-consumer", &args).ok().stdout, &lines, codec);
        assert_same_lines(&both.ours("kafka-console-consumer", &args, "").ok().stdout, &lines, codec);
    }
    for (tool, args) in COMMANDS {
        both.agree(tool, args);
    }
    let offsets = both.links.path().join("offsets.json");
    let partitions = r#"{"topic":"lz4","partition":0,"offset":7},{"topic":"gzip","partition":0,"offset":-1}"#;
    fs::write(&offsets, format!(r#"{{"version":1,"partitions":[{partitions}]}}"#)).unwrap();
    both.agree("kafka-delete-records", &["--offset-json-file", offsets.to_str().unwrap()]);
    both.agree("kafka-delete-records", &["--offset-json-file", "/missing"]);
    for command in SHELL_COMMANDS {
        shells_agree(&both, &ensemble.address(), command);
    }
    broker.stop();
    for codec in CODECS {
        dumps_agree(&both, &broker.log_dir().join(format!("{codec}-0")));
    }
}

/// What both are asked, besides `--bootstrap-server`.
const COMMANDS: &[(&str, &[&str])] = &[
    ("kafka-topics", &["--list"]),
    ("kafka-topics", &["--list", "--exclude-internal"]),
    ("kafka-topics", &["--describe", "--topic", "lz4"]),
    ("kafka-topics", &["--describe", "--topic", "l.*"]),
    ("kafka-topics", &["--describe", "--under-replicated-partitions"]),
    ("kafka-topics", &["--describe", "--topic", "missing"]),
    ("kafka-topics", &["--create", "--topic", "lz4", "--partitions", "1"]),
    ("kafka-topics", &["--create", "--topic", "lz4", "--partitions", "1", "--if-not-exists"]),
    ("kafka-topics", &["--create", "--topic", "three", "--partitions", "1", "--replication-factor", "3"]),
    ("kafka-topics", &["--create", "--topic", "bad name"]),
    ("kafka-topics", &["--alter", "--topic", "lz4", "--partitions", "1"]),
    ("kafka-topics", &["--delete", "--topic", "missing"]),
    ("kafka-topics", &["--delete", "--topic", "missing", "--if-exists"]),
    ("kafka-get-offsets", &[]),
    ("kafka-get-offsets", &["--topic", "lz4"]),
    ("kafka-get-offsets", &["--topic-partitions", "lz4:0,z.*"]),
    ("kafka-get-offsets", &["--topic", "gzip", "--time", "earliest"]),
    ("kafka-get-offsets", &["--topic", "missing"]),
    ("kafka-log-dirs", &["--describe"]),
    ("kafka-log-dirs", &["--describe", "--topic-list", "lz4,missing", "--broker-list", "1"]),
    ("kafka-log-dirs", &["--describe", "--broker-list", "9"]),
    ("kafka-log-dirs", &[]),
    ("kafka-broker-api-versions", &[]),
    (
        "kafka-console-consumer",
        &[
            "--topic",
            "zstd",
            "--partition",
            "0",
            "--offset",
            "1990",
            "--max-messages",
            "5",
            "--timeout-ms",
            "20000",
            "--property",
            "print.offset=true",
            "--property",
            "print.key=true",
            "--property",
            "print.timestamp=true",
        ],
    ),
];

/// What both shells are asked.
const SHELL_COMMANDS: &[&[&str]] = &[
    &["ls", "/"],
    &["ls", "/brokers/topics"],
    &["ls", "-s", "/brokers"],
    &["ls", "-R", "/brokers/topics/lz4"],
    &["get", "/brokers/topics/lz4"],
    &["get", "-s", "/controller_epoch"],
    &["stat", "/brokers/ids/1"],
    &["get", "/missing"],
    &["getAcl", "/brokers"],
    &["create", "/mine", "a value"],
    &["set", "/mine", "another"],
    &["get", "/mine"],
    &["delete", "/mine"],
];

/// Kafka's tools and ours, pointed at one broker.
struct Both {
    links: TempDir,
    broker: String,
}

impl Both {
    fn kafkas(&self, tool: &str, args: &[&str]) -> Output {
        Driver::shared().tool(V3_9, tool, &[&["--bootstrap-server", &self.broker], args].concat())
    }

    fn ours(&self, tool: &str, args: &[&str], stdin: &str) -> Output {
        ours(self.links.path(), tool, &[&["--bootstrap-server", &self.broker], args].concat(), stdin)
    }

    fn agree(&self, tool: &str, args: &[&str]) {
        let (kafkas, ours) = (self.kafkas(tool, args), self.ours(tool, args, ""));
        assert_same_lines(&ours.stdout, &kafkas.stdout, &format!("{tool} {args:?}"));
        assert_eq!(ours.status, kafkas.status, "{tool} {args:?}: {ours:?}");
    }
}

fn links() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    run(Command::new(KLAMM).arg("links").arg(dir.path()), LIMIT, "build klamm").ok();
    dir
}

/// Runs one of our tools by its script's name, with `stdin` from a file.
fn ours(links: &Path, tool: &str, args: &[&str], stdin: &str) -> Output {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("stdin");
    fs::write(&input, stdin).unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", "input=$1; shift; exec \"$@\" < \"$input\"", "sh"]).arg(&input);
    run(command.arg(links.join(format!("{tool}.sh"))).args(args), LIMIT, "build klamm")
}

/// What one shell has changed the other undoes before it is the other's turn, so that both find the same.
fn shells_agree(both: &Both, zookeeper: &str, command: &[&str]) {
    let kafkas = Driver::shared().tool(V3_9, "zookeeper-shell", &[&["-server", zookeeper], command].concat());
    let undo: Option<&[&str]> = match command {
        ["create", path, _] => Some(&["delete", path]),
        ["delete", path] => Some(&["create", path, "another"]),
        _ => None,
    };
    if let Some(undo) = undo {
        ours(both.links.path(), "zookeeper-shell", &[&[zookeeper], undo].concat(), "").ok();
    }
    let shown = ours(both.links.path(), "zookeeper-shell", &[&[zookeeper], command].concat(), "");
    assert_same_lines(&shown.stdout, &kafkas.stdout, &format!("zookeeper-shell {command:?}"));
    assert_eq!(shown.status, kafkas.status, "zookeeper-shell {command:?}: {shown:?}, not {kafkas:?}");
}

fn dumps_agree(both: &Both, partition: &Path) {
    let mut files: Vec<PathBuf> = fs::read_dir(partition).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|e| ["log", "index", "timeindex"].iter().any(|kind| e == *kind)));
    assert!(files.len() >= 3, "{files:?}");
    for file in files {
        let path = file.display().to_string();
        for more in [&[][..], &["--deep-iteration", "--print-data-log"], &["--index-sanity-check"]] {
            let args = [&["--files", path.as_str()], more].concat();
            let kafkas = Driver::shared().tool(V3_9, "kafka-dump-log", &args);
            let dumped = ours(both.links.path(), "kafka-dump-log", &args, "");
            assert_same_lines(&dumped.stdout, &kafkas.stdout, &format!("kafka-dump-log {args:?}"));
            assert_eq!(dumped.status, kafkas.status, "{dumped:?}");
        }
    }
}

#[test]
fn a_quickstart_is_found_again_as_it_was_left() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let output = dir.path().join("output");
    let port = free_port();
    let links = links();
    let broker = format!("localhost:{port}");
    let tool = |tool: &str, args: &[&str], stdin: &str| {
        ours(links.path(), tool, &[&["--bootstrap-server", broker.as_str()], args].concat(), stdin).ok().stdout
    };
    let lines = numbered_lines(100);
    let first = quickstart(&data, port, &output);
    assert_eq!(
        tool("kafka-topics", &["--create", "--topic", "hello", "--partitions", "3"], ""),
        "Created topic hello.\n"
    );
    tool("kafka-console-producer", &["--topic", "hello"], &lines);
    stop(first);

    let second = quickstart(&data, port, &output);
    let consumed = tool(
        "kafka-console-consumer",
        &["--topic", "hello", "--from-beginning", "--max-messages", "100", "--timeout-ms", "20000"],
        "",
    );
    let sorted = |text: &str| text.lines().map(str::to_owned).collect::<std::collections::BTreeSet<_>>();
    assert_eq!(sorted(&consumed), sorted(&lines));
    stop(second);
}

/// Starts a quickstart and waits until it says where it is to be reached.
fn quickstart(data: &Path, port: u16, output: &Path) -> Process {
    let mut command = Command::new(KLAMM);
    command.arg("quickstart").arg("--dir").arg(data).args(["--port", &port.to_string()]).stdin(Stdio::null());
    let mut process = Process::start("klamm quickstart", &mut command, output, "build klamm");
    process.ready_within(LIMIT, || wait_for_port(port, Duration::ZERO));
    let said = until(LIMIT, || process.output().contains(&format!("localhost:{port}")).then_some(()));
    assert!(said.is_some(), "{}", process.output());
    process
}

fn stop(mut process: Process) {
    let status = process.terminate(LIMIT);
    assert_eq!(status.code(), Some(0), "{}", process.output());
}
