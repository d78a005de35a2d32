//! The consumer's settings, from options, properties and files (`ConsoleConsumerOptions`).

use std::collections::BTreeMap;

use client::admin::Isolation;
use client::consumer::OffsetReset;
use client::{ClusterOptions, ConsumerOptions};

use crate::brokers::{Settings, boolean, invalid, milliseconds, number, read_properties};
use crate::error::ToolError;
use crate::options::{Options, key_values};
use crate::terminal::Terminal;

/// The only assignor that is built.
const RANGE_ASSIGNOR: &str = "org.apache.kafka.clients.consumer.RangeAssignor";

/// What they amount to.
#[derive(Debug)]
pub struct ConsumerSettings {
    pub cluster: ClusterOptions,
    pub consumer: ConsumerOptions,
    /// `allow.auto.create.topics`
    pub create_topics: bool,
    /// `exclude.internal.topics`
    pub exclude_internal: bool,
}

/// The pairs of the properties file that an option names.
pub fn file_pairs(
    options: &Options,
    terminal: &Terminal,
    option: &'static str,
) -> Result<Vec<(String, String)>, ToolError> {
    options.value(option)?.map_or(Ok(Vec::new()), |file| read_properties(terminal, file))
}

impl ConsumerSettings {
    /// Reads options and files; an error names what is wrong or not built.
    pub fn of(options: &Options, terminal: &mut Terminal) -> Result<ConsumerSettings, ToolError> {
        let from_file = file_pairs(options, terminal, "consumer.config")?;
        let from_line = key_values(options.values("consumer-property"));
        let group = group(options, &[&from_file, &from_line])?;
        let mut properties: BTreeMap<String, String> = from_file.into_iter().chain(from_line).collect();
        reset(options, &mut properties, terminal)?;
        if let Some(level) = options.value("isolation-level")? {
            properties.insert("isolation.level".to_owned(), level.to_owned());
        }
        if group.is_none() {
            // A group that nobody comes back to leaves nothing behind.
            properties.entry("enable.auto.commit".to_owned()).or_insert_with(|| "false".to_owned());
        }
        let group = group.unwrap_or_else(|| format!("console-consumer-{}", some_number(terminal)));
        properties.insert("group.id".to_owned(), group);
        settings(&properties)
    }
}

/// Any number below 100000, so that two tools seldom meet in one group.
fn some_number(terminal: &Terminal) -> i64 {
    let (id, now) = (i64::from(std::process::id()), terminal.clock.now_ms());
    (id.wrapping_mul(7919) ^ now).rem_euclid(100_000)
}

/// The group, which must be the same wherever it is given.
fn group(options: &Options, properties: &[&[(String, String)]]) -> Result<Option<String>, ToolError> {
    let mut given: Vec<String> = options.value("group")?.map(str::to_owned).into_iter().collect();
    for pairs in properties {
        given.extend(pairs.iter().filter(|(key, _)| key == "group.id").map(|(_, value)| value.clone()));
    }
    given.sort_unstable();
    given.dedup();
    if given.len() > 1 {
        let all: Vec<String> = given.iter().map(|group| format!("'{group}'")).collect();
        return Err(ToolError::Usage(format!(
            "The group ids provided in different places (directly using '--group', via '--consumer-property', or via \
             '--consumer.config') do not match. Detected group ids: {}",
            all.join(", ")
        )));
    }
    if !given.is_empty() && options.has("partition") {
        return Err(ToolError::Usage("Options group and partition cannot be specified together.".to_owned()));
    }
    Ok(given.pop())
}

/// `--from-beginning` or the property, which must not contradict each other.
fn reset(
    options: &Options,
    properties: &mut BTreeMap<String, String>,
    terminal: &mut Terminal,
) -> Result<(), ToolError> {
    let from_beginning = options.has("from-beginning");
    match properties.get("auto.offset.reset") {
        Some(reset) if from_beginning && reset != "earliest" => {
            terminal.warn(&format!(
                "Can't simultaneously specify --from-beginning and 'auto.offset.reset={reset}', please remove one option"
            ));
            Err(ToolError::Exit(1))
        }
        Some(_) => Ok(()),
        None => {
            let reset = if from_beginning { "earliest" } else { "latest" };
            properties.insert("auto.offset.reset".to_owned(), reset.to_owned());
            Ok(())
        }
    }
}

fn settings(properties: &BTreeMap<String, String>) -> Result<ConsumerSettings, ToolError> {
    let mut settings = Settings::new("console-consumer");
    let mut consumer = ConsumerOptions::default();
    let (mut create_topics, mut exclude_internal) = (true, true);
    for (key, value) in properties {
        match key.as_str() {
            "group.id" => consumer.group_id = Some(value.clone()),
            "group.instance.id" => consumer.group_instance_id = Some(value.clone()),
            "auto.offset.reset" => consumer.reset = offset_reset(value)?,
            "enable.auto.commit" => consumer.auto_commit = boolean(key, value)?,
            "auto.commit.interval.ms" => consumer.auto_commit_interval = milliseconds(key, value)?,
            "session.timeout.ms" => consumer.session_timeout = milliseconds(key, value)?,
            "heartbeat.interval.ms" => consumer.heartbeat_interval = milliseconds(key, value)?,
            "max.poll.interval.ms" => consumer.rebalance_timeout = milliseconds(key, value)?,
            "fetch.min.bytes" => consumer.fetch_min_bytes = number(key, value)?,
            "fetch.max.wait.ms" => consumer.fetch_max_wait = milliseconds(key, value)?,
            "fetch.max.bytes" => consumer.fetch_max_bytes = number(key, value)?,
            "max.partition.fetch.bytes" => consumer.partition_max_bytes = number(key, value)?,
            "max.poll.records" => consumer.max_poll_records = number(key, value)?,
            "isolation.level" => consumer.isolation = isolation(value)?,
            "check.crcs" => consumer.check_crcs = boolean(key, value)?,
            "metadata.max.age.ms" => consumer.metadata_max_age = milliseconds(key, value)?,
            "allow.auto.create.topics" => create_topics = boolean(key, value)?,
            "exclude.internal.topics" => exclude_internal = boolean(key, value)?,
            "partition.assignment.strategy" if value == RANGE_ASSIGNOR => {}
            // Kafka's tool reads bytes and leaves the rest to its formatter.
            "key.deserializer" | "value.deserializer" => {}
            _ => settings.apply(key, value)?,
        }
    }
    if consumer.max_poll_records == 0 {
        return Err(invalid("max.poll.records", "0", "Value must be at least 1"));
    }
    Ok(ConsumerSettings { cluster: settings.options, consumer, create_topics, exclude_internal })
}

fn offset_reset(text: &str) -> Result<OffsetReset, ToolError> {
    match text {
        "earliest" => Ok(OffsetReset::Earliest),
        "latest" => Ok(OffsetReset::Latest),
        "none" => Ok(OffsetReset::None),
        _ => Err(invalid("auto.offset.reset", text, "String must be one of: latest, earliest, none")),
    }
}

fn isolation(text: &str) -> Result<Isolation, ToolError> {
    match text {
        "read_committed" => Ok(Isolation::ReadCommitted),
        "read_uncommitted" => Ok(Isolation::ReadUncommitted),
        _ => Err(invalid("isolation.level", text, "String must be one of: read_committed, read_uncommitted")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::testing::terminal;

    fn of(arguments: &str) -> Result<ConsumerSettings, String> {
        let arguments: Vec<String> = arguments.split_whitespace().map(str::to_owned).collect();
        let options = Options::parse(super::super::OPTIONS, &arguments).unwrap();
        ConsumerSettings::of(&options, &mut terminal("").0).map_err(|error| error.to_string())
    }

    #[test]
    fn a_group_of_its_own_commits_nothing() {
        let settings = of("").unwrap();
        assert!(!settings.consumer.auto_commit);
        assert!(settings.consumer.group_id.unwrap().starts_with("console-consumer-"));
        let settings = of("--group g --from-beginning").unwrap();
        assert!(settings.consumer.auto_commit);
        assert_eq!(
            (settings.consumer.group_id.as_deref(), settings.consumer.reset),
            (Some("g"), OffsetReset::Earliest)
        );
        let settings = of("--consumer-property group.id=g --group g --isolation-level read_committed").unwrap();
        assert_eq!(settings.consumer.isolation, Isolation::ReadCommitted);
    }

    #[test]
    fn contradictions_are_told() {
        for (arguments, want) in [
            ("--group a --partition 0", "Options group and partition cannot be specified together."),
            (
                "--group b --consumer-property group.id=a",
                "The group ids provided in different places (directly using '--group', via '--consumer-property', or via \
                 '--consumer.config') do not match. Detected group ids: 'a', 'b'",
            ),
            ("--from-beginning --consumer-property auto.offset.reset=latest", "exit status 1"),
            (
                "--isolation-level foo",
                "Invalid value foo for configuration isolation.level: String must be one of: read_committed, \
                 read_uncommitted",
            ),
            ("--consumer-property client.rack=a", "the client property client.rack is not built yet in Klamm"),
        ] {
            assert_eq!(of(arguments).unwrap_err(), want, "{arguments}");
        }
    }
}
