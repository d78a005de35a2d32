//! A server that is measured: started on a directory of its own, watched through `/proc`, killed when dropped.

use std::fmt;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use test_lab::{Process, ZooKeeperVersion, free_port, zookeeper};
use world::{RealDisk, SystemClock};
use zk_server::Config;
use zk_server::system_properties::SystemProperties;

use crate::client::Client;

/// The argument that makes this program a server.
pub const SERVE: &str = "serve";

const START_LIMIT: Duration = Duration::from_secs(90);
const STOP_LIMIT: Duration = Duration::from_secs(60);
/// Between two attempts to connect to a server that starts: the resolution of the start's time.
const PROBE_PAUSE: Duration = Duration::from_millis(1);
/// Ticks per second of the times in `/proc/<pid>/stat` (USER_HZ, 100 on every Linux that we know).
const TICKS_PER_SECOND: u64 = 100;

/// Those of Kafka's `zookeeper-server-start.sh`.
const JAVA_FLAGS: &[&str] = &[
    "-Xmx512M",
    "-Xms512M",
    "-server",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
    "-XX:MaxInlineLevel=15",
    "-Djava.awt.headless=true",
];

const LOGBACK: &str = "<configuration><appender name=\"E\" class=\"ch.qos.logback.core.ConsoleAppender\">\
    <target>System.err</target><encoder><pattern>[%d] %p %m (%c)%n</pattern></encoder></appender>\
    <root level=\"WARN\"><appender-ref ref=\"E\"/></root></configuration>\n";

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `zk_server`.
    Ours,
    /// Apache ZooKeeper 3.8.4.
    Apache,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Ours => "zk_server",
            Kind::Apache => "Apache 3.8.4",
        })
    }
}

/// What a process has used.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// User and system time of all threads.
    pub cpu: Duration,
    /// Resident memory right now (VmRSS), bytes.
    pub resident_bytes: u64,
}

/// A running server.
pub struct Contestant {
    kind: Kind,
    process: Process,
    port: u16,
    start_time: Duration,
    /// Removed with everything in it when this is dropped, after the process.
    dir: TempDir,
}

impl Contestant {
    /// Starts a server on an empty directory and waits for its first session.
    pub fn start(kind: Kind) -> Contestant {
        let dir = tempfile::Builder::new().prefix("klamm-bench-zookeeper").tempdir().unwrap();
        let port = free_port();
        let properties = format!(
            "dataDir={}\nclientPort={port}\nclientPortAddress=127.0.0.1\nmaxClientCnxns=0\nadmin.enableServer=false\n",
            dir.path().join("data").display()
        );
        fs::write(dir.path().join("zk.cfg"), properties).unwrap();
        fs::write(dir.path().join("logback.xml"), LOGBACK).unwrap();
        let (process, start_time) = spawn(kind, port, dir.path());
        Contestant { kind, process, port, start_time, dir }
    }

    /// Stops it and starts it again on the same directory.
    pub fn restart(self) -> Contestant {
        let Contestant { kind, mut process, port, dir, .. } = self;
        process.terminate(STOP_LIMIT);
        let (process, start_time) = spawn(kind, port, dir.path());
        Contestant { kind, process, port, start_time, dir }
    }

    /// From the start of the process to its first session.
    pub fn start_time(&self) -> Duration {
        self.start_time
    }

    /// A new session.
    pub fn client(&self) -> Client {
        Client::connect(self.port).unwrap_or_else(|| panic!("no session:\n{}", self.process.output_tail()))
    }

    /// What the process has used so far.
    pub fn usage(&self) -> Usage {
        let read = |name: &str| fs::read_to_string(format!("/proc/{}/{name}", self.process.id())).unwrap();
        Usage { cpu: cpu(&read("stat")).unwrap(), resident_bytes: resident(&read("status")).unwrap() }
    }
}

fn spawn(kind: Kind, port: u16, dir: &Path) -> (Process, Duration) {
    let mut command = match kind {
        Kind::Ours => {
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.arg(SERVE);
            command
        }
        Kind::Apache => {
            let mut command = Command::new("java");
            command.args(JAVA_FLAGS).arg(format!("-Dlogback.configurationFile={}", dir.join("logback.xml").display()));
            command.arg("-cp").arg(zookeeper(ZooKeeperVersion::V3_8).join("*"));
            command.arg("org.apache.zookeeper.server.quorum.QuorumPeerMain");
            command
        }
    };
    command.arg(dir.join("zk.cfg"));
    let begin = Instant::now();
    let mut process = Process::start(&kind.to_string(), &mut command, &dir.join("output"), "install a Java 17 JDK");
    while Client::connect(port).is_none() {
        if process.ended().is_some() || begin.elapsed() > START_LIMIT {
            panic!("{kind} did not start:\n{}", process.output_tail());
        }
        thread::sleep(PROBE_PAUSE);
    }
    (process, begin.elapsed())
}

/// The fields utime and stime, 14 and 15 of the line; the second field, a name in parentheses, may hold anything.
fn cpu(stat: &str) -> Option<Duration> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11).map(str::parse::<u64>);
    let ticks = fields.next()?.ok()? + fields.next()?.ok()?;
    Some(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
}

fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

/// Ours, until it is asked to stop.
pub fn serve(properties: &str) -> ExitCode {
    let config = Config::from_properties(&fs::read(properties).unwrap(), &SystemProperties::new()).unwrap();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let mut stop = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).unwrap();
        let server = zk_server::start(config, Arc::new(RealDisk), Arc::new(SystemClock::new())).await.unwrap();
        tokio::select! {
            reason = server.failed() => panic!("{reason}"),
            _ = stop.recv() => server.stop().await,
        }
    });
    ExitCode::SUCCESS
}
