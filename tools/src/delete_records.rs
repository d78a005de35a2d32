//! `kafka-delete-records.sh`: deletes the records of partitions below given offsets, which stand in a file of JSON.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use zk_paths::ids::{Offset, TopicPartition};

use crate::brokers::{BOOTSTRAP_SERVER, COMMAND_CONFIG, admin, block_on};
use crate::error::ToolError;
use crate::java_exception::cause;
use crate::java_order::topic_partition_order;
use crate::options::{HELP, Options, Spec, VERSION, valued};
use crate::terminal::Terminal;

/// Its options.
pub const OPTIONS: &[Spec] = &[
    BOOTSTRAP_SERVER,
    valued(
        "offset-json-file",
        "String: file",
        "REQUIRED: the offsets, as {\"partitions\": [{\"topic\": \"foo\", \"partition\": 1, \"offset\": 1}], \"version\": 1}. \
         Offset -1 stands for the high watermark.",
    ),
    COMMAND_CONFIG,
    HELP,
    VERSION,
];

const ABOUT: &str = "This tool helps to delete records of the given partitions down to the specified offset.";
/// A file with an entry for each of a million partitions is smaller.
const MAX_FILE: u64 = 256 << 20;
/// `default.api.timeout.ms` of Java's admin client halved: what it lets the broker take for one try.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The tool.
pub fn run(arguments: &[String], terminal: &mut Terminal) -> Result<(), ToolError> {
    let options = Options::parse(OPTIONS, arguments)?;
    options.help_or_version(ABOUT)?;
    options.require("bootstrap-server")?;
    options.require("offset-json-file")?;
    let bootstrap = options.value("bootstrap-server")?.unwrap_or_default();
    let config = options.value("command-config")?;
    let file = options.value("offset-json-file")?.unwrap_or_default();
    block_on(async {
        let bytes = terminal.disk.read_all(Path::new(file), MAX_FILE);
        let bytes = bytes.map_err(|error| ToolError::Failed(format!("cannot read {file}: {error}")))?;
        let offsets = offsets(&bytes).map_err(ToolError::Failed)?;
        let admin = admin(terminal, bootstrap, "adminclient-1", config, "deleteRecords").await?;
        terminal.line("Executing records delete operation")?;
        let answers = admin.delete_records(&offsets, TIMEOUT).await?;
        terminal.line("Records delete operation completed:")?;
        let mut answers: Vec<_> = answers.into_iter().collect();
        topic_partition_order(&mut answers, |(name, _)| name);
        for (name, answer) in answers {
            match answer {
                Ok(low_watermark) => terminal.line(&format!("partition: {name}\tlow_watermark: {low_watermark}"))?,
                Err(refusal) => terminal.line(&format!("partition: {name}\terror: {}", cause(&refusal)))?,
            }
        }
        Ok(())
    })
}

/// The offset of each partition (`DeleteRecordsCommand.parseOffsetJsonStringWithoutDedup`).
fn offsets(bytes: &[u8]) -> Result<BTreeMap<TopicPartition, Offset>, String> {
    let json: Value = serde_json::from_slice(bytes).map_err(|_| "The input string is not a valid JSON".to_owned())?;
    match json.get("version") {
        None => {}
        Some(version) if version.as_i64() == Some(1) => {}
        Some(version) => return Err(format!("Not supported version field value {version}")),
    }
    let partitions = json.get("partitions").ok_or("Missing partitions field")?;
    let partitions = partitions.as_array().ok_or_else(|| format!("Expected JSON array, received {partitions}"))?;
    let (mut offsets, mut twice) = (BTreeMap::new(), Vec::new());
    for entry in partitions {
        let (name, offset) = entry_of(entry)?;
        if offsets.insert(name.clone(), offset).is_some() && !twice.contains(&name.to_string()) {
            twice.push(name.to_string());
        }
    }
    if twice.is_empty() {
        return Ok(offsets);
    }
    Err(format!("Offset json file contains duplicate topic partitions: {}", twice.join(",")))
}

fn entry_of(entry: &Value) -> Result<(TopicPartition, Offset), String> {
    let field = |name: &str| entry.get(name).ok_or_else(|| format!("No such field exists: `{name}`"));
    let wrong = |kind: &str, found: &Value| format!("Expected `{kind}` value, received {found}");
    let topic = field("topic")?;
    let topic = topic.as_str().ok_or_else(|| wrong("String", topic))?;
    let partition = field("partition")?;
    let index = partition.as_i64().and_then(|index| i32::try_from(index).ok());
    let index = index.ok_or_else(|| wrong("Integer", partition))?;
    let offset = field("offset")?;
    let before = offset.as_i64().ok_or_else(|| wrong("Long", offset))?;
    Ok((TopicPartition::new(topic, index), Offset(before)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, want: Result<&[(&str, i32, i64)], &str>) {
        let want = want.map_err(str::to_owned).map(|entries| {
            let entry =
                |(topic, index, offset): &(&str, i32, i64)| (TopicPartition::new(*topic, *index), Offset(*offset));
            entries.iter().map(entry).collect::<BTreeMap<_, _>>()
        });
        assert_eq!(offsets(json.as_bytes()), want, "{json}");
    }

    #[test]
    fn the_file_is_read_as_java_reads_it() {
        check(r#"{"partitions":[{"topic":"t","partition":1,"offset":-1}]}"#, Ok(&[("t", 1, -1)]));
        check(
            r#"{"version":1,"partitions":[{"topic":"t","partition":1,"offset":5},{"topic":"t","partition":0,"offset":9}]}"#,
            Ok(&[("t", 0, 9), ("t", 1, 5)]),
        );
        check("{", Err("The input string is not a valid JSON"));
        check("{}", Err("Missing partitions field"));
        check(r#"{"version":2,"partitions":[]}"#, Err("Not supported version field value 2"));
        check(r#"{"partitions":[{"topic":"t"}]}"#, Err("No such field exists: `partition`"));
        check(
            r#"{"partitions":[{"topic":"t","partition":"x","offset":1}]}"#,
            Err("Expected `Integer` value, received \"x\""),
        );
        check(
            r#"{"partitions":[{"topic":"t","partition":1,"offset":5},{"topic":"t","partition":1,"offset":9}]}"#,
            Err("Offset json file contains duplicate topic partitions: t-1"),
        );
    }
}
