//! `kafka-topics.sh`: creates, lists, describes, grows and deletes topics.
//!
//! Where Kafka 3.9 surprises, it is kept: a missing topic is named `Optional[name]`, and failures go to standard output
//! (`TopicCommand.printException`). Configurations are described in the order of Java's `HashMap`.

mod describe;
mod options;

use std::collections::BTreeMap;
use std::time::Duration;

use client::admin::{NewPartitions, NewTopic, Outcomes, TopicDescription};
use client::{Admin, Refusal};
use config::{BrokerConfig, Properties};
use wire::ErrorCode;
use zk_paths::ids::BrokerId;

use crate::brokers::{admin, block_on};
use crate::error::ToolError;
use crate::options::Options;
use crate::terminal::Terminal;
use crate::topic_filter::{TopicFilter, is_internal};
pub use options::OPTIONS;

/// The controller may wait this long for the brokers; the AdminClient's `default.api.timeout.ms` allows for more.
const CONTROLLER_TIMEOUT: Duration = Duration::from_secs(30);

/// What is to be done with topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Create,
    Alter,
    List,
    Describe,
    Delete,
}

/// The tool.
pub fn run(arguments: &[String], terminal: &mut Terminal) -> Result<(), ToolError> {
    let options = Options::parse(OPTIONS, arguments)?;
    let action = options::check(&options, terminal)?;
    let outcome = block_on(async {
        let admin = connect(&options, action, terminal).await?;
        match action {
            Action::Create => create(&options, &admin, terminal).await,
            Action::Alter => alter(&options, &admin).await,
            Action::List => list(&options, &admin, terminal).await,
            Action::Describe => describe::run(&options, &admin, terminal).await,
            Action::Delete => delete(&options, &admin).await,
        }
    });
    outcome.or_else(|error| match error {
        ToolError::Failed(_) | ToolError::Option(_) => {
            terminal.line(&format!("Error while executing topic command : {error}"))?;
            Err(ToolError::Exit(1))
        }
        other => Err(other),
    })
}

async fn connect(options: &Options, action: Action, terminal: &mut Terminal) -> Result<Admin, ToolError> {
    let call = if action == Action::Create { "createTopics" } else { "listTopics" };
    let bootstrap = options.value("bootstrap-server")?.unwrap_or_default();
    admin(terminal, bootstrap, "adminclient-1", options.value("command-config")?, call).await
}

async fn create(options: &Options, admin: &Admin, terminal: &mut Terminal) -> Result<(), ToolError> {
    let topic = new_topic(options)?;
    if topic.name.contains(['.', '_']) {
        terminal.line(
            "WARNING: Due to limitations in metric names, topics with a period ('.') or underscore ('_') could \
             collide. To avoid issues it is best to use either, but not both.",
        )?;
    }
    if options.number::<i32>("replication-factor")?.is_some_and(|factor| !(1..=32767).contains(&factor)) {
        return Err(ToolError::Failed("The replication factor must be between 1 and 32767 inclusive".to_owned()));
    }
    if topic.partitions.is_some_and(|partitions| partitions < 1) {
        return Err(ToolError::Failed("The partitions must be greater than 0".to_owned()));
    }
    let name = topic.name.clone();
    match first_refusal(admin.create_topics(&[topic], CONTROLLER_TIMEOUT, false).await?) {
        None => terminal.line(&format!("Created topic {name}.")),
        Some(refusal) if refusal.code == ErrorCode::TopicAlreadyExists && options.has("if-not-exists") => Ok(()),
        Some(refusal) => Err(ToolError::Failed(refusal.to_string())),
    }
}

fn new_topic(options: &Options) -> Result<NewTopic, ToolError> {
    Ok(NewTopic {
        name: options.value("topic")?.unwrap_or_default().to_owned(),
        partitions: options.number("partitions")?,
        replication_factor: options.number::<i32>("replication-factor")?.and_then(|factor| i16::try_from(factor).ok()),
        assignment: assignment(options)?,
        configs: configs(options)?,
    })
}

/// `1:2,2:3`: the replicas of each partition.
fn assignment(options: &Options) -> Result<Vec<Vec<BrokerId>>, ToolError> {
    let text = options.value("replica-assignment")?.unwrap_or_default();
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let mut partitions: Vec<Vec<BrokerId>> = Vec::new();
    for (index, list) in text.split(',').enumerate() {
        let mut replicas = Vec::new();
        for id in list.split(':') {
            let parsed = id.trim().parse().map(BrokerId);
            replicas.push(parsed.map_err(|_| ToolError::Failed(format!("For input string: \"{}\"", id.trim())))?);
        }
        let twice: Vec<String> = duplicates(&replicas).iter().map(BrokerId::to_string).collect();
        if !twice.is_empty() {
            let text = format!("Partition replica lists may not contain duplicate entries: {}", twice.join(","));
            return Err(ToolError::Failed(text));
        }
        if partitions.first().is_some_and(|first| first.len() != replicas.len()) {
            let ids: Vec<String> = replicas.iter().map(BrokerId::to_string).collect();
            let text = format!("Partition {index} has different replication factor: [{}]", ids.join(", "));
            return Err(ToolError::Failed(text));
        }
        partitions.push(replicas);
    }
    Ok(partitions)
}

fn duplicates(ids: &[BrokerId]) -> Vec<BrokerId> {
    let mut twice: Vec<BrokerId> = ids
        .iter()
        .enumerate()
        .filter(|(index, id)| ids.iter().take(*index).any(|other| other == *id))
        .map(|(_, id)| *id)
        .collect();
    twice.sort_unstable();
    twice.dedup();
    twice
}

/// `--config key=value`, checked against Kafka's table before anything is sent (`LogConfig.validate`).
fn configs(options: &Options) -> Result<BTreeMap<String, String>, ToolError> {
    let mut configs = BTreeMap::new();
    for text in options.values("config") {
        // Java's split drops empty strings behind the last separator.
        let mut parts: Vec<&str> = text.split('=').map(str::trim).collect();
        while parts.last().is_some_and(|part| part.is_empty()) {
            parts.pop();
        }
        let [key, value] = parts[..] else {
            return Err(ToolError::Failed(
                "requirement failed: Invalid topic config: all configs to be added must be in the format \"key=val\"."
                    .to_owned(),
            ));
        };
        configs.insert(key.to_owned(), value.to_owned());
    }
    let mut broker = Properties::default();
    broker.set("zookeeper.connect", "localhost");
    let broker = BrokerConfig::new(broker).map_err(|errors| ToolError::Failed(errors.to_string()))?;
    config::topic::validate_topic_config(&broker.topic_defaults, &configs)
        .map_err(|error| ToolError::Failed(error.to_string()))?;
    Ok(configs)
}

async fn list(options: &Options, admin: &Admin, terminal: &mut Terminal) -> Result<(), ToolError> {
    let names: Vec<String> = matching(options, admin).await?.into_iter().map(|topic| topic.name).collect();
    terminal.line(&names.join("\n"))
}

/// The topics that `--topic` and `--exclude-internal` mean, by name.
async fn matching(options: &Options, admin: &Admin) -> Result<Vec<TopicDescription>, ToolError> {
    let filter = options.value("topic")?.map(TopicFilter::new).transpose()?;
    let exclude_internal = options.has("exclude-internal");
    let mut topics = admin.list_topics().await?;
    topics.retain(|topic| match &filter {
        Some(filter) => filter.allows(&topic.name, exclude_internal),
        None => !(exclude_internal && is_internal(&topic.name)),
    });
    Ok(topics)
}

/// An error when a topic was named and there is none, unless that is fine.
fn must_exist<T>(found: &[T], options: &Options) -> Result<(), ToolError> {
    let named = options.value("topic")?.filter(|name| !name.is_empty());
    match named {
        Some(name) if found.is_empty() && !options.has("if-exists") => {
            Err(ToolError::Failed(format!("Topic 'Optional[{name}]' does not exist as expected")))
        }
        _ => Ok(()),
    }
}

async fn alter(options: &Options, admin: &Admin) -> Result<(), ToolError> {
    let assignment = assignment(options)?;
    let total = options.number("partitions")?.unwrap_or_default();
    configs(options)?;
    let topics = matching(options, admin).await?;
    must_exist(&topics, options)?;
    if topics.is_empty() {
        return Ok(());
    }
    // Only the replicas of the partitions to be added are sent.
    let added = |topic: &TopicDescription| {
        (!assignment.is_empty()).then(|| assignment.iter().skip(topic.partitions.len()).cloned().collect())
    };
    let wanted =
        |topic: &TopicDescription| NewPartitions { topic: topic.name.clone(), total, assignment: added(topic) };
    let wanted: Vec<NewPartitions> = topics.iter().map(wanted).collect();
    fail_on(first_refusal(admin.create_partitions(&wanted, CONTROLLER_TIMEOUT, false).await?))
}

async fn delete(options: &Options, admin: &Admin) -> Result<(), ToolError> {
    let topics = matching(options, admin).await?;
    must_exist(&topics, options)?;
    let names: Vec<&str> = topics.iter().map(|topic| topic.name.as_str()).collect();
    if names.is_empty() {
        return Ok(());
    }
    fail_on(first_refusal(admin.delete_topics(&names, CONTROLLER_TIMEOUT).await?))
}

fn first_refusal<T>(outcomes: Outcomes<T>) -> Option<Refusal> {
    outcomes.into_iter().find_map(|(_, outcome)| outcome.err())
}

fn fail_on(refusal: Option<Refusal>) -> Result<(), ToolError> {
    refusal.map_or(Ok(()), |refusal| Err(ToolError::Failed(refusal.to_string())))
}

#[cfg(test)]
mod tests;
