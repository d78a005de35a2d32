//! A Java Kafka broker of a given release, in ZooKeeper mode, alone on a port of 127.0.0.1.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use tempfile::TempDir;

use crate::maven::INSTALL_JAVA;
use crate::zookeeper::LOG4J;
use crate::{KafkaVersion, Process, free_port, wait};

/// A broker whose data lives until this is dropped, through any number of stops and starts.
#[derive(Debug)]
pub struct JavaBroker {
    version: KafkaVersion,
    port: u16,
    dir: TempDir,
    process: Option<Process>,
}

const START_LIMIT: Duration = Duration::from_secs(90);
const STOP_LIMIT: Duration = Duration::from_secs(60);

impl JavaBroker {
    /// Starts a broker on an empty log directory and waits until it accepts connections. `properties` are added to those
    /// of a small single broker (broker.id 1, one partition and replica for internal topics).
    pub fn start(version: KafkaVersion, zookeeper: &str, properties: &[(&str, &str)]) -> JavaBroker {
        let dir = tempfile::Builder::new().prefix("klamm-java-broker").tempdir();
        let dir = dir.unwrap_or_else(|e| panic!("make the broker's directory: {e}"));
        let port = free_port();
        let text = server_properties(port, zookeeper, &dir.path().join("logs"), properties);
        write(&dir.path().join("server.properties"), &text);
        write(&dir.path().join("log4j.properties"), LOG4J);
        let mut broker = JavaBroker { version, port, dir, process: None };
        broker.restart();
        broker
    }

    /// `127.0.0.1:port`, for `bootstrap.servers`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The log directory.
    pub fn log_dir(&self) -> PathBuf {
        self.dir.path().join("logs")
    }

    /// Stops the broker with SIGTERM, a controlled shutdown, and says how it ended. Its data stays for
    /// [`JavaBroker::restart`].
    pub fn stop(&mut self) -> Option<ExitStatus> {
        self.process.take().map(|mut process| process.terminate(STOP_LIMIT))
    }

    /// Kills the broker with SIGKILL. Its data stays for [`JavaBroker::restart`], which fails until the old session in
    /// ZooKeeper has expired.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    /// Starts the broker again, on the same data and port; stops it first if it runs. After a kill this takes as long as
    /// ZooKeeper keeps the old session: until then a Java broker ends at its start.
    pub fn restart(&mut self) {
        self.stop();
        let restarted = wait::until(START_LIMIT, || {
            let mut process = self.spawn();
            // 2.4.1 listens long before it serves; what it writes last tells.
            let metadata = self.log_dir().join("meta.properties");
            let serves = || metadata.is_file() && wait::connect(self.port).is_some();
            match process.ready_or_ended(START_LIMIT, serves) {
                None => Some(process),
                Some(_) if process.output().contains("NodeExists") => None,
                Some(status) => panic!("the Java broker ended with {status}:\n{}", process.output_tail()),
            }
        });
        let in_time = || panic!("a broker of the same id was still registered after {START_LIMIT:?}");
        self.process = Some(restarted.unwrap_or_else(in_time));
    }

    fn spawn(&self) -> Process {
        let mut java = Command::new("java");
        java.args(["-Xmx256M", "-Xms256M", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
            .arg(format!("-Dlog4j.configuration=file:{}", self.dir.path().join("log4j.properties").display()))
            .arg("-cp")
            .arg(crate::kafka(self.version).join("*"))
            .arg("kafka.Kafka")
            .arg(self.dir.path().join("server.properties"));
        let name = format!("Java broker {:?}", self.version);
        Process::start(&name, &mut java, &self.dir.path().join("output"), INSTALL_JAVA)
    }

    /// The process, while it runs.
    pub fn process(&mut self) -> Option<&mut Process> {
        self.process.as_mut()
    }
}

/// The server.properties of a single broker for tests: short session, little memory, internal topics of one replica.
pub(crate) fn server_properties(port: u16, zookeeper: &str, logs: &Path, more: &[(&str, &str)]) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ZooKeeper, ZooKeeperVersion};

    #[test]
    fn a_broker_of_each_release_starts_and_stops() {
        let zookeeper = ZooKeeper::start(ZooKeeperVersion::V3_8);
        for (version, chroot) in [(KafkaVersion::V3_9, "/new"), (KafkaVersion::V2_4, "/old")] {
            let mut broker = JavaBroker::start(version, &(zookeeper.address() + chroot), &[]);
            let address = broker.address();
            assert!(std::net::TcpStream::connect(&address).is_ok());
            broker.stop();
            assert!(std::net::TcpStream::connect(&address).is_err());
        }
    }
}
