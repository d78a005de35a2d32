//! An Apache ZooKeeper server of a given release, alone on a port of 127.0.0.1.

use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::maven::INSTALL_JAVA;
use crate::{Process, ZooKeeperVersion, free_port, wait};

/// A standalone server whose data lives until this is dropped, through any number of stops and starts.
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
        let mut zookeeper = ZooKeeper { version, port, dir, java_options, process: None };
        zookeeper.restart();
        zookeeper
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

    /// Starts the server again, on the same data and port; stops it first if it runs.
    pub fn restart(&mut self) {
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
        let mut process = Process::start(&name, &mut java, &self.dir.path().join("output"), INSTALL_JAVA);
        process.ready_within(START_LIMIT, || serves(self.port));
        self.process = Some(process);
    }

    /// The process, while it runs.
    pub fn process(&mut self) -> Option<&mut Process> {
        self.process.as_mut()
    }
}

/// Whether the server on `port` answers the four letter word `srvr` as one that serves.
fn serves(port: u16) -> bool {
    let asked = || {
        let mut stream = wait::connect(port)?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        stream.write_all(b"srvr").ok()?;
        stream.shutdown(Shutdown::Write).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer.contains("Mode: standalone"))
    };
    asked() == Some(true)
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
        assert!(serves(zookeeper.port()));
        zookeeper.kill();
        assert!(!serves(zookeeper.port()));
        zookeeper.restart();
        assert!(serves(zookeeper.port()));
    }
}
