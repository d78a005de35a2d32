//! The options of `kafka-topics.sh` and which of them go together (`TopicCommandOptions.checkArgs`).

use super::Action;
use crate::brokers::{BOOTSTRAP_SERVER, COMMAND_CONFIG};
use crate::error::ToolError;
use crate::options::{HELP, Options, Spec, VERSION, flag, valued};
use crate::terminal::Terminal;

/// All of them.
pub const OPTIONS: &[Spec] = &[
    BOOTSTRAP_SERVER,
    COMMAND_CONFIG,
    flag("list", "List the topics."),
    flag("create", "Create a topic."),
    flag("delete", "Delete topics."),
    flag("alter", "Give topics more partitions. kafka-configs.sh alters their configuration."),
    flag("describe", "Describe topics and their partitions."),
    valued("topic", "String: topic", "The topic. Except with --create, a regular expression for whole names."),
    valued("topic-id", "String: topic-id", "Id of the topic to describe."),
    valued("config", "String: name=value", "A setting of the topic to create. May be repeated."),
    valued("delete-config", "String: name", "Not possible with --bootstrap-server."),
    valued("partitions", "Integer: # of partitions", "How many partitions the topic has or shall have."),
    valued("replication-factor", "Integer: replication factor", "How many replicas each partition has."),
    valued("replica-assignment", "String: 1:2,2:3,...", "The brokers of each partition, the preferred one first."),
    flag("under-replicated-partitions", "Describe only partitions that lack replicas in sync."),
    flag("unavailable-partitions", "Describe only partitions without a live leader."),
    flag("under-min-isr-partitions", "Describe only partitions with fewer replicas in sync than configured."),
    flag("at-min-isr-partitions", "Describe only partitions with just as many replicas in sync as configured."),
    flag("topics-with-overrides", "Describe only topics with settings of their own, without partitions."),
    flag("if-exists", "Do nothing when the topic is missing."),
    flag("if-not-exists", "Do nothing when the topic is there."),
    flag("exclude-internal", "Leave Kafka's own topics out."),
    valued(
        "partition-size-limit-per-response",
        "Integer: partitions",
        "Page size of a request that ZooKeeper-mode brokers do not have; without effect, as in Kafka.",
    ),
    HELP,
    VERSION,
];

const ACTIONS: [(&str, Action); 5] = [
    ("create", Action::Create),
    ("list", Action::List),
    ("alter", Action::Alter),
    ("describe", Action::Describe),
    ("delete", Action::Delete),
];

pub const REPLICATION_REPORTS: [&str; 4] =
    ["under-replicated-partitions", "under-min-isr-partitions", "at-min-isr-partitions", "unavailable-partitions"];

/// Checks the combination and answers the action.
pub fn check(options: &Options, terminal: &mut Terminal) -> Result<Action, ToolError> {
    options.help_or_version("Create, delete, describe, or change a topic.")?;
    let wanted: Vec<Action> = ACTIONS.iter().filter(|(name, _)| options.has(name)).map(|(_, action)| *action).collect();
    let [action] = wanted[..] else {
        return Err(ToolError::Usage(
            "Command must include exactly one action: --list, --describe, --create, --alter or --delete".to_owned(),
        ));
    };
    check_required(options, action, terminal)?;
    check_exclusive(options)?;
    Ok(action)
}

fn check_required(options: &Options, action: Action, terminal: &mut Terminal) -> Result<(), ToolError> {
    if !options.has("bootstrap-server") {
        return Err(ToolError::Failed("--bootstrap-server must be specified".to_owned()));
    }
    if action == Action::Describe && options.has("if-exists") {
        match (options.has("topic"), options.has("topic-id")) {
            (false, false) => {
                return Err(ToolError::Usage("--topic or --topic-id is required to describe a topic".to_owned()));
            }
            (true, true) => terminal.line(
                "Only topic id will be used when both --topic and --topic-id are specified and topicId is not \
                 Uuid.ZERO_UUID",
            )?,
            _ => {}
        }
    }
    if !matches!(action, Action::List | Action::Describe) {
        options.require("topic")?;
    }
    if action == Action::Alter {
        if options.has("config") {
            return Err(ToolError::Usage(
                "Option combination \"[[bootstrap-server], [config]]\" can't be used with option \"[alter]\" (the \
                 kafka-configs CLI supports altering topic configs with a --bootstrap-server option)"
                    .to_owned(),
            ));
        }
        options.require("partitions")?;
    }
    Ok(())
}

fn check_exclusive(options: &Options) -> Result<(), ToolError> {
    only_with(options, "config", &["alter", "create"], &[])?;
    only_with(options, "delete-config", &["alter"], &["bootstrap-server"])?;
    only_with(options, "partitions", &["alter", "create"], &[])?;
    only_with(options, "replication-factor", &["create"], &[])?;
    only_with(options, "replica-assignment", &["alter", "create"], &[])?;
    if options.has("create") {
        options.exclude("replica-assignment", &["partitions", "replication-factor"])?;
    }
    for report in REPLICATION_REPORTS {
        only_with(options, report, &["describe"], &["topics-with-overrides"])?;
    }
    only_with(options, "topics-with-overrides", &["describe"], &REPLICATION_REPORTS)?;
    only_with(options, "if-exists", &["alter", "delete", "describe"], &[])?;
    only_with(options, "if-not-exists", &["create"], &[])?;
    only_with(options, "exclude-internal", &["list", "describe"], &[])
}

/// `name` goes with these actions only, and with none of `others`.
fn only_with(options: &Options, name: &str, actions: &[&str], others: &[&str]) -> Result<(), ToolError> {
    let wrong: Vec<&str> =
        ACTIONS.iter().map(|(action, _)| *action).filter(|action| !actions.contains(action)).collect();
    options.exclude(name, &wrong)?;
    options.exclude(name, others)
}
