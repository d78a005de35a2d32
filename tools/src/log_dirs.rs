//! `kafka-log-dirs.sh`: what lies in the log directories of brokers, as one line of JSON. The order of keys is that of
//! Java's maps.

use std::collections::{BTreeMap, BTreeSet};

use client::admin::{LogDir, ReplicaInDir};
use zk_paths::ids::{BrokerId, TopicPartition};

use crate::brokers::{BOOTSTRAP_SERVER, COMMAND_CONFIG, admin, block_on};
use crate::error::ToolError;
use crate::java_exception::class_name;
use crate::java_order::{hash_map_order, topic_partition_order};
use crate::options::{HELP, Options, Spec, VERSION, flag, valued};
use crate::terminal::Terminal;

/// Its options.
pub const OPTIONS: &[Spec] = &[
    BOOTSTRAP_SERVER,
    COMMAND_CONFIG,
    flag("describe", "Describe the log directories of the brokers."),
    valued("topic-list", "String: topic1,topic2", "Only replicas of these topics. All when missing."),
    valued("broker-list", "String: 0,1,2", "Only these brokers. All when missing."),
    HELP,
    VERSION,
];

const ABOUT: &str = "This tool helps to query log directory usage on the specified brokers.";

/// The tool.
pub fn run(arguments: &[String], terminal: &mut Terminal) -> Result<(), ToolError> {
    let options = Options::parse(OPTIONS, arguments)?;
    options.help_or_version(ABOUT)?;
    options.require("bootstrap-server")?;
    options.require("describe")?;
    let bootstrap = options.value("bootstrap-server")?.unwrap_or_default();
    let config = options.value("command-config")?;
    let topics: BTreeSet<&str> = listed(options.value("topic-list")?).collect();
    let wanted = broker_ids(options.value("broker-list")?)?;
    block_on(async {
        let admin = admin(terminal, bootstrap, "log-dirs-tool", config, "describeCluster").await?;
        let live: BTreeSet<i32> =
            admin.describe_cluster().await?.brokers.into_iter().map(|broker| broker.id.0).collect();
        let missing: BTreeSet<i32> = wanted.difference(&live).copied().collect();
        if !missing.is_empty() {
            return Err(ToolError::Failed(format!(
                "ERROR: The given brokers do not exist from --broker-list: {}. Current existent brokers: {}",
                commas(&missing),
                commas(&live)
            )));
        }
        let asked = if wanted.is_empty() { live } else { wanted };
        terminal.line("Querying brokers for log directories information")?;
        let mut found = BTreeMap::new();
        for id in &asked {
            found.insert(*id, admin.describe_log_dirs(BrokerId(*id)).await?);
        }
        terminal.line(&format!("Received log directory information from brokers {}", commas(&asked)))?;
        terminal.line(&json(found, &topics))
    })
}

fn listed(list: Option<&str>) -> impl Iterator<Item = &str> {
    list.unwrap_or_default().split(',').filter(|each| !each.is_empty())
}

fn broker_ids(list: Option<&str>) -> Result<BTreeSet<i32>, ToolError> {
    let id = |text: &str| text.parse().map_err(|_| ToolError::Failed(format!("For input string: \"{text}\"")));
    listed(list).map(id).collect()
}

fn commas(ids: &BTreeSet<i32>) -> String {
    ids.iter().map(i32::to_string).collect::<Vec<_>>().join(",")
}

fn json(found: BTreeMap<i32, Vec<LogDir>>, topics: &BTreeSet<&str>) -> String {
    let brokers: Vec<String> = found
        .into_iter()
        .map(|(id, mut dirs)| {
            hash_map_order(&mut dirs, None, |dir| &dir.path);
            let dirs: Vec<String> = dirs.iter().map(|dir| log_dir(dir, topics)).collect();
            object(&mut [("broker", id.to_string()), ("logDirs", array(&dirs))])
        })
        .collect();
    object(&mut [("version", "1".to_owned()), ("brokers", array(&brokers))])
}

fn log_dir(dir: &LogDir, topics: &BTreeSet<&str>) -> String {
    let error = dir.error.map_or("null".to_owned(), |error| text(&class_name(error)));
    let wanted = dir.replicas.iter().filter(|(name, _)| topics.is_empty() || topics.contains(&*name.topic));
    let mut wanted: Vec<(&TopicPartition, &ReplicaInDir)> = wanted.collect();
    topic_partition_order(&mut wanted, |(name, _)| name);
    let replicas: Vec<String> = wanted.into_iter().map(|(name, replica)| replica_json(name, replica)).collect();
    object(&mut [("logDir", text(&dir.path)), ("error", error), ("partitions", array(&replicas))])
}

fn replica_json(name: &TopicPartition, replica: &ReplicaInDir) -> String {
    object(&mut [
        ("partition", text(&name.to_string())),
        ("size", replica.size.to_string()),
        ("offsetLag", replica.offset_lag.to_string()),
        ("isFuture", replica.is_future.to_string()),
    ])
}

fn object(entries: &mut [(&'static str, String)]) -> String {
    hash_map_order(entries, None, |(key, _)| key);
    let entries: Vec<String> = entries.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
    format!("{{{}}}", entries.join(","))
}

fn array(elements: &[String]) -> String {
    format!("[{}]", elements.join(","))
}

fn text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use wire::ErrorCode;

    use super::*;
    use crate::terminal::testing::terminal;

    /// Printed by kafka-log-dirs.sh 3.9.2.
    #[test]
    fn the_line_is_javas() {
        let replica = ReplicaInDir { size: 75, offset_lag: 0, is_future: false };
        let future = ReplicaInDir { size: 0, offset_lag: 3, is_future: true };
        let dir = |path: &str, error, replicas: &[(&str, ReplicaInDir)]| LogDir {
            path: path.into(),
            error,
            total_bytes: None,
            usable_bytes: None,
            replicas: replicas.iter().map(|(topic, replica)| (TopicPartition::new(*topic, 0), *replica)).collect(),
        };
        let dirs =
            vec![dir("/a", None, &[("t", replica), ("u", future)]), dir("/b", Some(ErrorCode::KafkaStorageError), &[])];
        let line = json(BTreeMap::from([(1, dirs)]), &BTreeSet::from(["t"]));
        let expected = r#"{"brokers":[{"broker":1,"logDirs":[{"partitions":[{"partition":"t-0","offsetLag":0,"size":75,"isFuture":false}],"error":null,"logDir":"/a"},{"partitions":[],"error":"org.apache.kafka.common.errors.KafkaStorageException","logDir":"/b"}]}],"version":1}"#;
        let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(parse(&line), parse(expected));
    }

    #[test]
    fn wrong_options_are_told() {
        for (arguments, want) in [
            ("--describe", "Missing required argument \"[bootstrap-server]\""),
            ("--bootstrap-server a:1", "Missing required argument \"[describe]\""),
            ("--bootstrap-server a:1 --describe --broker-list 1,x", "For input string: \"x\""),
        ] {
            let arguments: Vec<String> = arguments.split_whitespace().map(str::to_owned).collect();
            let (mut terminal, _, err) = terminal("");
            let status = crate::finish(run(&arguments, &mut terminal), crate::find("log-dirs"), &mut terminal);
            assert_eq!((err.take().lines().next().unwrap_or_default(), status), (want, 1), "{arguments:?}");
        }
    }
}
