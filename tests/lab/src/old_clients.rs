//! Java clients from before Kafka asked brokers for their versions: 0.9 and 0.10.0, each in a JVM of its own, because their
//! classes have the names of the newer ones.

use std::fs;
use std::process::Command;
use std::time::Duration;

use crate::cache;
use crate::maven::{INSTALL_JAVA, jars};
use crate::process::{Output, run, run_to_end};

/// Releases of old clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OldClient {
    /// 0.9.0.1: Produce v1, Fetch v1, records of format 0.
    V0_9,
    /// 0.10.0.1: Produce v2, Fetch v2, records of format 1.
    V0_10,
}

const SOURCE: &str = include_str!("../../java/old/OldClient.java");
const LIMIT: Duration = Duration::from_secs(120);

impl OldClient {
    /// Both, older first.
    pub const ALL: [OldClient; 2] = [OldClient::V0_9, OldClient::V0_10];

    fn version(self) -> &'static str {
        match self {
            OldClient::V0_9 => "0.9.0.1",
            OldClient::V0_10 => "0.10.0.1",
        }
    }

    /// Runs `tests/java/old/OldClient.java` with this release: what to do stands there.
    pub fn run(self, bootstrap_servers: &str, what: &[&str]) -> Output {
        let version = self.version();
        let kafka = format!("org.apache.kafka:kafka-clients:{version}");
        // The snappy of that age has no library for every processor of today.
        let jars = jars(
            &format!("kafka-clients-{version}"),
            &[&kafka, "org.slf4j:slf4j-nop:1.7.30", "org.xerial.snappy:snappy-java:1.1.10.5"],
        );
        let classes = cache::entry(&format!("old-client-{version}-{}", cache::fingerprint(&[SOURCE])), |dir| {
            let file = dir.join("OldClient.java");
            fs::write(&file, SOURCE).unwrap_or_else(|e| panic!("write {}: {e}", file.display()));
            let mut javac = Command::new("javac");
            javac.current_dir(dir).args(["--release", "17", "-d", ".", "-cp", &format!("{}/*", jars.display())]);
            run_to_end(javac.arg("OldClient.java"), INSTALL_JAVA);
        });
        let mut java = Command::new("java");
        java.args(["-Xmx128M", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dfile.encoding=UTF-8", "-cp"])
            .arg(format!("{}:{}/*", classes.display(), jars.display()))
            .args(["OldClient", bootstrap_servers])
            .args(what);
        run(&mut java, LIMIT, INSTALL_JAVA)
    }
}
