//! A broker that is measured: started on an empty directory, watched through `/proc`, killed when dropped.
//!
//! Both get the same server.properties. Java runs with the flags of Kafka's own `kafka-server-start.sh` (G1, 1 GiB of
//! heap) and logs warnings only, so that nothing slows it that would not in production.

use std::fmt;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use test_lab::{KafkaVersion, Process, free_port, kafka};

use crate::usage::{self, Usage};

const START_LIMIT: Duration = Duration::from_secs(90);
const STOP_LIMIT: Duration = Duration::from_secs(60);
/// Between two attempts to connect to a broker that starts: the resolution of the start's time.
const PROBE_PAUSE: Duration = Duration::from_millis(1);

/// ApiVersions version 0, correlation id 7, null client id: the one request that every broker answers at once.
const API_VERSIONS: [u8; 14] = [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff];

const JAVA_FLAGS: &[&str] = &[
    "-Xms1G",
    "-Xmx1G",
    "-server",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
    "-XX:MaxInlineLevel=15",
    "-Djava.awt.headless=true",
];

const LOG4J: &str = "log4j.rootLogger=WARN, stderr\n\
    log4j.appender.stderr=org.apache.log4j.ConsoleAppender\n\
    log4j.appender.stderr.target=System.err\n\
    log4j.appender.stderr.layout=org.apache.log4j.PatternLayout\n";

/// Which broker.
#[derive(Clone, Debug)]
pub enum Kind {
    /// Ours, this binary.
    Klamm(PathBuf),
    /// Java Kafka 3.9.2.
    Java,
}

impl Kind {
    /// A word for paths and columns.
    pub fn name(&self) -> &'static str {
        match self {
            Kind::Klamm(_) => "klamm",
            Kind::Java => "java",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Klamm(_) => f.write_str("Klamm"),
            Kind::Java => f.write_str("Java 3.9.2"),
        }
    }
}

/// A running broker.
pub struct Contestant {
    process: Process,
    port: u16,
    start_time: Duration,
    /// Removed with everything in it when this is dropped, after the process.
    _dir: TempDir,
}

impl Contestant {
    /// Starts a broker on an empty directory and waits for its first answer.
    pub fn start(kind: &Kind, zookeeper: &str) -> Contestant {
        let dir = tempfile::Builder::new().prefix("klamm-bench").tempdir();
        let dir = dir.unwrap_or_else(|e| panic!("make the broker's directory: {e}"));
        let port = free_port();
        write(&dir.path().join("server.properties"), &properties(port, zookeeper, &dir.path().join("logs")));
        let mut command = command(kind, dir.path());
        let begin = Instant::now();
        let output = dir.path().join("output");
        let mut process = Process::start(kind.name(), &mut command, &output, "install a Java 17 JDK");
        while !answers(port) {
            if process.ended().is_some() || begin.elapsed() > START_LIMIT {
                panic!("{kind} did not start:\n{}", process.output_tail());
            }
            thread::sleep(PROBE_PAUSE);
        }
        Contestant { process, port, start_time: begin.elapsed(), _dir: dir }
    }

    /// From the start of the process to its first answer.
    pub fn start_time(&self) -> Duration {
        self.start_time
    }

    /// For `bootstrap.servers`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// What the process has used so far.
    pub fn usage(&self) -> Usage {
        usage::of(self.process.id())
    }

    /// Stops the broker as its operator would.
    pub fn stop(mut self) {
        self.process.terminate(STOP_LIMIT);
    }
}

fn properties(port: u16, zookeeper: &str, logs: &Path) -> String {
    format!(
        "broker.id=1\nlisteners=PLAINTEXT://127.0.0.1:{port}\nzookeeper.connect={zookeeper}\nlog.dirs={}\n\
         num.partitions=6\noffsets.topic.replication.factor=1\ntransaction.state.log.replication.factor=1\n\
         transaction.state.log.min.isr=1\ngroup.initial.rebalance.delay.ms=0\n",
        logs.display()
    )
}

fn command(kind: &Kind, dir: &Path) -> Command {
    let properties = dir.join("server.properties");
    match kind {
        Kind::Klamm(binary) => {
            let mut command = Command::new(binary);
            command.arg("server").arg(properties);
            command
        }
        Kind::Java => {
            let log4j = dir.join("log4j.properties");
            write(&log4j, LOG4J);
            let mut command = Command::new("java");
            command.args(JAVA_FLAGS).arg(format!("-Dlog4j.configuration=file:{}", log4j.display()));
            command.arg("-cp").arg(kafka(KafkaVersion::V3_9).join("*")).arg("kafka.Kafka").arg(properties);
            command
        }
    }
}

/// Whether the broker answers a request. A bound port is not enough: both bind before they serve.
fn answers(port: u16) -> bool {
    let asked = || {
        let mut stream = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).ok()?;
        stream.set_read_timeout(Some(START_LIMIT)).ok()?;
        stream.write_all(&API_VERSIONS).ok()?;
        let mut length = [0; 4];
        stream.read_exact(&mut length).ok()
    };
    asked().is_some()
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap_or_else(|e| panic!("write {}: {e}", path.display()));
}
