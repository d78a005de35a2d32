//! Kafka's own tools, 3.9.2 and 2.4.1, drive a broker from creating a topic to deleting it, on Apache ZooKeeper and on
//! `zk_server`: 100,000 numbered lines go through it in each codec and are compared in full.

mod support;

use std::time::Duration;

use support::{Ensemble, assert_same_lines, numbered_lines};
use test_lab::KafkaVersion::{self, V2_4, V3_9};
use test_lab::{Broker, Driver, Output, until};

const LINES: usize = 100_000;
const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];

#[test]
fn kafkas_tools_with_apache_zookeeper() {
    run_on(&Ensemble::apache());
}

#[test]
fn kafkas_tools_with_our_zookeeper() {
    run_on(&Ensemble::ours());
}

fn run_on(ensemble: &Ensemble) {
    let zookeeper = ensemble.address();
    let broker = Broker::start(env!("CARGO_BIN_EXE_klamm"), &zookeeper, &[]);
    for version in [V3_9, V2_4] {
        let tools = Tools { version, broker: broker.address(), zookeeper: zookeeper.clone() };
        tools.a_topic_lives();
        for codec in CODECS {
            tools.lines_come_back(codec);
        }
    }
}

/// The tools of one release, pointed at one broker. 2.4.1's kafka-topics goes through ZooKeeper.
struct Tools {
    version: KafkaVersion,
    broker: String,
    zookeeper: String,
}

impl Tools {
    fn topics(&self, args: &[&str]) -> Output {
        let mut all = match self.version {
            V3_9 => vec!["--bootstrap-server", &self.broker],
            V2_4 => vec!["--zookeeper", &self.zookeeper],
        };
        all.extend(args);
        Driver::shared().tool(self.version, "kafka-topics", &all)
    }

    fn create(&self, topic: &str, partitions: &str, more: &[&str]) {
        let mut args = vec!["--create", "--topic", topic, "--partitions", partitions, "--replication-factor", "1"];
        args.extend(more);
        assert_eq!(self.topics(&args).ok().stdout, format!("Created topic {topic}.\n"));
    }

    /// Create, list, describe, alter, delete, and describe what is gone.
    fn a_topic_lives(&self) {
        let topic = &format!("life-{:?}", self.version).replace('_', "-");
        self.create(topic, "2", &["--config", "retention.ms=86400000"]);
        let again = self.topics(&["--create", "--topic", topic, "--partitions", "2", "--replication-factor", "1"]);
        assert_eq!(again.status, 1);
        let refused = format!("Error while executing topic command : Topic '{topic}' already exists.\n");
        assert_eq!(again.stdout, refused, "{again:?}");

        assert!(self.topics(&["--list"]).ok().stdout.lines().any(|line| line == topic));
        self.describes(topic, 2);
        self.topics(&["--alter", "--topic", topic, "--partitions", "3"]).ok();
        self.describes(topic, 3);
        let shrunk = self.topics(&["--alter", "--topic", topic, "--partitions", "1"]);
        assert_eq!(shrunk.status, 1, "{shrunk:?}");

        self.topics(&["--delete", "--topic", topic]).ok();
        // 3.9 prints its Java Optional.
        let named = match self.version {
            V3_9 => format!("Optional[{topic}]"),
            V2_4 => topic.clone(),
        };
        let missing = format!("Error while executing topic command : Topic '{named}' does not exist as expected\n");
        let gone = until(Duration::from_secs(30), || {
            let described = self.topics(&["--describe", "--topic", topic]);
            (described.status == 1 && described.stdout == missing).then_some(())
        });
        assert!(gone.is_some(), "{:?}", self.topics(&["--describe", "--topic", topic]));
        assert!(!self.topics(&["--list"]).ok().stdout.contains(topic.as_str()));
    }

    /// Waits until the topic is described with `partitions` partitions, each led by broker 1.
    fn describes(&self, topic: &str, partitions: usize) {
        let described = until(Duration::from_secs(20), || {
            let text = self.topics(&["--describe", "--topic", topic]).ok().stdout;
            (without_topic_id(&text) == self.description(topic, partitions)).then_some(())
        });
        if described.is_none() {
            let text = self.topics(&["--describe", "--topic", topic]).stdout;
            assert_eq!(without_topic_id(&text), self.description(topic, partitions));
        }
    }

    fn description(&self, topic: &str, partitions: usize) -> String {
        let mut text = format!(
            "Topic: {topic}\tPartitionCount: {partitions}\tReplicationFactor: 1\tConfigs: retention.ms=86400000\n"
        );
        let more = match self.version {
            V3_9 => "\tElr: N/A\tLastKnownElr: N/A",
            V2_4 => "",
        };
        for partition in 0..partitions {
            let line = format!("\tTopic: {topic}\tPartition: {partition}\tLeader: 1\tReplicas: 1\tIsr: 1{more}\n");
            text.push_str(&line);
        }
        text
    }

    /// Numbered lines through a console producer, one partition and a console consumer of a group.
    fn lines_come_back(&self, codec: &str) {
        let name = format!("lines-{:?}-{codec}", self.version).replace('_', "-");
        self.create(&name, "1", &[]);
        let lines = numbered_lines(LINES);
        let produced = self.produce(&name, codec, &lines);
        assert!(!produced.stderr.contains("ERROR"), "{}", produced.stderr);

        let count = LINES.to_string();
        let consumed = Driver::shared().tool(
            self.version,
            "kafka-console-consumer",
            &[
                "--bootstrap-server",
                &self.broker,
                "--topic",
                &name,
                "--group",
                &name,
                "--from-beginning",
                "--max-messages",
                &count,
                "--timeout-ms",
                "30000",
            ],
        );
        assert_same_lines(&consumed.ok().stdout, &lines, &name);
        self.group_stands_at_the_end(&name);
    }

    fn produce(&self, topic: &str, codec: &str, lines: &str) -> Output {
        let server = match self.version {
            V3_9 => "--bootstrap-server",
            V2_4 => "--broker-list",
        };
        let args = [server, &self.broker, "--topic", topic, "--compression-codec", codec];
        Driver::shared().tool_with_input(self.version, "kafka-console-producer", &args, lines).ok()
    }

    /// The group called as its topic has committed the end of partition 0.
    fn group_stands_at_the_end(&self, name: &str) {
        let args = ["--bootstrap-server", &self.broker, "--describe", "--group", name];
        let text = Driver::shared().tool(self.version, "kafka-consumer-groups", &args).ok().stdout;
        let row =
            text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no row of {name}: {text}"));
        let words: Vec<&str> = row.split_whitespace().collect();
        let end = LINES.to_string();
        assert_eq!(words[..6], [name, name, "0", &end, &end, "0"], "{text}");
    }
}

/// A description without the `TopicId` field that 3.9 shows and no test can know.
fn without_topic_id(text: &str) -> String {
    let fields = |line: &str| {
        line.split('\t').filter(|field| !field.starts_with("TopicId: ")).collect::<Vec<_>>().join("\t") + "\n"
    };
    text.lines().map(fields).collect()
}
