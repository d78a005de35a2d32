//! The broker under test: klamm, or the real Java broker to prove that a suite asks for what Kafka does.

use std::env;
use std::path::PathBuf;

use crate::{JavaBroker, KafkaVersion, Klamm, KlammOptions, Process};

/// Which broker a suite runs against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Ours.
    Klamm,
    /// Java Kafka 3.9.2.
    Java,
}

impl Target {
    /// Klamm, unless the environment says `KLAMM_TEST_TARGET=java`.
    pub fn from_env() -> Target {
        match env::var("KLAMM_TEST_TARGET").as_deref() {
            Ok("java") => Target::Java,
            Ok("klamm") | Err(env::VarError::NotPresent) => Target::Klamm,
            other => panic!("KLAMM_TEST_TARGET is {other:?}; klamm and java are known"),
        }
    }
}

/// A broker of either kind. Its data lives until this is dropped, through any number of stops and starts.
#[derive(Debug)]
pub enum Broker {
    /// Ours.
    Klamm(Klamm),
    /// Java Kafka 3.9.2.
    Java(JavaBroker),
}

impl Broker {
    /// Starts the broker that the environment asks for. `klamm` is the binary, `env!("CARGO_BIN_EXE_klamm")`;
    /// `properties` are added to a small single broker's.
    pub fn start(klamm: &str, zookeeper: &str, properties: &[(&str, &str)]) -> Broker {
        match Target::from_env() {
            Target::Klamm => Broker::Klamm(Klamm::start(&KlammOptions { binary: klamm, zookeeper, properties })),
            Target::Java => Broker::Java(JavaBroker::start(KafkaVersion::V3_9, zookeeper, properties)),
        }
    }

    /// `127.0.0.1:port`, for `bootstrap.servers`.
    pub fn address(&self) -> String {
        match self {
            Broker::Klamm(broker) => broker.address(),
            Broker::Java(broker) => broker.address(),
        }
    }

    /// The log directory.
    pub fn log_dir(&self) -> PathBuf {
        match self {
            Broker::Klamm(broker) => broker.log_dir(),
            Broker::Java(broker) => broker.log_dir(),
        }
    }

    /// Stops the broker with SIGTERM and says whether it ended as a broker that was asked to: status 0 for ours, 143
    /// for Java's.
    pub fn stop(&mut self) -> bool {
        let ended = match self {
            Broker::Klamm(broker) => broker.stop().map(|status| (status, 0)),
            Broker::Java(broker) => broker.stop().map(|status| (status, 143)),
        };
        ended.is_some_and(|(status, expected)| status.code() == Some(expected))
    }

    /// Kills the broker with SIGKILL.
    pub fn kill(&mut self) {
        match self {
            Broker::Klamm(broker) => broker.kill(),
            Broker::Java(broker) => broker.kill(),
        }
    }

    /// Starts the broker again, on the same data and port.
    pub fn restart(&mut self) {
        match self {
            Broker::Klamm(broker) => broker.restart(),
            Broker::Java(broker) => broker.restart(),
        }
    }

    /// The process; panics if the broker is stopped.
    pub fn process(&mut self) -> &mut Process {
        let process = match self {
            Broker::Klamm(broker) => broker.process(),
            Broker::Java(broker) => broker.process(),
        };
        process.unwrap_or_else(|| panic!("the broker is stopped"))
    }
}
