//! What several black-box suites share: the ensembles that brokers are tried on, and lines to send.
#![allow(dead_code, reason = "each suite takes what it needs")]
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "black-box tests run on the machine")]

pub mod clients;

use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use test_lab::{ZooKeeper, ZooKeeperVersion};
use tokio::runtime::Runtime;
use world::{RealDisk, SystemClock};

/// A ZooKeeper for a suite: Apache's in a process of its own, or ours inside this one.
pub enum Ensemble {
    /// Apache ZooKeeper.
    Apache(ZooKeeper),
    /// `zk_server`.
    Ours(Ours),
}

/// Our own server, on threads of its own, until it is dropped.
pub struct Ours {
    address: String,
    server: Option<zk_server::Server>,
    runtime: Runtime,
    _dir: TempDir,
}

impl Ensemble {
    /// Starts Apache ZooKeeper 3.8.4.
    pub fn apache() -> Ensemble {
        Ensemble::Apache(ZooKeeper::start(ZooKeeperVersion::V3_8))
    }

    /// Starts our own.
    pub fn ours() -> Ensemble {
        let dir = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let config = zk_server::Config {
            tick_time: Duration::from_millis(500),
            max_client_connections: 0,
            ..zk_server::Config::new(dir.path())
        };
        let started = zk_server::start(config, Arc::new(RealDisk), Arc::new(SystemClock::new()));
        let server = runtime.block_on(started).unwrap();
        let address = server.local_addr().to_string();
        Ensemble::Ours(Ours { address, server: Some(server), runtime, _dir: dir })
    }

    /// `127.0.0.1:port`, for `zookeeper.connect`.
    pub fn address(&self) -> String {
        match self {
            Ensemble::Apache(zookeeper) => zookeeper.address(),
            Ensemble::Ours(ours) => ours.address.clone(),
        }
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            self.runtime.block_on(server.stop());
        }
    }
}

/// `count` numbered lines of text, no two alike.
pub fn numbered_lines(count: usize) -> String {
    (0..count).map(|i| format!("line {i} of {count}, in which nothing else happens\n")).collect()
}

/// Fails at the first line in which two texts differ, without printing the rest.
#[track_caller]
pub fn assert_same_lines(found: &str, expected: &str, what: &str) {
    if found == expected {
        return;
    }
    let (found_count, expected_count) = (found.lines().count(), expected.lines().count());
    let differs =
        found.lines().zip(expected.lines()).position(|(a, b)| a != b).unwrap_or(found_count.min(expected_count));
    panic!(
        "{what}: {found_count} lines where {expected_count} were expected; line {differs} is {:?}, not {:?}",
        found.lines().nth(differs),
        expected.lines().nth(differs),
    );
}
