//! Clusters of three Java brokers, 3.9.2 and 2.4.1, on `klamm zookeeper`, which is stopped, killed and started again under
//! them, while Kafka's own tools create topics, produce, consume, change settings and delete.
//!
//! What is looked at beside the records: that the brokers' sessions outlive the server, and that no broker writes a line
//! of ERROR that it would not write on Apache ZooKeeper. Those it would are in [`KNOWN`]; the two ignored tests run the same
//! scenario on Apache ZooKeeper 3.8.4, so that this list can be checked and extended.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "black-box tests run on the machine")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use support::numbered_lines;
use tempfile::TempDir;
use test_lab::KafkaVersion::{self, V2_4, V3_9};
use test_lab::{Driver, JavaBroker, Output, Process, ZooKeeper, ZooKeeperVersion, free_port, until};

#[test]
fn kafka_3_9_on_ours() {
    assert_known(&Scenario::play(V3_9, Server::ours()));
}

#[test]
fn kafka_2_4_on_ours() {
    assert_known(&Scenario::play(V2_4, Server::ours()));
}

#[test]
#[ignore = "measures the reference: the errors that Apache ZooKeeper causes"]
fn kafka_3_9_on_apache() {
    assert_known(&Scenario::play(V3_9, Server::apache()));
}

#[test]
#[ignore = "measures the reference: the errors that Apache ZooKeeper causes"]
fn kafka_2_4_on_apache() {
    assert_known(&Scenario::play(V2_4, Server::apache()));
}

/// What a broker may write as ERROR in this scenario, numbers as `#`: parts of lines that were seen on Apache ZooKeeper 3.8.4.
const KNOWN: &[&str] = &[
    // A follower that hears of a new partition before its leader does (2.4.1; 3.9 writes a warning).
    "[ReplicaFetcher replicaId=#, leaderId=#, fetcherId=#] Error for partition",
    // A new controller that finds the old one dead first takes it out of all partitions, then elects.
    "but cannot become follower since the new leader -# is unavailable",
];

fn assert_known(errors: &BTreeMap<String, String>) {
    let known = |error: &str| KNOWN.iter().any(|text| error.contains(text));
    let unknown: Vec<_> = errors.iter().filter(|(error, _)| !known(error)).collect();
    assert!(unknown.is_empty(), "errors that Apache ZooKeeper does not cause: {unknown:#?}");
}

const BROKERS: usize = 3;
const LINES: usize = 500;
const PATIENCE: Duration = Duration::from_secs(60);

/// The server under the brokers.
enum Server {
    Ours(Ours),
    Apache(ZooKeeper),
}

/// A `klamm zookeeper` process whose data lives until this is dropped.
struct Ours {
    dir: TempDir,
    port: u16,
    process: Option<Process>,
}

impl Server {
    fn ours() -> Server {
        let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
        // Small numbers, so that snapshots are written and purged while the cluster works.
        let properties = format!(
            "dataDir={}\nclientPort={port}\nclientPortAddress=127.0.0.1\nmaxClientCnxns=0\ntickTime=500\n\
             minSessionTimeout=1000\nmaxSessionTimeout=60000\nadmin.enableServer=false\nsnapCount=100\n",
            dir.path().join("data").display()
        );
        fs::write(dir.path().join("zookeeper.properties"), properties).unwrap();
        let mut server = Server::Ours(Ours { dir, port, process: None });
        server.start();
        server
    }

    fn apache() -> Server {
        Server::Apache(ZooKeeper::start(ZooKeeperVersion::V3_8))
    }

    fn address(&self) -> String {
        match self {
            Server::Ours(ours) => format!("127.0.0.1:{}", ours.port),
            Server::Apache(zookeeper) => zookeeper.address(),
        }
    }

    fn start(&mut self) {
        match self {
            Server::Ours(ours) => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_klamm"));
                command.arg("zookeeper").arg(ours.dir.path().join("zookeeper.properties"));
                let output = ours.dir.path().join("output");
                let mut process = Process::start("klamm zookeeper", &mut command, &output, "build klamm");
                process.ready_within(PATIENCE, || ZooKeeper::serves(ours.port));
                ours.process = Some(process);
            }
            Server::Apache(zookeeper) => zookeeper.restart(),
        }
    }

    /// SIGTERM.
    fn stop(&mut self) {
        match self {
            Server::Ours(ours) => {
                let mut process = ours.process.take().unwrap();
                assert!(process.terminate(PATIENCE).success(), "{}", process.output_tail());
            }
            Server::Apache(zookeeper) => zookeeper.stop(),
        }
    }

    /// SIGKILL.
    fn kill(&mut self) {
        match self {
            Server::Ours(ours) => {
                let mut process = ours.process.take().unwrap();
                assert!(process.ended().is_none(), "{}", process.output_tail());
                process.kill();
            }
            Server::Apache(zookeeper) => zookeeper.kill(),
        }
    }
}

/// A cluster, its tools, and what went into it.
struct Scenario {
    version: KafkaVersion,
    server: Server,
    brokers: Vec<JavaBroker>,
    bootstrap: String,
}

impl Scenario {
    /// Answers the ERROR lines that the brokers wrote.
    fn play(version: KafkaVersion, server: Server) -> BTreeMap<String, String> {
        // Three JVMs at a time are enough.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let zookeeper = server.address();
        let start = |id: usize| {
            let properties = [
                ("broker.id", id.to_string()),
                ("default.replication.factor", BROKERS.to_string()),
                ("offsets.topic.replication.factor", BROKERS.to_string()),
                ("min.insync.replicas", "2".to_owned()),
                // Three JVMs that start on a busy machine may be silent for longer than the lab's 6 seconds.
                ("zookeeper.session.timeout.ms", "12000".to_owned()),
            ];
            let properties: Vec<_> = properties.iter().map(|(key, value)| (*key, value.as_str())).collect();
            JavaBroker::start(version, &zookeeper, &properties)
        };
        let brokers: Vec<JavaBroker> = thread::scope(|scope| {
            let started: Vec<_> = (1..=BROKERS).map(|id| scope.spawn(move || start(id))).collect();
            started.into_iter().map(|broker| broker.join().unwrap()).collect()
        });
        let bootstrap = brokers.iter().map(JavaBroker::address).collect::<Vec<_>>().join(",");
        let mut scenario = Scenario { version, server, brokers, bootstrap };
        scenario.records_outlive_kills_of_the_server();
        scenario.topics_outlive_kills_of_the_server();
        scenario.settings_change_after_a_restart_of_the_server();
        scenario.a_killed_controller_is_missed_and_comes_back();
        scenario.end()
    }

    fn records_outlive_kills_of_the_server(&mut self) {
        self.create("lines");
        self.produce("lines", "first");
        let registered = self.registrations();
        self.server.kill();
        // Kafka goes on without its ZooKeeper, as long as nothing has to change.
        self.produce("lines", "second");
        self.server.start();
        self.create("later");
        self.produce("later", "third");
        self.consumes("later", &["third"]);
        self.consumes("lines", &["first", "second"]);
        assert_eq!(self.registrations(), registered, "the brokers' sessions outlive the server");
    }

    fn topics_outlive_kills_of_the_server(&mut self) {
        for round in 0..2 {
            let topic = format!("burst-{round}");
            self.create(&topic);
            self.server.kill();
            self.server.start();
            let known = self.shell(&["ls", "/brokers/topics"]);
            assert!(known.contains(&topic), "{known}");
            assert!(until(PATIENCE, || self.lists(&topic).then_some(())).is_some(), "{topic} is listed");
        }
        self.topics(&["--delete", "--topic", "burst-1"]).ok();
        assert!(until(PATIENCE, || (!self.lists("burst-1")).then_some(())).is_some(), "a topic is deleted");
    }

    fn lists(&self, topic: &str) -> bool {
        self.topics(&["--list"]).ok().stdout.lines().any(|line| line == topic)
    }

    fn settings_change_after_a_restart_of_the_server(&mut self) {
        let registered = self.registrations();
        self.server.stop();
        self.server.start();
        let named: &[&str] = match self.version {
            V3_9 => &["--bootstrap-server", &self.bootstrap],
            V2_4 => &["--zookeeper", &self.server.address()],
        };
        let change =
            ["--alter", "--entity-type", "topics", "--entity-name", "lines", "--add-config", "retention.ms=7654321"];
        Driver::shared().tool(self.version, "kafka-configs", &[named, &change].concat()).ok();
        let seen = until(PATIENCE, || {
            let described = self.topics(&["--describe", "--topic", "lines"]).ok().stdout;
            described.contains("retention.ms=7654321").then_some(())
        });
        assert!(seen.is_some(), "the setting is there");
        assert_eq!(self.registrations(), registered, "the brokers' sessions outlive a restart");
    }

    fn a_killed_controller_is_missed_and_comes_back(&mut self) {
        let document = self.shell(&["get", "/controller"]);
        let id = (1..=BROKERS).find(|id| document.contains(&format!("\"brokerid\":{id},"))).expect("a controller");
        let describe = |scenario: &Scenario| scenario.topics(&["--describe", "--topic", "lines"]).stdout;
        // The topic's line, then one per partition.
        let whole =
            |text: &str, replicas| text.lines().count() == 4 && text.lines().skip(1).all(|line| isr(line) == replicas);
        self.brokers[id - 1].kill();
        let missed = until(PATIENCE, || {
            let text = describe(self);
            (whole(&text, 2) && !text.contains(&format!("Leader: {id}\t"))).then_some(())
        });
        assert!(missed.is_some(), "{}", describe(self));
        self.produce("lines", "fourth");
        self.brokers[id - 1].restart();
        assert!(until(PATIENCE, || whole(&describe(self), 3).then_some(())).is_some(), "{}", describe(self));
        self.consumes("lines", &["first", "second", "fourth"]);
    }

    /// Stops everything in good order.
    fn end(mut self) -> BTreeMap<String, String> {
        // Brokers that stop one after the other leave errors of their own.
        let errors = self.brokers.iter_mut().flat_map(|broker| errors(&broker.process().unwrap().output())).collect();
        for broker in &mut self.brokers {
            broker.stop();
        }
        assert_eq!(self.shell(&["ls", "/brokers/ids"]).lines().last(), Some("[]"));
        self.server.stop();
        errors
    }

    fn create(&self, topic: &str) {
        let args = ["--create", "--topic", topic, "--partitions", "3", "--replication-factor", "3"];
        assert_eq!(self.topics(&args).ok().stdout, format!("Created topic {topic}.\n"));
    }

    /// 2.4.1's goes through ZooKeeper.
    fn topics(&self, args: &[&str]) -> Output {
        let zookeeper = self.server.address();
        let mut all = match self.version {
            V3_9 => vec!["--bootstrap-server", &self.bootstrap],
            V2_4 => vec!["--zookeeper", &zookeeper],
        };
        all.extend(args);
        Driver::shared().tool(self.version, "kafka-topics", &all)
    }

    fn produce(&self, topic: &str, what: &str) {
        let server = if self.version == V3_9 { "--bootstrap-server" } else { "--broker-list" };
        // A producer id comes from ZooKeeper, which is away at times.
        let plain = ["--request-required-acks", "all", "--producer-property", "enable.idempotence=false"];
        let args = [&[server, &self.bootstrap, "--topic", topic], &plain[..]].concat();
        let produced = Driver::shared().tool_with_input(self.version, "kafka-console-producer", &args, &lines(&[what]));
        assert!(!produced.ok().stderr.contains("ERROR"));
    }

    fn consumes(&self, topic: &str, whats: &[&str]) {
        let count = (whats.len() * LINES).to_string();
        let args = ["--topic", topic, "--from-beginning", "--max-messages", &count, "--timeout-ms", "30000"];
        let all = [&["--bootstrap-server", self.bootstrap.as_str()], &args[..]].concat();
        let consumed = Driver::shared().tool(self.version, "kafka-console-consumer", &all).ok().stdout;
        let (consumed, produced): (BTreeSet<_>, _) = (consumed.lines().collect(), lines(whats));
        assert!(consumed == produced.lines().collect(), "{} of {count} lines of {topic}", consumed.len());
    }

    /// When the brokers' znodes were made: each czxid.
    fn registrations(&self) -> Vec<String> {
        let stat = |id: usize| {
            let text = self.shell(&["stat", &format!("/brokers/ids/{id}")]);
            text.lines().find(|line| line.starts_with("cZxid")).unwrap_or_else(|| panic!("no stat: {text}")).to_owned()
        };
        (1..=BROKERS).map(stat).collect()
    }

    fn shell(&self, command: &[&str]) -> String {
        let address = self.server.address();
        let all = [&["-server", address.as_str()], command].concat();
        Driver::shared().tool(V3_9, "zookeeper-shell", &all).stdout
    }
}

fn lines(whats: &[&str]) -> String {
    let of = |what: &&str| numbered_lines(LINES).lines().map(|line| format!("{what} {line}\n")).collect::<String>();
    whats.iter().map(of).collect()
}

/// How many replicas are in sync, from a line of `kafka-topics --describe`.
fn isr(line: &str) -> usize {
    let isr = line.split("Isr: ").nth(1).and_then(|rest| rest.split_whitespace().next());
    isr.map_or(0, |isr| isr.split(',').count())
}

/// The lines of ERROR, by their text with numbers as `#`.
fn errors(output: &str) -> BTreeMap<String, String> {
    let mut errors = BTreeMap::new();
    for line in output.lines() {
        let Some((_, message)) = line.split_once("] ERROR ") else { continue };
        let mut text = String::new();
        for c in message.chars() {
            match c.is_ascii_digit() {
                true if text.ends_with('#') => {}
                true => text.push('#'),
                false => text.push(c),
            }
        }
        errors.insert(text, line.to_owned());
    }
    errors
}
