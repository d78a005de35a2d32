//! IncrementalAlterConfigs, v0–1: sets, deletes, appends to and subtracts from single settings. Any broker, which writes
//! ZooKeeper itself; every broker then hears of it through `/config/changes`.
//!
//! - Each resource stands for itself: one may fail while the others are changed. The same resource twice is INVALID_REQUEST.
//! - Of brokers' dynamic settings only the rate of moves between log directories is built; others are refused, and so are
//!   loggers. A setting that is not there may always be deleted. A broker by id: that broker only.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use config::definition::Kind;
use config::value::Value;
use config::{ConfigError, topic_keys};
use wire::incremental_alter_configs::{AlterConfigsResource, AlterConfigsResourceResponse, AlterableConfig};
use wire::{ErrorCode, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse};
use zk_paths::config_entity::ConfigEntity;

use super::Context;
use super::describe_configs::{BROKER, BROKER_LOGGER, CLIENT_METRICS, Refused, TOPIC};
use crate::broker::Broker;
use crate::replica::move_rate;

/// `AlterConfigOp.OpType`.
const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

/// Answers an IncrementalAlterConfigs request.
pub async fn handle(
    broker: &Arc<Broker>,
    context: &Context<'_>,
    request: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    context.origin.park();
    let mut times: HashMap<(i8, &str), usize> = HashMap::new();
    for resource in &request.resources {
        *times.entry((resource.resource_type, &resource.resource_name)).or_default() += 1;
    }
    let mut responses = Vec::with_capacity(request.resources.len());
    for resource in &request.resources {
        let once = times.get(&(resource.resource_type, &*resource.resource_name)) == Some(&1);
        let result = if once {
            alter(broker, resource, request.validate_only).await
        } else {
            Err((ErrorCode::InvalidRequest, "Each resource must appear at most once.".into()))
        };
        let (error_code, error_message) = match result {
            Ok(()) => (ErrorCode::None.code(), None),
            Err((error, message)) => (error.code(), Some(message.into())),
        };
        responses.push(AlterConfigsResourceResponse {
            error_code,
            error_message,
            resource_type: resource.resource_type,
            resource_name: resource.resource_name.clone(),
        });
    }
    IncrementalAlterConfigsResponse { responses, ..Default::default() }
}

async fn alter(broker: &Broker, resource: &AlterConfigsResource, validate_only: bool) -> Result<(), Refused> {
    check(&resource.configs)?;
    let topic = &*resource.resource_name;
    check_resource(broker, resource)?;
    if resource.resource_type == BROKER {
        return alter_broker(broker, resource, validate_only).await;
    }
    if topic.is_empty() {
        return Err((ErrorCode::InvalidRequest, "Default topic resources are not allowed.".into()));
    }
    let mut settings = broker.read_topic_settings(topic).await?;
    resource.configs.iter().try_for_each(|change| apply(&mut settings, change))?;
    if broker.metadata.topic(topic).is_none() {
        return Err((ErrorCode::UnknownTopicOrPartition, format!("The topic '{topic}' does not exist.")));
    }
    let valid = config::topic::validate_topic_config(&broker.config.topic_defaults, &settings);
    valid.map_err(|error| wrong_value(topic, error))?;
    if validate_only {
        return Ok(());
    }
    broker.write_settings(&ConfigEntity::Topic(topic.into()), &settings).await
}

async fn alter_broker(broker: &Broker, resource: &AlterConfigsResource, validate_only: bool) -> Result<(), Refused> {
    let id = (!resource.resource_name.is_empty()).then_some(broker.id);
    let mut settings = broker.read_broker_settings(id).await?;
    for change in &resource.configs {
        if change.config_operation != DELETE {
            check_broker_setting(change)?;
        }
        apply(&mut settings, change)?;
    }
    if validate_only { Ok(()) } else { broker.write_settings(&ConfigEntity::Broker(id), &settings).await }
}

fn check_broker_setting(change: &AlterableConfig) -> Result<(), Refused> {
    let key = move_rate::key().filter(|key| change.config_operation == SET && key.name == &*change.name);
    let Some(key) = key else {
        let text = format!("{} cannot be changed dynamically yet, only {}", change.name, move_rate::KEY);
        return Err((ErrorCode::InvalidRequest, text));
    };
    Value::parse(key, change.value.as_deref().unwrap_or_default()).map(drop).map_err(invalid)
}

/// Refuses what is neither a topic nor this broker (`ConfigAdminManager.preprocess`); loggers are not built yet.
fn check_resource(broker: &Broker, resource: &AlterConfigsResource) -> Result<(), Refused> {
    let (name, ours) = (&*resource.resource_name, broker.id.0);
    let id = name.parse::<i32>();
    let text = match resource.resource_type {
        TOPIC => return Ok(()),
        BROKER if name.is_empty() || id == Ok(ours) => return Ok(()),
        BROKER | BROKER_LOGGER if id.is_err() => format!("Node id must be an integer, but it is: {name}"),
        BROKER => format!("Unexpected broker id, expected {ours}, but received {name}"),
        BROKER_LOGGER if id == Ok(ours) => "loggers are not built yet".into(),
        BROKER_LOGGER => format!("Unexpected node id. Expected {ours}, but received {name}"),
        CLIENT_METRICS => {
            "AlterConfigs is only supported for topics and brokers, but resource type is CLIENT_METRICS".into()
        }
        other => format!("Unknown resource type {other}"),
    };
    Err((ErrorCode::InvalidRequest, text))
}

/// Kafka names the resource when a value is wrong, and not when the key is unknown or two settings contradict each other.
fn wrong_value(topic: &str, error: ConfigError) -> Refused {
    match error {
        ConfigError::UnknownTopicKey(_) | ConfigError::Conflict(_) => invalid(error),
        _ => {
            let resource = format!("ConfigResource(type=TOPIC, name='{topic}')");
            (ErrorCode::InvalidConfig, format!("Invalid config value for resource {resource}: {error}"))
        }
    }
}

/// What a wrong setting is answered with.
pub fn invalid(error: ConfigError) -> Refused {
    (ErrorCode::InvalidConfig, error.to_string())
}

fn check(changes: &[AlterableConfig]) -> Result<(), Refused> {
    let mut names = HashSet::new();
    if !changes.iter().all(|change| names.insert(&*change.name)) {
        return Err((ErrorCode::InvalidRequest, "Error due to duplicate config keys".into()));
    }
    let null = changes.iter().filter(|change| change.config_operation != DELETE && change.value.is_none());
    let null: Vec<&str> = null.map(|change| &*change.name).collect();
    match null.is_empty() {
        true => Ok(()),
        false => Err((ErrorCode::InvalidRequest, format!("Null value not supported for : {}", null.join(", ")))),
    }
}

/// Changes one setting (`ConfigAdminManager.prepareIncrementalConfigs`).
fn apply(settings: &mut BTreeMap<String, String>, change: &AlterableConfig) -> Result<(), Refused> {
    let (name, value) = (&*change.name, change.value.as_deref().unwrap_or_default());
    match change.config_operation {
        SET => drop(settings.insert(name.into(), value.into())),
        DELETE => drop(settings.remove(name)),
        APPEND => {
            let mut list = listed(settings, name, "append")?;
            let new: Vec<String> = value.split(',').map(Into::into).filter(|word| !list.contains(word)).collect();
            list.extend(new);
            settings.insert(name.into(), list.join(","));
        }
        SUBTRACT => {
            let mut list = listed(settings, name, "subtract")?;
            for word in value.split(',') {
                if let Some(at) = list.iter().position(|known| known == word) {
                    list.remove(at);
                }
            }
            settings.insert(name.into(), list.join(","));
        }
        other => return Err((ErrorCode::InvalidRequest, format!("unknown operation {other} for {name}"))),
    }
    Ok(())
}

fn listed(settings: &BTreeMap<String, String>, name: &str, verb: &str) -> Result<Vec<String>, Refused> {
    let unknown = || (ErrorCode::InvalidConfig, format!("Unknown config name: {name}"));
    let key = topic_keys::find(name).ok_or_else(unknown)?.key;
    if key.kind != Kind::List {
        let text = format!("Config value {verb} is not allowed for config key: {name}");
        return Err((ErrorCode::InvalidConfig, text));
    }
    let text = settings.get(name).map(String::as_str).or(key.default).unwrap_or_default();
    Ok(text.split(',').filter(|word| !word.is_empty()).map(Into::into).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_apply(before: &str, name: &str, operation: i8, value: &str, after: Result<&str, ErrorCode>) {
        let mut settings: BTreeMap<String, String> =
            before.split_once('=').into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        let change =
            AlterableConfig { name: name.into(), config_operation: operation, value: Some(value.into()) };
        let result = apply(&mut settings, &change).map_err(|(error, _)| error);
        let left: Vec<String> = settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
        match after {
            Ok(expected) => assert_eq!((result, left.join(" ").as_str()), (Ok(()), expected)),
            Err(error) => assert_eq!(result, Err(error)),
        }
    }

    #[test]
    fn operations() {
        check_apply("", "retention.ms", SET, "5", Ok("retention.ms=5"));
        check_apply("retention.ms=5", "retention.ms", SET, "6", Ok("retention.ms=6"));
        check_apply("retention.ms=5", "retention.ms", DELETE, "", Ok(""));
        check_apply("", "retention.ms", DELETE, "", Ok(""));
        check_apply("", "cleanup.policy", APPEND, "compact", Ok("cleanup.policy=delete,compact"));
        check_apply("cleanup.policy=compact", "cleanup.policy", APPEND, "compact", Ok("cleanup.policy=compact"));
        check_apply("cleanup.policy=delete,compact", "cleanup.policy", SUBTRACT, "delete", Ok("cleanup.policy=compact"));
        check_apply("", "retention.ms", APPEND, "5", Err(ErrorCode::InvalidConfig));
        check_apply("", "no.such.key", APPEND, "5", Err(ErrorCode::InvalidConfig));
        check_apply("", "retention.ms", 9, "5", Err(ErrorCode::InvalidRequest));
    }
}
