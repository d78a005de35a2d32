//! Apache ZooKeeper of a given release on ports of 127.0.0.1: a server alone, or an ensemble.

use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::maven::INSTALL_JAVA;
use crate::{Process, ZooKeeperVersion, free_port, wait};

/// A server whose data lives until this is dropped, through any number of stops and starts.
#[derive(Debug)]
pub struct ZooKeeper {
    version: ZooKeeperVersion,
    port: u16,
    dir: TempDir,
    java_options: Vec<String>,
    process: Option<Process>,
}

const START_LIMIT: Duration = Duration::from_secs(60);
const STOP_LIMIT: Duration = Duration::from_secs(20);

impl ZooKeeper {
    /// Starts a server with empty data and waits until it serves.
    pub fn start(version: ZooKeeperVersion) -> ZooKeeper {
        ZooKeeper::start_with(version, "", &[])
    }

    /// The same with more lines of configuration and options of the JVM.
    pub fn start_with(version: ZooKeeperVersion, settings: &str, java_options: &[&str]) -> ZooKeeper {
        let mut zookeeper = ZooKeeper::prepare(version, settings, java_options);
        zookeeper.restart();
        zookeeper
    }

    /// Starts an ensemble of `size` servers with empty data and waits until all of them serve.
    pub fn start_ensemble(version: ZooKeeperVersion, size: usize) -> Vec<ZooKeeper> {
        let servers = (1..=size).map(|id| format!("server.{id}=127.0.0.1:{}:{}\n", free_port(), free_port()));
        let settings = format!("initLimit=20\nsyncLimit=10\n{}", servers.collect::<String>());
        let mut ensemble: Vec<ZooKeeper> = (1..=size)
            .map(|id| {
                let server = ZooKeeper::prepare(version, &settings, &[]);
                let data = server.dir.path().join("data");
                fs::create_dir(&data).unwrap_or_else(|e| panic!("make {}: {e}", data.display()));
                write(&data.join("myid"), &id.to_string());
                server
            })
            .collect();
        // None of them serves before the others run.
        ensemble.iter_mut().for_each(ZooKeeper::launch);
        ensemble.iter_mut().for_each(ZooKeeper::wait_until_it_serves);
        ensemble
    }

    fn prepare(version: ZooKeeperVersion, settings: &str, java_options: &[&str]) -> ZooKeeper {
        let dir = tempfile::Builder::new().prefix("klamm-zookeeper").tempdir();
        let dir = dir.unwrap_or_else(|e| panic!("make ZooKeeper's directory: {e}"));
        let port = free_port();
        // A tick of 500 ms lets sessions of 1 s to 10 s be asked for, so that a test need not wait long for an expiry.
        let properties = format!(
            "tickTime=500\ndataDir={}\nclientPort={port}\nclientPortAddress=127.0.0.1\nmaxClientCnxns=0\n\
             minSessionTimeout=1000\nmaxSessionTimeout=60000\nadmin.enableServer=false\n4lw.commands.whitelist=*\n\
             {settings}\n",
            dir.path().join("data").display()
        );
        write(&dir.path().join("zk.cfg"), &properties);
        write(&dir.path().join("log4j.properties"), LOG4J);
        write(&dir.path().join("logback.xml"), LOGBACK);
        let java_options = java_options.iter().map(ToString::to_string).collect();
        ZooKeeper { version, port, dir, java_options, process: None }
    }

    /// The client port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `127.0.0.1:port`, for `zookeeper.connect`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Stops the server with SIGTERM. Its data stays for [`ZooKeeper::restart`].
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.terminate(STOP_LIMIT);
        }
    }

    /// Kills the server with SIGKILL. Its data stays for [`ZooKeeper::restart`].
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    /// Starts the server again, on the same data and port, and waits until it serves; stops it first if it runs.
    pub fn restart(&mut self) {
        self.launch();
        self.wait_until_it_serves();
    }

    /// Starts the server again without waiting for it: in an ensemble it may need others first.
    pub fn launch(&mut self) {
        self.stop();
        let mut java = Command::new("java");
        java.args(["-Xmx128M", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"])
            .arg(format!("-Dlog4j.configuration=file:{}", self.dir.path().join("log4j.properties").display()))
            .arg(format!("-Dlogback.configurationFile={}", self.dir.path().join("logback.xml").display()))
            .args(&self.java_options)
            .arg("-cp")
            .arg(crate::zookeeper(self.version).join("*"))
            .arg("org.apache.zookeeper.server.quorum.QuorumPeerMain")
            .arg(self.dir.path().join("zk.cfg"));
        let name = format!("ZooKeeper {:?}", self.version);
        self.process = Some(Process::start(&name, &mut java, &self.dir.path().join("output"), INSTALL_JAVA));
    }

    /// Waits until a server that was launched serves.
    pub fn wait_until_it_serves(&mut self) {
        if let Some(process) = &mut self.process {
            process.ready_within(START_LIMIT, || mode(self.port).is_some());
        }
    }

    /// Whether it leads its ensemble right now.
    pub fn leads(&self) -> bool {
        mode(self.port).as_deref() == Some("leader")
    }

    /// Whether a standalone server, Apache's or ours, serves on `port`.
    pub fn serves(port: u16) -> bool {
        mode(port).as_deref() == Some("standalone")
    }

    /// The process, while it runs.
    pub fn process(&mut self) -> Option<&mut Process> {
        self.process.as_mut()
    }
}

/// What the server on `port` is (`standalone`, `leader`, `follower`), by the four letter word `srvr`; nothing while it does
/// not serve.
fn mode(port: u16) -> Option<String> {
    let mut stream = wait::connect(port)?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    stream.write_all(b"srvr").ok()?;
    stream.shutdown(Shutdown::Write).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.lines().find_map(|line| line.strip_prefix("Mode: ")).map(str::to_owned)
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap_or_else(|e| panic!("write {}: {e}", path.display()));
}

/// Warnings to standard error, for releases up to 3.5.
pub(crate) const LOG4J: &str = "log4j.rootLogger=WARN, stderr\n\
    log4j.appender.stderr=org.apache.log4j.ConsoleAppender\n\
    log4j.appender.stderr.target=System.err\n\
    log4j.appender.stderr.layout=org.apache.log4j.PatternLayout\n\
    log4j.appender.stderr.layout.ConversionPattern=[%d] %p %m (%c)%n\n";

/// The same for later releases.
pub(crate) const LOGBACK: &str = "<configuration><appender name=\"E\" class=\"ch.qos.logback.core.ConsoleAppender\">\
    <target>System.err</target><encoder><pattern>[%d] %p %m (%c)%n</pattern></encoder></appender>\
    <root level=\"WARN\"><appender-ref ref=\"E\"/></root></configuration>\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_comes_back_after_a_kill() {
        let mut zookeeper = ZooKeeper::start(ZooKeeperVersion::V3_8);
        assert_eq!(mode(zookeeper.port()).as_deref(), Some("standalone"));
        zookeeper.kill();
        assert_eq!(mode(zookeeper.port()), None);
        zookeeper.restart();
        assert_eq!(mode(zookeeper.port()).as_deref(), Some("standalone"));
    }
}
