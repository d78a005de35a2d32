//! A Java Kafka broker of a given release, in ZooKeeper mode, alone on a port of 127.0.0.1.

use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use crate::maven::INSTALL_JAVA;
use crate::{Home, KafkaVersion, OldKafka, Process, wait};

/// A broker whose data lives until this is dropped, through any number of stops and starts.
#[derive(Debug)]
pub struct JavaBroker {
    name: String,
    jars: PathBuf,
    /// Whether it listens only when it serves; older ones listen long before they are registered, and only their log tells.
    listens_late: bool,
    home: Home,
    process: Option<Process>,
}

const START_LIMIT: Duration = Duration::from_secs(90);
const STOP_LIMIT: Duration = Duration::from_secs(60);

impl JavaBroker {
    /// Starts a broker on an empty log directory and waits until it accepts connections. `properties` are added to those
    /// of a small single broker (broker.id 1, one partition and replica for internal topics).
    pub fn start(version: KafkaVersion, zookeeper: &str, properties: &[(&str, &str)]) -> JavaBroker {
        JavaBroker::open(version, Home::new(zookeeper, properties))
    }

    /// Starts a broker on what another one left.
    pub fn open(version: KafkaVersion, home: Home) -> JavaBroker {
        let listens_late = version == KafkaVersion::V3_9;
        JavaBroker::open_with(format!("{version:?}"), crate::kafka(version), listens_late, home)
    }

    /// The same for a broker of an old release.
    pub fn open_old(version: OldKafka, home: Home) -> JavaBroker {
        JavaBroker::open_with(format!("{version:?}"), crate::old_kafka(version), false, home)
    }

    fn open_with(version: String, jars: PathBuf, listens_late: bool, home: Home) -> JavaBroker {
        let name = format!("Java broker {version}");
        let mut broker = JavaBroker { name, jars, listens_late, home, process: None };
        broker.restart();
        broker
    }

    /// Gives its home to another broker. Kills the process if it still runs.
    pub fn into_home(self) -> Home {
        self.home
    }

    /// `127.0.0.1:port`, for `bootstrap.servers`.
    pub fn address(&self) -> String {
        self.home.address()
    }

    /// The log directory.
    pub fn log_dir(&self) -> PathBuf {
        self.home.log_dir()
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
            match process.ready_or_ended(START_LIMIT, |process| self.serves(process)) {
                None => Some(process),
                Some(_) if is_still_registered(&process.output()) => None,
                Some(status) => panic!("the Java broker ended with {status}:\n{}", process.output_tail()),
            }
        });
        let in_time = || panic!("a broker of the same id was still registered after {START_LIMIT:?}");
        self.process = Some(restarted.unwrap_or_else(in_time));
    }

    fn serves(&self, process: &Process) -> bool {
        if self.listens_late {
            return wait::connect(self.home.port()).is_some();
        }
        // 0.10 says "[Kafka Server 1], started", later ones "[KafkaServer id=1] started".
        let started =
            |line: &str| line.contains("Server") && (line.contains("] started") || line.contains("], started"));
        process.output().lines().any(started)
    }

    fn spawn(&self) -> Process {
        let mut java = Command::new("java");
        java.args(["-Xmx256M", "-Xms256M", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
            .arg(format!("-Dlog4j.configuration=file:{}", self.home.log4j_file().display()))
            .arg("-cp")
            .arg(self.jars.join("*"))
            .arg("kafka.Kafka")
            .arg(self.home.properties_file());
        Process::start(&self.name, &mut java, &self.home.output_file(), INSTALL_JAVA)
    }

    /// The process, while it runs.
    pub fn process(&mut self) -> Option<&mut Process> {
        self.process.as_mut()
    }
}

/// Whether a broker ended because the session of one before it lives on; the second is 0.10's word for it.
fn is_still_registered(output: &str) -> bool {
    output.contains("NodeExists") || output.contains("A broker is already registered")
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
