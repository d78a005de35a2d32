//! Where a broker lives: a directory with its logs, its server.properties and what it wrote, and a port. Brokers of different
//! kinds may take turns in one, on the same configuration; it is removed when dropped.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::free_port;
use crate::zookeeper::LOG4J;

/// A broker's directory and port.
#[derive(Debug)]
pub struct Home {
    dir: TempDir,
    port: u16,
}

impl Home {
    /// A new one, with an empty log directory. `properties` are added to those of a small single broker (broker.id 1, one
    /// replica for internal topics, a short session).
    pub fn new(zookeeper: &str, properties: &[(&str, &str)]) -> Home {
        let dir = tempfile::Builder::new().prefix("klamm-broker").tempdir();
        let home = Home { dir: dir.unwrap_or_else(|e| panic!("make the broker's directory: {e}")), port: free_port() };
        let text = server_properties(home.port, zookeeper, &home.log_dir(), properties);
        write(&home.properties_file(), &text);
        // Beside warnings: what a broker finds when it opens logs, and that it has started.
        let info = "log4j.logger.kafka.log=INFO\nlog4j.logger.kafka.server.KafkaServer=INFO\n";
        write(&home.log4j_file(), &format!("{LOG4J}{info}"));
        home
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `127.0.0.1:port`, for `bootstrap.servers`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The log directory.
    pub fn log_dir(&self) -> PathBuf {
        self.dir().join("logs")
    }

    /// The file of the configuration.
    pub fn properties_file(&self) -> PathBuf {
        self.dir().join("server.properties")
    }

    /// What a Java broker logs, and where.
    pub(crate) fn log4j_file(&self) -> PathBuf {
        self.dir().join("log4j.properties")
    }

    /// The file that holds what all processes wrote.
    pub fn output_file(&self) -> PathBuf {
        self.dir().join("output")
    }

    /// The directory of all of this.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }
}

/// The server.properties of a single broker for tests: short session, little memory, internal topics of one replica.
fn server_properties(port: u16, zookeeper: &str, logs: &Path, more: &[(&str, &str)]) -> String {
    let mut text = format!(
        "broker.id=1\nlisteners=PLAINTEXT://127.0.0.1:{port}\nzookeeper.connect={zookeeper}\nlog.dirs={}\n\
         zookeeper.session.timeout.ms=6000\nzookeeper.connection.timeout.ms=18000\n\
         offsets.topic.replication.factor=1\noffsets.topic.num.partitions=5\n\
         transaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\n\
         transaction.state.log.num.partitions=5\ngroup.initial.rebalance.delay.ms=0\n",
        logs.display()
    );
    for (key, value) in more {
        text.push_str(&format!("{key}={value}\n"));
    }
    text
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap_or_else(|e| panic!("write {}: {e}", path.display()));
}
