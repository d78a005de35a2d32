//! One log directory, one server.properties and one ZooKeeper, handed to and fro between Java Kafka and Klamm: each finds every
//! record, offset, epoch, transaction and committed offset that the other one left, goes on writing, deletes, and stops cleanly
//! or is killed; and Kafka's dump-log finds nothing wrong in any file.
//!
//! What is written and how it is compared is in `tests/java/klamm/lab/Swap.java`: its producers live through all swaps.
//! `requests.rs` asks what no client asks, `files.rs` looks at the directory between two brokers.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a black-box test runs on the machine")]

mod files;
mod requests;
#[path = "../support/mod.rs"]
mod support;

use files::Files;
use requests::Requests;
use support::Ensemble;
use test_lab::KafkaVersion::{self, V2_4, V3_9};
use test_lab::{Broker, Driver, Home, JavaBroker, Klamm, OldKafka, Session};

/// Rounds there and back; twice as many if `KLAMM_TEST_SLOW=1`.
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

/// Whose directory it is, beside Klamm's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Release {
    Current(KafkaVersion),
    Old(OldKafka),
}

impl Release {
    /// As `Swap.java` calls it, and as `inter.broker.protocol.version`.
    fn name(self) -> &'static str {
        match self {
            Release::Current(V3_9) => "3.9",
            Release::Current(V2_4) => "2.4",
            Release::Old(OldKafka::V2_8) => "2.8",
            Release::Old(OldKafka::V1_1) => "1.1",
            Release::Old(OldKafka::V0_10) => "0.10.2",
        }
    }

    /// And producer ids, headers, leader epochs: all that came with 0.11.
    fn knows_transactions(self) -> bool {
        self != Release::Old(OldKafka::V0_10)
    }

    fn open(self, home: Home) -> JavaBroker {
        match self {
            Release::Current(version) => JavaBroker::open(version, home),
            Release::Old(version) => JavaBroker::open_old(version, home),
        }
    }
}

#[test]
fn java_3_9_and_klamm_take_turns() {
    take_turns(Release::Current(V3_9));
}

#[test]
fn java_2_4_and_klamm_take_turns() {
    take_turns(Release::Current(V2_4));
}

#[test]
fn klamm_begins_and_java_3_9_goes_on() {
    let ensemble = Ensemble::ours();
    let mut turns = Turns::start(Release::Current(V3_9), &ensemble);
    turns.klamm(1, End::Kill);
    turns.java(1, End::Stop);
    turns.klamm(2, End::Stop);
    turns.java(2, End::Stop);
}

/// Directories that older releases filled, too, if `KLAMM_TEST_SLOW=1`.
#[test]
fn older_releases_and_klamm_take_turns() {
    if !slow_tests_are_wanted() {
        return;
    }
    for release in [OldKafka::V2_8, OldKafka::V1_1, OldKafka::V0_10] {
        let ensemble = Ensemble::apache();
        let mut turns = Turns::start(Release::Old(release), &ensemble);
        turns.java(1, End::Stop);
        turns.klamm(1, End::Stop);
        turns.java(2, End::Kill);
        turns.klamm(2, End::Kill);
        turns.java(3, End::Stop);
    }
}

fn take_turns(release: Release) {
    let ensemble = Ensemble::apache();
    let mut turns = Turns::start(release, &ensemble);
    let rounds = if slow_tests_are_wanted() { 2 * ROUNDS } else { ROUNDS };
    for (round, (javas_end, klamms_end)) in (1..).zip(ENDS.into_iter().cycle().take(rounds)) {
        turns.java(round, javas_end);
        turns.klamm(round, klamms_end);
    }
    turns.java(rounds + 1, End::Stop);
}

fn slow_tests_are_wanted() -> bool {
    std::env::var("KLAMM_TEST_SLOW").as_deref() == Ok("1")
}

/// The brokers' common home, and whoever writes and reads through them.
struct Turns {
    release: Release,
    zookeeper: String,
    home: Option<Home>,
    clients: Session,
    requests: Requests,
    files: Files,
    /// How the turn before this one ended; nothing before the first.
    before: Option<End>,
}

impl Turns {
    fn start(release: Release, ensemble: &Ensemble) -> Turns {
        let mut properties = vec![
            // Producers ask for topics that have been deleted long after they last wrote to them.
            ("auto.create.topics.enable", "false"),
            ("log.retention.check.interval.ms", "500"),
            ("log.initial.task.delay.ms", "500"),
            ("log.cleaner.backoff.ms", "300"),
            ("transaction.state.log.segment.bytes", "4096"),
            ("offsets.topic.segment.bytes", "4096"),
            ("inter.broker.protocol.version", release.name()),
        ];
        if release == Release::Old(OldKafka::V0_10) {
            properties.extend([("log.message.format.version", release.name()), ("delete.topic.enable", "true")]);
        }
        let zookeeper = ensemble.address();
        let home = Home::new(&zookeeper, &properties);
        let clients = Driver::shared().session("klamm.lab.Swap", &[&home.address(), release.name()]);
        let (requests, files) = (Requests::new(&home.address()), Files::new(release));
        Turns { release, zookeeper, home: Some(home), clients, requests, files, before: None }
    }

    fn java(&mut self, round: usize, end: End) {
        let java = Broker::Java(self.release.open(self.home.take().unwrap()));
        self.turn(java, "java", round, end);
    }

    fn klamm(&mut self, round: usize, end: End) {
        let klamm = Broker::Klamm(Klamm::open(env!("CARGO_BIN_EXE_klamm"), self.home.take().unwrap()));
        self.turn(klamm, "klamm", round, end);
    }

    /// What every broker does in its turn: show what it found, take more, show that.
    fn turn(&mut self, mut broker: Broker, kind: &str, round: usize, end: End) {
        let turn = format!("round {round}, {kind}, {end:?}");
        if self.before.is_none() {
            self.ask(&mut broker, "create");
        }
        self.ask(&mut broker, "check");
        if self.release.knows_transactions() {
            self.requests.go_on(&broker.log_dir(), &turn);
        }
        self.ask(&mut broker, &format!("write {kind} {round}"));
        self.ask(&mut broker, "check");
        self.ask(&mut broker, "burst");
        let output_start = broker.process().output_start();
        match end {
            End::Stop => assert!(broker.stop(), "{turn}: did not stop as it should"),
            End::Kill => broker.kill(),
        }
        let home = match broker {
            Broker::Java(java) => java.into_home(),
            Broker::Klamm(klamm) => klamm.into_home(),
        };
        files::check_output(&home, output_start, self.before, &turn);
        assert_eq!(home.log_dir().join(".kafka_cleanshutdown").exists(), end == End::Stop, "{turn}");
        self.files.compare(&home.log_dir(), &turn);
        // A Java broker that is killed leaves preallocated indexes of zeros, at which its own tool stumbles.
        if kind == "klamm" || end == End::Stop {
            self.files.dump(&home.log_dir(), end, &turn);
        }
        self.requests.raise_leader_epochs(&self.zookeeper);
        self.before = Some(end);
        self.home = Some(home);
    }

    fn ask(&mut self, broker: &mut Broker, command: &str) {
        if let Err(failure) = self.clients.ask(command) {
            panic!("{command}: {failure}\n{}", broker.process().output_tail());
        }
    }
}
