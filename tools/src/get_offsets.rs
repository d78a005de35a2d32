//! `kafka-get-offsets.sh`: offsets of partitions by position or time.

mod filter;

use std::collections::BTreeMap;

use client::admin::{Isolation, ListedOffset, OffsetSpec};
use client::{Admin, ClientError, Refusal};
use zk_paths::ids::{Offset, TopicPartition};

use crate::brokers::{COMMAND_CONFIG, admin, block_on, check_bootstrap, said};
use crate::error::ToolError;
use crate::options::{HELP, Options, Spec, VERSION, flag, valued};
use crate::terminal::Terminal;
use filter::PartitionFilter;

/// Its options.
pub const OPTIONS: &[Spec] = &[
    valued("bootstrap-server", "String: host:port,...", "REQUIRED: brokers to find the cluster with."),
    valued("broker-list", "String: host:port,...", "DEPRECATED: use --bootstrap-server, which wins."),
    valued(
        "topic-partitions",
        "String: t:1,u:0-3,v:5-,w",
        "Topics by regular expression, each with a partition or a range of them (the upper end excluded).",
    ),
    valued("topic", "String: topic", "Regular expression for topics. All when missing."),
    valued("partitions", "String: 0,1,...", "Partitions of these topics. All when missing."),
    valued(
        "time",
        "String: timestamp or name",
        "latest (-1, the default), earliest (-2), max-timestamp (-3), earliest-local (-4), latest-tiered (-5), or \
         milliseconds since 1970.",
    ),
    COMMAND_CONFIG,
    flag("exclude-internal-topics", "Leave Kafka's own topics out."),
    HELP,
    VERSION,
];

const ABOUT: &str = "An interactive shell for getting topic-partition offsets.";

/// The tool.
pub fn run(arguments: &[String], terminal: &mut Terminal) -> Result<(), ToolError> {
    execute(arguments, terminal).map_err(|error| match error {
        ToolError::Failed(_) | ToolError::NoClient(_) | ToolError::Option(_) => {
            ToolError::Failed(format!("Error occurred: {error}"))
        }
        other => other,
    })
}

fn execute(arguments: &[String], terminal: &mut Terminal) -> Result<(), ToolError> {
    if arguments.is_empty() {
        return Err(ToolError::Usage(ABOUT.to_owned()));
    }
    let options = Options::parse(OPTIONS, arguments)?;
    options.require_unless("bootstrap-server", "broker-list")?;
    options.help_or_version(ABOUT)?;
    let servers = if options.has("bootstrap-server") { "bootstrap-server" } else { "broker-list" };
    let bootstrap = options.value(servers)?.unwrap_or_default();
    check_bootstrap(bootstrap)?;
    if options.has("topic-partitions") && (options.has("topic") || options.has("partitions")) {
        return Err(failed("--topic-partitions cannot be used with --topic or --partitions"));
    }
    let spec = offset_spec(options.value("time")?.unwrap_or("latest"))?;
    let filter = match options.value("topic-partitions")? {
        Some(rules) => PartitionFilter::of_rules(rules)?,
        None => PartitionFilter::of_options(options.value("topic")?, options.value("partitions")?)?,
    };
    block_on(async {
        let admin =
            admin(terminal, bootstrap, "GetOffsetShell", options.value("command-config")?, "listTopics").await?;
        let partitions = matching(&admin, &filter, options.has("exclude-internal-topics")).await?;
        if partitions.is_empty() {
            return Err(failed("Could not match any topic-partitions with the specified filters"));
        }
        let wanted: BTreeMap<_, _> = partitions.into_iter().map(|partition| (partition, spec)).collect();
        match admin.list_offsets(&wanted, Isolation::ReadUncommitted).await {
            Ok(found) => print(found, terminal),
            // A broker too old for the question; Kafka passes over each of its partitions.
            Err(error @ ClientError::Unsupported { .. }) => {
                for partition in wanted.keys() {
                    terminal.warn(&skipped(&name(partition), &said(&error)));
                }
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    })
}

fn failed(text: &str) -> ToolError {
    ToolError::Failed(text.to_owned())
}

async fn matching(
    admin: &Admin,
    filter: &PartitionFilter,
    exclude_internal: bool,
) -> Result<Vec<TopicPartition>, ToolError> {
    let mut partitions = Vec::new();
    for topic in admin.list_topics().await? {
        if exclude_internal && topic.internal {
            continue;
        }
        for partition in &topic.partitions {
            if filter.allows(&topic.name, partition.partition) {
                partitions.push(TopicPartition::new(topic.name.as_str(), partition.partition));
            }
        }
    }
    Ok(partitions)
}

/// Prints them in the order of `topic-partition` as text, as Kafka does: 10 comes before 2.
fn print(
    found: BTreeMap<TopicPartition, Result<ListedOffset, Refusal>>,
    terminal: &mut Terminal,
) -> Result<(), ToolError> {
    let mut sorted: Vec<_> =
        found.into_iter().map(|(partition, outcome)| (name(&partition), partition, outcome)).collect();
    sorted.sort_by(|one, other| one.0.cmp(&other.0));
    for (name, partition, outcome) in sorted {
        match outcome {
            Ok(listed) if listed.offset == Offset::NONE => {}
            Ok(listed) => terminal.line(&format!("{}:{}:{}", partition.topic, partition.partition, listed.offset))?,
            Err(refusal) => terminal.warn(&skipped(&name, &refusal.to_string())),
        }
    }
    Ok(())
}

fn skipped(partition: &str, why: &str) -> String {
    format!("Skip getting offsets for topic-partition {partition} due to error: {why}")
}

fn name(partition: &TopicPartition) -> String {
    format!("{}-{}", partition.topic, partition.partition)
}

fn offset_spec(text: &str) -> Result<OffsetSpec, ToolError> {
    match text {
        "latest" | "-1" => Ok(OffsetSpec::Latest),
        "earliest" | "-2" => Ok(OffsetSpec::Earliest),
        "max-timestamp" | "-3" => Ok(OffsetSpec::MaxTimestamp),
        "earliest-local" | "-4" => Ok(OffsetSpec::EarliestLocal),
        "latest-tiered" | "-5" => Ok(OffsetSpec::LatestTiered),
        other => other.parse().map(OffsetSpec::Timestamp).map_err(|_| {
            failed(&format!(
                "Malformed time argument {other}. Please use -1 or latest / -2 or earliest / -3 or max-timestamp / -4 \
                 or earliest-local / -5 or latest-tiered, or a specified long format timestamp"
            ))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::testing::terminal;

    /// The tool with these arguments: the first line of what it complains about.
    fn check(arguments: &str, want: &str) {
        let arguments: Vec<String> = arguments.split_whitespace().map(str::to_owned).collect();
        let (mut terminal, _, err) = terminal("");
        let status = crate::finish(run(&arguments, &mut terminal), crate::find("get-offsets"), &mut terminal);
        assert_eq!((err.take().lines().next().unwrap_or_default(), status), (want, 1), "{arguments:?}");
    }

    #[test]
    fn wrong_options_are_told_as_java_tells_them() {
        check("", ABOUT);
        check("--frob", "Error occurred: frob is not a recognized option");
        check("--topic x", "Error occurred: Missing required option(s) [bootstrap-server]");
        check("--bootstrap-server foo", "Please provide valid host:port like host1:9091,host2:9092");
        check(
            "--bootstrap-server a:1 --time foo",
            "Error occurred: Malformed time argument foo. Please use -1 or latest / -2 or earliest / -3 or \
             max-timestamp / -4 or earliest-local / -5 or latest-tiered, or a specified long format timestamp",
        );
        check(
            "--broker-list a:1 --topic-partitions t --topic x",
            "Error occurred: --topic-partitions cannot be used with --topic or --partitions",
        );
    }

    #[test]
    fn offsets_come_in_the_order_of_their_names_as_text() {
        let listed = |offset| {
            Ok(ListedOffset { offset: Offset(offset), timestamp: -1, leader_epoch: zk_paths::ids::LeaderEpoch(0) })
        };
        let found = BTreeMap::from([
            (TopicPartition::new("t", 2), listed(7)),
            (TopicPartition::new("t", 10), listed(0)),
            (TopicPartition::new("t", 3), listed(-1)),
            (TopicPartition::new("a", 0), listed(5)),
        ]);
        let (mut terminal, out, _) = terminal("");
        print(found, &mut terminal).unwrap();
        assert_eq!(out.take(), "a:0:5\nt:10:0\nt:2:7\n");
    }
}
