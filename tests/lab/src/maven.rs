//! Java's side from the Maven registry: Kafka's and ZooKeeper's jars, and the message definitions inside kafka-clients.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cache;
use crate::process::run_to_end;

/// The Java Kafka releases that tests run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KafkaVersion {
    /// 3.9.2, our reference.
    V3_9,
    /// 2.4.1, the oldest whose tools must work.
    V2_4,
}

/// Releases of which only the broker is run, to open what it wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OldKafka {
    /// 0.10.2.2: record format 1.
    V0_10,
    /// 1.1.1
    V1_1,
    /// 2.8.2
    V2_8,
}

/// The ZooKeeper server releases that a broker must work with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ZooKeeperVersion {
    /// 3.4.14
    V3_4,
    /// 3.5.10
    V3_5,
    /// 3.8.4, the one that comes with Kafka 3.9.
    V3_8,
    /// 3.9.4
    V3_9,
}

impl ZooKeeperVersion {
    /// Every version, oldest first.
    pub const ALL: [ZooKeeperVersion; 4] = [Self::V3_4, Self::V3_5, Self::V3_8, Self::V3_9];
}

const KAFKA_3_9: &[&str] = &[
    "org.apache.kafka:kafka_2.13:3.9.2",
    "org.apache.kafka:kafka-tools:3.9.2",
    // ZooKeeper's server inside Kafka's jars needs these two and does not bring them.
    "io.dropwizard.metrics:metrics-core:4.1.12.1",
    "org.xerial.snappy:snappy-java:1.1.10.5",
];
const KAFKA_2_4: &[&str] = &["org.apache.kafka:kafka_2.12:2.4.1", "org.slf4j:slf4j-simple:1.7.30"];

const JUNIT: &[&str] = &["org.junit.jupiter:junit-jupiter:5.11.4", "org.junit.platform:junit-platform-launcher:1.11.4"];

/// The directory of a Kafka release's jars, for a class path that ends in `/*`: broker, tools and clients.
pub fn kafka(version: KafkaVersion) -> PathBuf {
    match version {
        KafkaVersion::V3_9 => jars("kafka-3.9.2", KAFKA_3_9),
        KafkaVersion::V2_4 => jars("kafka-2.4.1", KAFKA_2_4),
    }
}

/// The same of a release of which only the broker is run.
pub fn old_kafka(version: OldKafka) -> PathBuf {
    match version {
        // It asks for a part of Java that went after 8.
        OldKafka::V0_10 => {
            jars("kafka-0.10.2.2", &["org.apache.kafka:kafka_2.12:0.10.2.2", "javax.xml.bind:jaxb-api:2.3.1"])
        }
        OldKafka::V1_1 => jars("kafka-1.1.1", &["org.apache.kafka:kafka_2.12:1.1.1", "org.slf4j:slf4j-simple:1.7.25"]),
        OldKafka::V2_8 => jars("kafka-2.8.2", &["org.apache.kafka:kafka_2.12:2.8.2", "org.slf4j:slf4j-simple:1.7.30"]),
    }
}

/// The jar of kafka-clients 3.9.2.
pub fn kafka_clients_jar() -> PathBuf {
    kafka(KafkaVersion::V3_9).join("kafka-clients-3.9.2.jar")
}

/// Name and text of every message definition (`common/message/*.json`) in the kafka-clients 3.9.2 jar, by name.
pub fn kafka_message_definitions() -> Vec<(String, String)> {
    let dir = cache::entry("kafka-clients-3.9.2-messages", |dir| {
        let mut unpack = Command::new("jar");
        unpack.current_dir(dir).arg("xf").arg(kafka_clients_jar()).arg("common/message");
        run_to_end(&mut unpack, INSTALL_JAVA);
    });
    let dir = dir.join("common/message");
    let listed = fs::read_dir(&dir).unwrap_or_else(|e| panic!("list {}: {e}", dir.display()));
    let paths = listed.map(|found| found.unwrap_or_else(|e| panic!("list {}: {e}", dir.display())).path());
    let named: BTreeMap<String, String> = paths.map(|path| (file_name(&path), read(&path))).collect();
    named.into_iter().collect()
}

/// The directory of a ZooKeeper server's jars.
pub fn zookeeper(version: ZooKeeperVersion) -> PathBuf {
    // From 3.6 on the server's own metrics want these two, which its pom marks as provided.
    const EXTRA: [&str; 2] = ["io.dropwizard.metrics:metrics-core:4.1.12.1", "org.xerial.snappy:snappy-java:1.1.10.5"];
    match version {
        ZooKeeperVersion::V3_4 => jars("zookeeper-3.4.14", &["org.apache.zookeeper:zookeeper:3.4.14"]),
        ZooKeeperVersion::V3_5 => jars("zookeeper-3.5.10", &["org.apache.zookeeper:zookeeper:3.5.10"]),
        ZooKeeperVersion::V3_8 => {
            jars("zookeeper-3.8.4", &["org.apache.zookeeper:zookeeper:3.8.4", EXTRA[0], EXTRA[1]])
        }
        ZooKeeperVersion::V3_9 => {
            jars("zookeeper-3.9.4", &["org.apache.zookeeper:zookeeper:3.9.4", EXTRA[0], EXTRA[1]])
        }
    }
}

/// JUnit 5 with its launcher.
pub(crate) fn junit() -> PathBuf {
    jars("junit-5", JUNIT)
}

/// What is missing when a JDK's command is.
pub(crate) const INSTALL_JAVA: &str = "install a Java 17 JDK (java, javac and jar on the PATH)";
const INSTALL_MAVEN: &str = "install Maven (mvn on the PATH)";

/// The jars of `artifacts` (`group:artifact:version`) and of all they need.
pub(crate) fn jars(name: &str, artifacts: &[&str]) -> PathBuf {
    let pom = pom(artifacts);
    let entry = format!("{name}-{}", cache::fingerprint(&[&pom]));
    let dir = cache::entry(&entry, |dir| {
        fs::write(dir.join("pom.xml"), &pom).unwrap_or_else(|e| panic!("write a pom in {}: {e}", dir.display()));
        let mut mvn = Command::new("mvn");
        mvn.current_dir(dir).args(["-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=lib"]);
        run_to_end(&mut mvn, INSTALL_MAVEN);
    });
    dir.join("lib")
}

fn pom(artifacts: &[&str]) -> String {
    let dependency = |artifact: &&str| match artifact.split(':').collect::<Vec<_>>()[..] {
        [group, name, version] => format!(
            "<dependency><groupId>{group}</groupId><artifactId>{name}</artifactId><version>{version}</version></dependency>\n"
        ),
        _ => panic!("not group:artifact:version: {artifact}"),
    };
    let dependencies: String = artifacts.iter().map(dependency).collect();
    format!(
        "<project xmlns=\"http://maven.apache.org/POM/4.0.0\"><modelVersion>4.0.0</modelVersion>\n\
         <groupId>klamm.tests</groupId><artifactId>jars</artifactId><version>1</version><packaging>pom</packaging>\n\
         <dependencies>\n{dependencies}</dependencies></project>\n"
    )
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("read {}: {e}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_definitions_are_those_of_kafka_3_9() {
        let definitions = kafka_message_definitions();
        let produce = definitions.iter().find(|(name, _)| name == "ProduceRequest.json");
        let (_, text) = produce.expect("ProduceRequest.json");
        assert!(text.contains("\"apiKey\": 0"), "{text}");
        assert!(definitions.len() > 150, "{}", definitions.len());
    }

    #[test]
    fn each_release_brings_its_main_jar() {
        let cases = [
            (kafka(KafkaVersion::V3_9), "kafka_2.13-3.9.2.jar"),
            (kafka(KafkaVersion::V2_4), "kafka_2.12-2.4.1.jar"),
            (zookeeper(ZooKeeperVersion::V3_4), "zookeeper-3.4.14.jar"),
            (zookeeper(ZooKeeperVersion::V3_5), "zookeeper-3.5.10.jar"),
            (zookeeper(ZooKeeperVersion::V3_8), "zookeeper-3.8.4.jar"),
            (zookeeper(ZooKeeperVersion::V3_9), "zookeeper-3.9.4.jar"),
        ];
        for (dir, jar) in cases {
            assert!(dir.join(jar).is_file(), "{jar} in {}", dir.display());
        }
    }
}
