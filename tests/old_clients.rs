//! Clients that know record formats 0 and 1 only, and topics that are kept in these formats: Java's clients of 0.9 and
//! 0.10.0, and librdkafka that takes the broker for one of that age, beside the tools of 3.9.2.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a black-box test looks at the broker's files")]

mod support;

use std::fs;
use std::process::Command;
use std::time::Duration;

use support::Ensemble;
use test_lab::KafkaVersion::V3_9;
use test_lab::{Broker, Driver, OldClient, Output, python, run};

/// Records in each topic: several old fetches.
const COUNT: usize = 1000;
const CODECS: [&str; 4] = ["none", "gzip", "snappy", "lz4"];

#[test]
fn clients_of_0_9_and_0_10_find_everything_and_are_found() {
    let ensemble = Ensemble::ours();
    let broker = Broker::start(env!("CARGO_BIN_EXE_klamm"), &ensemble.address(), &[]);
    let lab = Lab { broker: broker.address() };
    for codec in CODECS {
        lab.create(&new(codec), &[]);
        lab.produce(&new(codec), codec, true);
    }
    lab.create("refused", &["message.downconversion.enable=false"]);
    lab.produce("refused", "none", true);
    lab.create("zstd", &[]);
    lab.produce("zstd", "zstd", true);
    let topics = CODECS.map(new);
    for client in OldClient::ALL {
        // Each reads what is new, and writes in its own format, which it and the new consumer read.
        let own = CODECS.map(|codec| format!("{client:?}-{codec}").to_lowercase().replace('_', "."));
        let count = COUNT.to_string();
        let mut what: Vec<&str> = Vec::new();
        topics.iter().for_each(|topic| what.extend(["consume", topic, &count]));
        for (topic, codec) in own.iter().zip(CODECS) {
            lab.create(topic, &[]);
            what.extend(["produce", topic, codec, &count, "consume", topic, &count]);
        }
        // Neither can have what is zstd or may not be converted.
        what.extend(["consume", "zstd", "0", "consume", "refused", "0"]);
        let seen = client.run(&lab.broker, &what).ok();
        for topic in topics.iter().chain(&own) {
            check(client, topic, &seen.stdout);
        }
        own.iter().for_each(|topic| lab.consume(topic));
    }
    lab.librdkafka(&topics.each_ref().map(String::as_str));
}

#[test]
fn topics_in_old_formats_serve_new_and_old_clients() {
    let ensemble = Ensemble::ours();
    let older = [("inter.broker.protocol.version", "2.8"), ("log.message.format.version", "0.10.2")];
    let broker = Broker::start(env!("CARGO_BIN_EXE_klamm"), &ensemble.address(), &older);
    let lab = Lab { broker: broker.address() };
    let mut what: Vec<String> = Vec::new();
    let mut topics = Vec::new();
    for (format, version) in [(0, "0.9.0"), (1, "0.10.2"), (2, "2.8")] {
        for codec in CODECS {
            let topic = format!("format-{format}-{codec}");
            // The broker's own default is format 1.
            let own = format!("message.format.version={version}");
            let settings: Vec<&str> = (format != 1).then_some(own.as_str()).into_iter().collect();
            lab.create(&topic, &settings);
            lab.produce(&topic, codec, false);
            lab.consume(&topic);
            check_format(&broker, &topic, format);
            what.extend(["consume".into(), topic.clone(), COUNT.to_string()]);
            topics.push(topic);
        }
    }
    let what: Vec<&str> = what.iter().map(String::as_str).collect();
    for client in OldClient::ALL {
        let seen = client.run(&lab.broker, &what).ok();
        topics.iter().for_each(|topic| check(client, topic, &seen.stdout));
    }
}

/// A topic that the newest producer fills.
fn new(codec: &str) -> String {
    format!("new-{codec}")
}

/// Every record of a topic is there once, in order, with its timestamp if the client knows such.
fn check(client: OldClient, topic: &str, seen: &str) {
    let lines: Vec<Vec<&str>> = seen
        .lines()
        .map(|line| line.splitn(4, ' ').collect::<Vec<_>>())
        .filter(|fields| fields.first() == Some(&topic))
        .collect();
    assert_eq!(lines.len(), COUNT, "{client:?} {topic}");
    for (n, fields) in lines.iter().enumerate() {
        assert_eq!((fields[1], fields[3]), (&*n.to_string(), &*format!("key {n} value {n}")), "{client:?} {topic}");
        let is_known = fields[2] != "-1";
        let is_kept = client == OldClient::V0_10 && !topic.starts_with("format-0");
        assert_eq!(is_known, is_kept, "{client:?} {topic}: timestamp {}", fields[2]);
    }
}

/// The magic of the first batch in a topic's segment: the byte behind offset, length and epoch or checksum.
fn check_format(broker: &Broker, topic: &str, format: u8) {
    let segment = broker.log_dir().join(format!("{topic}-0/00000000000000000000.log"));
    let bytes = fs::read(&segment).unwrap();
    assert_eq!(bytes[16], format, "{topic}");
}

/// The newest tools, pointed at a broker.
struct Lab {
    broker: String,
}

impl Lab {
    fn create(&self, topic: &str, settings: &[&str]) {
        let mut args = vec!["--create", "--topic", topic, "--partitions", "1", "--replication-factor", "1"];
        settings.iter().for_each(|setting| args.extend(["--config", setting]));
        self.tool("kafka-topics", &args, "").ok();
    }

    /// With headers only where they can be kept: topics of old formats have no place for them, nor for sequences.
    fn produce(&self, topic: &str, codec: &str, headers: bool) {
        let line = |n: usize| match headers {
            true => format!("h:{n}\tkey {n}\tvalue {n}\n"),
            false => format!("key {n}\tvalue {n}\n"),
        };
        let lines: String = (0..COUNT).map(line).collect();
        let parse = format!("parse.headers={headers}");
        let idempotence = format!("enable.idempotence={headers}");
        // Batches of many records, so that fetches begin and end within them.
        let args = [
            ["--topic", topic, "--compression-codec", codec, "--property", "parse.key=true", "--property", &parse],
            [
                "--producer-property",
                &idempotence,
                "--producer-property",
                "linger.ms=20",
                "--batch-size",
                "4000",
                "--request-required-acks",
                "all",
            ],
        ]
        .concat();
        self.tool("kafka-console-producer", &args, &lines).ok();
    }

    fn consume(&self, topic: &str) {
        let (count, print) = (COUNT.to_string(), "print.key=true");
        let args = ["--topic", topic, "--from-beginning", "--max-messages", &count, "--property", print];
        let seen = self.tool("kafka-console-consumer", &args, "").ok().stdout;
        let expected: String = (0..COUNT).map(|n| format!("key {n}\tvalue {n}\n")).collect();
        assert!(seen == expected, "{topic}: {} bytes of {}", seen.len(), expected.len());
    }

    fn tool(&self, tool: &str, args: &[&str], input: &str) -> Output {
        let mut all = vec!["--bootstrap-server", &self.broker];
        all.extend(args);
        Driver::shared().tool_with_input(V3_9, tool, &all, input)
    }

    fn librdkafka(&self, topics: &[&str]) {
        let file = format!("{}/tests/foreign/old_fetch.py", env!("CARGO_MANIFEST_DIR"));
        let mut script = Command::new(python());
        script.args([&file, &self.broker, &COUNT.to_string()]).args(topics);
        run(&mut script, Duration::from_secs(240), "install Python 3").ok();
    }
}
