//! One log directory, one server.properties and one ZooKeeper, handed to and fro between Java Kafka and Klamm: each finds every
//! record, offset, epoch, transaction and committed offset that the other one left, goes on writing, deletes, and stops cleanly
//! or is killed; and Kafka's dump-log finds nothing wrong in any file.
//!
//! What is written and how it is compared is in `tests/java/klamm/lab/Swap.java`: its producers live through all swaps.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a black-box test runs on the machine")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use support::Ensemble;
use test_lab::KafkaVersion::{self, V2_4, V3_9};
use test_lab::{Broker, Driver, Home, JavaBroker, Klamm, Session};

const ROUNDS: usize = 5;

/// How a broker's turn ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Stop,
    Kill,
}

/// How Java's and then Klamm's turn ends, round by round.
const ENDS: [(End, End); 4] =
    [(End::Stop, End::Stop), (End::Kill, End::Stop), (End::Stop, End::Kill), (End::Kill, End::Kill)];

#[test]
fn java_3_9_and_klamm_take_turns() {
    take_turns(V3_9, &[]);
}

#[test]
fn java_2_4_and_klamm_take_turns() {
    take_turns(V2_4, &[("inter.broker.protocol.version", "2.4")]);
}

fn take_turns(version: KafkaVersion, properties: &[(&'static str, &'static str)]) {
    let ensemble = Ensemble::apache();
    let mut turns = Turns::start(version, &ensemble, properties);
    for (round, (javas_end, klamms_end)) in (1..).zip(ENDS.into_iter().cycle().take(ROUNDS)) {
        turns.java(round, javas_end);
        turns.klamm(round, klamms_end);
    }
    turns.java(ROUNDS + 1, End::Stop);
}

/// The brokers' common home, and whoever writes and reads through them.
struct Turns {
    version: KafkaVersion,
    zookeeper: String,
    properties: Vec<(&'static str, &'static str)>,
    home: Option<Home>,
    clients: Session,
    began: bool,
}

impl Turns {
    fn start(version: KafkaVersion, ensemble: &Ensemble, properties: &[(&'static str, &'static str)]) -> Turns {
        let common = [
            // Producers ask for topics that have been deleted long after they last wrote to them.
            ("auto.create.topics.enable", "false"),
            ("zookeeper.session.timeout.ms", "3000"),
            ("log.retention.check.interval.ms", "500"),
            ("log.initial.task.delay.ms", "500"),
            ("transaction.state.log.segment.bytes", "4096"),
            ("offsets.topic.segment.bytes", "4096"),
        ];
        let properties = [&common, properties].concat();
        let zookeeper = ensemble.address();
        let home = Home::new(&zookeeper, &properties);
        let release = match version {
            V3_9 => "3.9",
            V2_4 => "2.4",
        };
        let clients = Driver::shared().session("klamm.lab.Swap", &[&home.address(), release]);
        Turns { version, zookeeper, properties, home: Some(home), clients, began: false }
    }

    fn java(&mut self, round: usize, end: End) {
        let home = self.home.take().unwrap();
        let cleaner = [("log.cleaner.backoff.ms", "300")];
        home.configure(&self.zookeeper, &[&self.properties[..], &cleaner].concat());
        let java = Broker::Java(JavaBroker::open(self.version, home));
        self.turn(java, "java", round, end);
    }

    fn klamm(&mut self, round: usize, end: End) {
        let home = self.home.take().unwrap();
        home.configure(&self.zookeeper, &self.properties);
        let klamm = Broker::Klamm(Klamm::open(env!("CARGO_BIN_EXE_klamm"), home));
        self.turn(klamm, "klamm", round, end);
    }

    /// What every broker does in its turn: show what it found, take more, show that.
    fn turn(&mut self, mut broker: Broker, kind: &str, round: usize, end: End) {
        if !self.began {
            self.ask(&mut broker, "create");
            self.began = true;
        }
        self.ask(&mut broker, "check");
        self.ask(&mut broker, &format!("write {kind} {round}"));
        self.ask(&mut broker, "check");
        let output_start = broker.process().output_start();
        match end {
            End::Stop => assert!(broker.stop(), "round {round}: {kind} did not stop as it should"),
            End::Kill => broker.kill(),
        }
        let home = match broker {
            Broker::Java(java) => java.into_home(),
            Broker::Klamm(klamm) => klamm.into_home(),
        };
        check_output(&home, output_start, &format!("round {round}, {kind}, {end:?}"));
        assert_eq!(home.log_dir().join(".kafka_cleanshutdown").exists(), end == End::Stop, "the mark of a clean stop");
        // A Java broker that is killed leaves preallocated indexes of zeros, at which its own tool stumbles.
        if kind == "klamm" || end == End::Stop {
            check_files(self.version, &home.log_dir());
        }
        self.home = Some(home);
    }
}

impl Turns {
    fn ask(&mut self, broker: &mut Broker, command: &str) {
        if let Err(failure) = self.clients.ask(command) {
            panic!("{command}: {failure}\n{}", broker.process().output_tail());
        }
    }
}

/// No broker may find anything to complain about in what the other one left.
fn check_output(home: &Home, start: u64, turn: &str) {
    let output = fs::read(home.output_file()).unwrap();
    let output = String::from_utf8_lossy(&output[start as usize..]).into_owned();
    let lines: Vec<_> = output.lines().collect();
    if let Some(at) = lines.iter().position(|line| line.contains("ERROR")) {
        panic!("{turn}:\n{}", lines[at..].iter().take(60).copied().collect::<Vec<_>>().join("\n"));
    }
}

/// What the release's own tool thinks of the files.
fn check_files(version: KafkaVersion, log_dir: &Path) {
    let files = files_of_partitions(log_dir);
    assert!(files.len() > 50, "{} files are too few to show anything", files.len());
    let list = files.iter().map(|file| file.to_str().unwrap()).collect::<Vec<_>>().join(",");
    let output = Driver::shared().tool(version, "kafka-dump-log", &["--deep-iteration", "--files", &list]).ok();
    for (at, line) in output.stdout.lines().chain(output.stderr.lines()).enumerate() {
        if is_complaint(version, line) {
            let around: Vec<_> = output.stdout.lines().skip(at.saturating_sub(20)).take(25).collect();
            panic!("{line}\nin\n{}\n{}", around.join("\n"), output.stderr);
        }
    }
}

/// Whether a line says that something is wrong. Compaction leaves gaps in the offsets; an index entry of an old format, or of
/// Java's cleaner, stands for several batches, the first of which is what the tool compares it with, or for a batch that was
/// left without records (timestamp -1). The time indexes of 2.4.1 hold offsets
/// of records inside of batches, which no tool of Kafka's looks up.
fn is_complaint(version: KafkaVersion, line: &str) -> bool {
    let tolerated: &[&str] = match line {
        _ if line.starts_with("Non-consecutive offsets") => &["/compacted", "/__"],
        _ if line.ends_with("are not found in the log.") && version == V2_4 => &[""],
        _ if line.starts_with("Found timestamp mismatch") => &["/compacted", "/__"],
        _ if line.starts_with("  Index timestamp: ") => &["log timestamp: -1"],
        _ if line.starts_with("Mismatches in :") => &["/format-", "/compacted", "/__"],
        _ => &[],
    };
    COMPLAINTS.iter().any(|complaint| line.contains(complaint)) && !tolerated.iter().any(|topic| line.contains(topic))
}

/// What the tool says when something is wrong.
const COMPLAINTS: [&str; 8] = [
    "isvalid: false",
    "invalid bytes",
    "ismatch",
    "Non-consecutive",
    "Found timestamp mismatch",
    "Index timestamp",
    "not found in the log",
    "Exception",
];

fn files_of_partitions(log_dir: &Path) -> Vec<PathBuf> {
    let partitions = fs::read_dir(log_dir).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let live = partitions.filter(|path| !path.extension().is_some_and(|e| e.to_str().unwrap().ends_with("-delete")));
    let files = live.flat_map(|dir| fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()));
    let known = ["log", "index", "timeindex", "txnindex", "snapshot"];
    let mut files: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|e| known.contains(&e.to_str().unwrap()))).collect();
    files.sort();
    files
}
