//! What black-box tests share: Java Kafka and foreign clients in a cache outside the tree, ports, processes.
//!
//! Everything here either works or panics with one line that says what to install or what did not happen in time, with
//! the tail of the log that tells why: a missing Java, Maven, python3 or npm fails a test, it never passes by skipping.
//! Always: what a test process started dies with it, however it ends (`reaper.rs`), and every wait has a limit.
//! Absent on purpose: knowledge of any one test. Suites live in the `tests/` folders of the crates they prove.
#![allow(clippy::disallowed_methods, reason = "black-box tests run on the machine: its files, processes and clock")]

mod broker;
mod cache;
mod driver;
mod home;
mod java_broker;
mod klamm;
mod maven;
mod node;
mod old_clients;
mod ports;
mod process;
mod python;
mod reaper;
mod wait;
mod zookeeper;

pub use broker::{Broker, Target};
pub use driver::{Driver, Session, own_class};
pub use home::Home;
pub use java_broker::JavaBroker;
pub use klamm::{Klamm, KlammOptions};
pub use maven::{
    KafkaVersion, OldKafka, ZooKeeperVersion, kafka, kafka_clients_jar, kafka_message_definitions, old_kafka, zookeeper,
};
pub use node::node_modules;
pub use old_clients::OldClient;
pub use ports::free_port;
pub use process::{Output, Process, run};
pub use python::python;
pub use wait::{until, wait_for_port};
pub use zookeeper::ZooKeeper;
