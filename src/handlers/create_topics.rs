//! CreateTopics, v0–7: new topics, by the controller only; anybody else answers NOT_CONTROLLER per topic.
//!
//! - Each topic stands for itself. With a timeout above zero the answer waits until its partitions have leaders;
//!   otherwise, or when that takes longer, it is REQUEST_TIMED_OUT although the topic is being made.
//! - v4+: -1 partitions or replicas mean the broker's defaults. v5+: the answer says what was made of the request, its
//!   settings included. v7: the topic id.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use controller::assignment::{Place, places_in_safe_mode};
use tracing::info;
use wire::create_topics::{CreatableTopic, CreatableTopicConfigs, CreatableTopicResult};
use wire::{CreateTopicsRequest, CreateTopicsResponse, ErrorCode};
use zk_paths::ids::{BrokerId, TopicId};

use super::Context;
use super::describe_configs::Refused;
use super::incremental_alter_configs::invalid;
use crate::broker::Broker;
use crate::topic_admin::{Placement, TopicAdminError};
use crate::topic_configs;

/// "The broker's default", for counts.
const DEFAULT: i64 = -1;
/// KRaft's own topic, which ZooKeeper mode must leave alone.
const CLUSTER_METADATA: &str = "__cluster_metadata";

/// Answers a CreateTopics request.
pub async fn handle(broker: &Arc<Broker>, context: &Context<'_>, request: CreateTopicsRequest) -> CreateTopicsResponse {
    context.origin.park();
    let mut times: HashMap<&str, usize> = HashMap::new();
    request.topics.iter().for_each(|topic| *times.entry(&topic.name).or_default() += 1);
    let mut made = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let once = times.get(&*topic.name) == Some(&1);
        made.push(if !broker.is_controller() {
            Err((ErrorCode::NotController, String::new()))
        } else if &*topic.name == CLUSTER_METADATA {
            Err((ErrorCode::InvalidRequest, format!("Creation of internal topic {CLUSTER_METADATA} is prohibited.")))
        } else if !once {
            Err((ErrorCode::InvalidRequest, "Found multiple entries for this topic.".into()))
        } else {
            create(broker, topic, request.validate_only).await
        });
    }
    if !request.validate_only {
        wait(broker, &request.topics, &mut made, request.timeout_ms).await;
    }
    let topics = request.topics.iter().zip(made).map(|(topic, made)| result(broker, topic, made));
    CreateTopicsResponse { topics: topics.collect(), ..Default::default() }
}

/// What became of a topic.
struct Made {
    placement: Placement,
    settings: BTreeMap<String, String>,
    topic_id: TopicId,
    /// It is on its way, but was not there when the time was up.
    timed_out: bool,
}

async fn create(broker: &Broker, topic: &CreatableTopic, validate_only: bool) -> Result<Made, Refused> {
    let name = &*topic.name;
    if broker.metadata.topic(name).is_some() {
        return Err((ErrorCode::TopicAlreadyExists, format!("Topic '{name}' already exists.")));
    }
    let settings = settings(topic)?;
    let placement = if topic.assignments.is_empty() {
        placed(broker, topic.num_partitions.into(), topic.replication_factor.into())?
    } else {
        given(topic)?
    };
    let valid = check_sequence(topic).and_then(|()| {
        config::topic::validate_topic_config(&broker.config.topic_defaults, &settings).map_err(invalid)
    });
    // What is wrong with the topic itself is told before what is wrong with its settings. Creating it checks that too.
    if validate_only || valid.is_err() {
        broker.topic_admin.check_new_topic(name, &placement).await.map_err(refused)?;
    }
    valid?;
    let mut topic_id = None;
    if !validate_only {
        topic_id = broker.topic_admin.create_topic(name, &placement, &settings).await.map_err(refused)?;
        let replicas = placement.first().map_or(0, Vec::len);
        let (partitions, given) = (placement.len(), topic_configs::listed(&settings));
        info!("topic {name} created: {partitions} partitions, replication factor {replicas}, settings: {given}");
    }
    Ok(Made { placement, settings, topic_id: topic_id.unwrap_or(TopicId::ZERO), timed_out: false })
}

/// How an error of the topic admin is answered.
pub fn refused(error: TopicAdminError) -> Refused {
    (error.code(), error.to_string())
}

fn settings(topic: &CreatableTopic) -> Result<BTreeMap<String, String>, Refused> {
    let null = topic.configs.iter().filter(|config| config.value.is_none());
    let null: Vec<&str> = null.map(|config| &*config.name).collect();
    if !null.is_empty() {
        let text = format!("Null value not supported for topic configs: {}", null.join(","));
        return Err((ErrorCode::InvalidConfig, text));
    }
    let pairs = topic.configs.iter().filter_map(|config| Some((config.name.to_string(), config.value.as_ref()?.to_string())));
    Ok(pairs.collect())
}

/// Places replicas on the live brokers. `-1` takes the broker's default.
pub fn placed(broker: &Broker, partitions: i64, replicas: i64) -> Result<Placement, Refused> {
    let or_default = |wanted: i64, default: i32| if wanted == DEFAULT { i64::from(default) } else { wanted };
    let partitions = or_default(partitions, broker.config.topics.num_partitions);
    let replicas = or_default(replicas, broker.config.topics.replication_factor);
    let count = |wanted: i64| usize::try_from(wanted).unwrap_or(0);
    broker.topic_admin.place(&places(broker), count(partitions), count(replicas)).map_err(refused)
}

/// The live brokers, as places for replicas.
pub fn places(broker: &Broker) -> Vec<Place> {
    let places = broker.metadata.brokers().into_iter().map(|known| Place { broker: known.id, rack: known.rack });
    places_in_safe_mode(places.collect())
}

fn given(topic: &CreatableTopic) -> Result<Placement, Refused> {
    if i64::from(topic.num_partitions) != DEFAULT || i64::from(topic.replication_factor) != DEFAULT {
        let text = "Both numPartitions or replicationFactor and replicasAssignments were set. Both cannot be used at \
                    the same time.";
        return Err((ErrorCode::InvalidRequest, text.into()));
    }
    let assigned: BTreeMap<i32, Vec<BrokerId>> = topic
        .assignments
        .iter()
        .map(|one| (one.partition_index, one.broker_ids.iter().copied().map(BrokerId).collect()))
        .collect();
    Ok(assigned.into_values().collect())
}

/// Whether the given partitions are 0, 1, 2 … in any order, each once.
fn check_sequence(topic: &CreatableTopic) -> Result<(), Refused> {
    let partitions: BTreeSet<i32> = topic.assignments.iter().map(|one| one.partition_index).collect();
    if partitions.into_iter().eq(0..topic.assignments.len() as i32) {
        return Ok(());
    }
    let text = "partitions should be a consecutive 0-based integer sequence";
    Err((ErrorCode::InvalidReplicaAssignment, text.into()))
}

/// Waits until all partitions of all new topics have leaders. Without any time they count as not there.
async fn wait(broker: &Broker, topics: &[CreatableTopic], made: &mut [Result<Made, Refused>], timeout_ms: i32) {
    let timeout = Duration::from_millis(u64::try_from(timeout_ms).unwrap_or(0));
    let deadline = tokio::time::Instant::now() + timeout;
    for (topic, made) in topics.iter().zip(made) {
        let Ok(new) = made else { continue };
        let left = deadline.saturating_duration_since(tokio::time::Instant::now());
        let partitions = new.placement.len();
        new.timed_out = timeout.is_zero() || !has_leaders(broker, &topic.name, partitions, left).await;
    }
}

/// Waits until a topic shows with that many partitions, each with a leader.
pub async fn has_leaders(broker: &Broker, topic: &str, partitions: usize, within: Duration) -> bool {
    let ready = |metadata: &crate::metadata_cache::MetadataCache| {
        let known = metadata.topic(topic);
        known.is_some_and(|known| {
            known.partitions.len() >= partitions && known.partitions.values().all(|info| metadata.is_alive(info.leader))
        })
    };
    broker.metadata.wait_until(within, ready).await
}

fn result(broker: &Broker, topic: &CreatableTopic, made: Result<Made, Refused>) -> CreatableTopicResult {
    let empty = CreatableTopicResult { name: topic.name.clone(), configs: Some(Vec::new()), ..Default::default() };
    match made {
        Err((error, message)) => {
            let error_message = (!message.is_empty()).then(|| message.into());
            CreatableTopicResult { error_code: error.code(), error_message, ..empty }
        }
        Ok(made) if made.timed_out => {
            let error_code = ErrorCode::RequestTimedOut.code();
            CreatableTopicResult { error_code, error_message: None, topic_id: made.topic_id, ..empty }
        }
        Ok(made) => CreatableTopicResult {
            topic_id: made.topic_id,
            error_message: None,
            num_partitions: made.placement.len() as i32,
            replication_factor: made.placement.first().map_or(-1, |replicas| replicas.len() as i16),
            configs: Some(echo(broker, &made.settings)),
            ..empty
        },
    }
}

fn echo(broker: &Broker, settings: &BTreeMap<String, String>) -> Vec<CreatableTopicConfigs> {
    let described = broker.config.describe_topic(settings).unwrap_or_default();
    let entries = described.into_iter().map(|entry| CreatableTopicConfigs {
        name: entry.name.into(),
        value: entry.value.map(Into::into),
        read_only: entry.read_only,
        config_source: entry.source.id(),
        is_sensitive: entry.sensitive,
    });
    entries.collect()
}
