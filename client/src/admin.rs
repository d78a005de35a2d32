//! What administrators ask of a cluster, after Java's `Admin`: topics, offsets, configurations, the cluster itself.
//!
//! Requests for many things answer for each thing: a refusal for one topic leaves the others alone.

mod log_dirs;
mod records;

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{self, Instant};
use wire::create_partitions::{CreatePartitionsAssignment, CreatePartitionsRequest, CreatePartitionsTopic};
use wire::create_topics::{CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig, CreateTopicsRequest};
use wire::delete_topics::{DeleteTopicState, DeleteTopicsRequest};
use wire::describe_cluster::DescribeClusterRequest;
use wire::describe_configs::{DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult};
use wire::incremental_alter_configs::{AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest};
use wire::list_offsets::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic};
use wire::metadata::MetadataResponseTopic;
use wire::{ApiKey, ErrorCode, Request, Str, VersionRange};
use zk_paths::ids::{BrokerId, LeaderEpoch, Offset, TopicId, TopicPartition};

use crate::cluster::{BrokerNode, Cluster};
use crate::connection::{Call, Connection};
use crate::error::{ClientError, Refusal};

pub use log_dirs::{LogDir, ReplicaInDir};

/// An admin client. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Admin {
    cluster: Cluster,
}

/// The cluster at a glance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterDescription {
    /// `/cluster/id`
    pub cluster_id: Option<String>,
    /// The controller, if there is one.
    pub controller: Option<BrokerId>,
    /// Live brokers, by id.
    pub brokers: Vec<BrokerNode>,
}

/// A topic with its partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicDescription {
    /// Its name.
    pub name: String,
    /// Zero when the cluster does not know topic ids.
    pub id: TopicId,
    /// One of Kafka's own.
    pub internal: bool,
    /// By number.
    pub partitions: Vec<PartitionDescription>,
}

/// A partition with its replicas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionDescription {
    /// Its number.
    pub partition: i32,
    /// `None` without one.
    pub leader: Option<BrokerId>,
    /// [`LeaderEpoch::NONE`] when the broker is too old to tell.
    pub leader_epoch: LeaderEpoch,
    /// In assignment order.
    pub replicas: Vec<BrokerId>,
    /// In sync.
    pub isr: Vec<BrokerId>,
    /// On brokers or directories that are not there.
    pub offline: Vec<BrokerId>,
}

/// A topic to create.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// `None` takes the broker's default; must be `None` with an assignment.
    pub partitions: Option<i32>,
    /// `None` takes the broker's default; must be `None` with an assignment.
    pub replication_factor: Option<i16>,
    /// Brokers of each partition, from 0.
    pub assignment: Vec<Vec<BrokerId>>,
    /// Settings of its own.
    pub configs: BTreeMap<String, String>,
}

/// A topic that should have more partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPartitions {
    /// Its name.
    pub topic: String,
    /// How many it should have then.
    pub total: i32,
    /// Brokers of each new partition; `None` leaves it to the controller.
    pub assignment: Option<Vec<Vec<BrokerId>>>,
}

/// Which offset of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetSpec {
    /// The log start offset.
    Earliest,
    /// The high watermark, or the last stable offset when reading committed records only.
    Latest,
    /// Of the record with the largest timestamp.
    MaxTimestamp,
    /// The first one on local disk of a tiered partition.
    EarliestLocal,
    /// The last one in remote storage.
    LatestTiered,
    /// The first record at or after this time, milliseconds since 1970.
    Timestamp(i64),
}

impl OffsetSpec {
    fn timestamp(self) -> i64 {
        match self {
            OffsetSpec::Latest => -1,
            OffsetSpec::Earliest => -2,
            OffsetSpec::MaxTimestamp => -3,
            OffsetSpec::EarliestLocal => -4,
            OffsetSpec::LatestTiered => -5,
            OffsetSpec::Timestamp(timestamp) => timestamp,
        }
    }

    /// The first version of ListOffsets whose brokers understand it.
    fn min_version(self) -> i16 {
        match self {
            OffsetSpec::Earliest | OffsetSpec::Latest | OffsetSpec::Timestamp(_) => 1,
            OffsetSpec::MaxTimestamp => 7,
            OffsetSpec::EarliestLocal => 8,
            OffsetSpec::LatestTiered => 9,
        }
    }
}

/// An offset with what belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListedOffset {
    /// [`Offset::NONE`] when no record fits.
    pub offset: Offset,
    /// Of the record; -1 for the two ends of the log.
    pub timestamp: i64,
    /// [`LeaderEpoch::NONE`] when unknown.
    pub leader_epoch: LeaderEpoch,
}

/// Whose configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConfigResource {
    /// A topic's.
    Topic(String),
    /// A broker's.
    Broker(BrokerId),
    /// The dynamic defaults of all brokers.
    BrokerDefaults,
    /// A broker's log levels.
    BrokerLogger(BrokerId),
}

impl ConfigResource {
    fn wire(&self) -> (i8, String) {
        match self {
            ConfigResource::Topic(name) => (2, name.clone()),
            ConfigResource::Broker(id) => (4, id.to_string()),
            ConfigResource::BrokerDefaults => (4, String::new()),
            ConfigResource::BrokerLogger(id) => (8, id.to_string()),
        }
    }

    /// The broker that must be asked, when not every one can answer.
    fn broker(&self) -> Option<BrokerId> {
        match self {
            ConfigResource::Broker(id) | ConfigResource::BrokerLogger(id) => Some(*id),
            ConfigResource::Topic(_) | ConfigResource::BrokerDefaults => None,
        }
    }
}

/// One change of a configuration (KIP-339).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigChange {
    /// Gives a key a value.
    Set(String),
    /// Takes it away.
    Delete,
    /// Adds elements to a list.
    Append(String),
    /// Takes elements out of a list.
    Subtract(String),
}

/// What happened to each thing that was asked for, in the order asked.
pub type Outcomes<T> = Vec<(String, Result<T, Refusal>)>;
/// What each partition's leader answered.
pub type Answers<T> = BTreeMap<TopicPartition, Result<T, Refusal>>;
/// The same from one leader.
type Answered<T> = Vec<(TopicPartition, Result<T, Refusal>)>;

impl Admin {
    /// Works on this cluster.
    pub fn new(cluster: Cluster) -> Admin {
        Admin { cluster }
    }

    /// The cluster it works on.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Cluster id, controller, live brokers.
    pub async fn describe_cluster(&self) -> Result<ClusterDescription, ClientError> {
        if !self.cluster.any().await?.supports(ApiKey::DescribeCluster) {
            let metadata = self.cluster.metadata(Some(&[]), false).await?;
            return Ok(ClusterDescription {
                cluster_id: metadata.cluster_id.map(String::from),
                controller: (metadata.controller_id >= 0).then_some(BrokerId(metadata.controller_id)),
                brokers: self.cluster.brokers(),
            });
        }
        let response = self.cluster.call_any(&DescribeClusterRequest::default(), Call::default()).await?;
        let message = response.error_message.as_ref().map(Str::as_str);
        Refusal::check(response.error_code, message)
            .map_err(|refusal| ClientError::Refused { api: ApiKey::DescribeCluster, refusal })?;
        let node = |broker: &wire::describe_cluster::DescribeClusterBroker| BrokerNode {
            id: BrokerId(broker.broker_id),
            host: broker.host.as_str().to_owned(),
            port: u16::try_from(broker.port).unwrap_or(0),
            rack: broker.rack.as_ref().map(|rack| rack.as_str().to_owned()),
        };
        Ok(ClusterDescription {
            cluster_id: Some(response.cluster_id.as_str().to_owned()),
            controller: (response.controller_id >= 0).then_some(BrokerId(response.controller_id)),
            brokers: response.brokers.iter().map(node).collect(),
        })
    }

    /// What one broker supports, by API key; keys that we do not know are in it too.
    pub async fn api_versions(&self, broker: BrokerId) -> Result<BTreeMap<i16, VersionRange>, ClientError> {
        self.cluster.retry("ApiVersions", || async { Ok(self.cluster.broker(broker).await?.api_versions()) }).await
    }

    /// All topics with their partitions, sorted by name.
    pub async fn list_topics(&self) -> Result<Vec<TopicDescription>, ClientError> {
        let metadata = self.cluster.metadata(None, false).await?;
        let mut topics: Vec<TopicDescription> = metadata.topics.iter().map(topic_description).collect();
        topics.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(topics)
    }

    /// These topics with their partitions.
    pub async fn describe_topics(&self, names: &[&str]) -> Result<Outcomes<TopicDescription>, ClientError> {
        let metadata = self.cluster.metadata(Some(names), false).await?;
        let outcome = |topic: &MetadataResponseTopic| {
            let description = topic_description(topic);
            let refused = Refusal::check(topic.error_code, None);
            (description.name.clone(), refused.map(|()| description))
        };
        Ok(metadata.topics.iter().map(outcome).collect())
    }

    /// Creates topics; with `validate_only` only says whether it would. `timeout` is how long the controller may wait
    /// for the topics to be in place.
    pub async fn create_topics(
        &self,
        topics: &[NewTopic],
        timeout: Duration,
        validate_only: bool,
    ) -> Result<Outcomes<TopicId>, ClientError> {
        let topics = topics.iter().map(creatable).collect();
        let request = CreateTopicsRequest { topics, timeout_ms: millis(timeout), validate_only };
        let response = self
            .cluster
            .call_controller(&request, patient(timeout), |response| {
                response.topics.iter().map(|topic| ErrorCode::from(topic.error_code)).find(not_controller)
            })
            .await?;
        let outcome = |topic: &wire::create_topics::CreatableTopicResult| {
            let refused = Refusal::check(topic.error_code, topic.error_message.as_ref().map(Str::as_str));
            (topic.name.as_str().to_owned(), refused.map(|()| topic.topic_id))
        };
        Ok(response.topics.iter().map(outcome).collect())
    }

    /// Deletes topics by name.
    pub async fn delete_topics(&self, names: &[&str], timeout: Duration) -> Result<Outcomes<()>, ClientError> {
        // From version 6 on names stand in another field; nothing here needs topic ids.
        let by_name = DeleteTopicsRequest {
            topic_names: names.iter().map(|name| Str::from(*name)).collect(),
            topics: Vec::<DeleteTopicState>::new(),
            timeout_ms: millis(timeout),
        };
        let call = Call { max_version: Some(5), ..patient(timeout) };
        let response = self
            .cluster
            .call_controller(&by_name, call, |response| {
                response.responses.iter().map(|topic| ErrorCode::from(topic.error_code)).find(not_controller)
            })
            .await?;
        let outcome = |topic: &wire::delete_topics::DeletableTopicResult| {
            let name = topic.name.as_ref().map(|name| name.as_str().to_owned()).unwrap_or_default();
            (name, Refusal::check(topic.error_code, topic.error_message.as_ref().map(Str::as_str)))
        };
        Ok(response.responses.iter().map(outcome).collect())
    }

    /// Adds partitions to topics.
    pub async fn create_partitions(
        &self,
        topics: &[NewPartitions],
        timeout: Duration,
        validate_only: bool,
    ) -> Result<Outcomes<()>, ClientError> {
        let topic = |new: &NewPartitions| CreatePartitionsTopic {
            name: Str::from(&new.topic),
            count: new.total,
            assignments: new.assignment.as_ref().map(|partitions| {
                let brokers = |ids: &Vec<BrokerId>| CreatePartitionsAssignment { broker_ids: numbers(ids) };
                partitions.iter().map(brokers).collect()
            }),
        };
        let topics = topics.iter().map(topic).collect();
        let request = CreatePartitionsRequest { topics, timeout_ms: millis(timeout), validate_only };
        let response = self
            .cluster
            .call_controller(&request, patient(timeout), |response| {
                response.results.iter().map(|topic| ErrorCode::from(topic.error_code)).find(not_controller)
            })
            .await?;
        let outcome = |topic: &wire::create_partitions::CreatePartitionsTopicResult| {
            let refused = Refusal::check(topic.error_code, topic.error_message.as_ref().map(Str::as_str));
            (topic.name.as_str().to_owned(), refused)
        };
        Ok(response.results.iter().map(outcome).collect())
    }

    /// Offsets of partitions, asked of their leaders; again after a change of leader, until the time is up.
    pub async fn list_offsets(
        &self,
        wanted: &BTreeMap<TopicPartition, OffsetSpec>,
        isolation: Isolation,
    ) -> Result<Answers<ListedOffset>, ClientError> {
        self.ask_leaders(wanted, async |connection, partitions| ask_offsets(connection, partitions, isolation).await)
            .await
    }

    /// Asks the leader of each partition; again after a change of leader, until the time is up.
    async fn ask_leaders<T: Copy, A>(
        &self,
        wanted: &BTreeMap<TopicPartition, T>,
        ask: impl AsyncFn(&Connection, &BTreeMap<TopicPartition, T>) -> Result<Answered<A>, ClientError>,
    ) -> Result<Answers<A>, ClientError> {
        let options = self.cluster.options().clone();
        let deadline = Instant::now() + options.api_timeout;
        let mut found = BTreeMap::new();
        let mut open = wanted.clone();
        loop {
            let round = self.ask_leaders_once(&open, &ask).await;
            let last_round = Instant::now() + options.retry_backoff >= deadline;
            let answers = match round {
                Ok(answers) => answers,
                Err(error) if !error.is_retriable() || last_round => return Err(error),
                Err(_) => BTreeMap::new(),
            };
            for (partition, answer) in answers {
                let settled = answer.as_ref().err().is_none_or(|refusal| !refusal.code.is_retriable());
                if settled || last_round {
                    open.remove(&partition);
                    found.insert(partition, answer);
                }
            }
            if open.is_empty() || last_round {
                return Ok(found);
            }
            time::sleep(options.retry_backoff).await;
        }
    }

    async fn ask_leaders_once<T: Copy, A>(
        &self,
        wanted: &BTreeMap<TopicPartition, T>,
        ask: &impl AsyncFn(&Connection, &BTreeMap<TopicPartition, T>) -> Result<Answered<A>, ClientError>,
    ) -> Result<Answers<A>, ClientError> {
        let mut answers = BTreeMap::new();
        for (leader, partitions) in self.by_leader(wanted, &mut answers).await? {
            let connection = self.cluster.broker(leader).await?;
            answers.extend(ask(&connection, &partitions).await?);
        }
        Ok(answers)
    }

    /// Sorts partitions by leader; those without one get their refusal at once.
    async fn by_leader<T: Copy, A>(
        &self,
        wanted: &BTreeMap<TopicPartition, T>,
        answers: &mut Answers<A>,
    ) -> Result<BTreeMap<BrokerId, BTreeMap<TopicPartition, T>>, ClientError> {
        let mut names: Vec<&str> = wanted.keys().map(|partition| &*partition.topic).collect();
        names.dedup();
        let described: BTreeMap<_, _> = self.describe_topics(&names).await?.into_iter().collect();
        let mut leaders: BTreeMap<BrokerId, BTreeMap<TopicPartition, T>> = BTreeMap::new();
        for (partition, what) in wanted {
            let unknown = || Refusal { code: ErrorCode::UnknownTopicOrPartition, message: None };
            let leader = match described.get(&*partition.topic) {
                Some(Ok(topic)) => topic
                    .partitions
                    .iter()
                    .find(|each| each.partition == partition.partition)
                    .ok_or_else(unknown)
                    .and_then(|each| each.leader.ok_or(Refusal { code: ErrorCode::LeaderNotAvailable, message: None })),
                Some(Err(refusal)) => Err(refusal.clone()),
                None => Err(unknown()),
            };
            match leader {
                Ok(leader) => drop(leaders.entry(leader).or_default().insert(partition.clone(), *what)),
                Err(refusal) => drop(answers.insert(partition.clone(), Err(refusal))),
            }
        }
        Ok(leaders)
    }

    /// A configuration with all its entries (or those in `keys`) as the broker tells them. Brokers before 2.6 have no
    /// documentation to give, those before 1.1 no synonyms.
    pub async fn describe_configs(
        &self,
        resource: &ConfigResource,
        keys: Option<&[&str]>,
        include_synonyms: bool,
        include_documentation: bool,
    ) -> Result<Vec<DescribeConfigsResourceResult>, ClientError> {
        let (resource_type, name) = resource.wire();
        let configuration_keys = keys.map(|keys| keys.iter().map(|key| Str::from(*key)).collect());
        let resources = vec![DescribeConfigsResource { resource_type, resource_name: name.into(), configuration_keys }];
        self.cluster
            .retry("DescribeConfigs", || async {
                let connection = self.for_resource(resource).await?;
                let version = connection.version_of::<DescribeConfigsRequest>(None)?;
                let request = DescribeConfigsRequest {
                    resources: resources.clone(),
                    include_synonyms: include_synonyms && version >= 1,
                    include_documentation: include_documentation && version >= 3,
                };
                let response = connection.call_at(version, &request, None).await?;
                let result = response.results.into_iter().next().ok_or_else(|| no_answer(ApiKey::DescribeConfigs))?;
                Refusal::check(result.error_code, result.error_message.as_ref().map(Str::as_str))
                    .map_err(|refusal| ClientError::Refused { api: ApiKey::DescribeConfigs, refusal })?;
                Ok(result.configs)
            })
            .await
    }

    /// Changes single keys of a configuration and leaves the others.
    pub async fn incremental_alter_configs(
        &self,
        resource: &ConfigResource,
        changes: &BTreeMap<String, ConfigChange>,
        validate_only: bool,
    ) -> Result<(), ClientError> {
        let (resource_type, name) = resource.wire();
        let configs = changes.iter().map(|(key, change)| alterable(key, change)).collect();
        let request = IncrementalAlterConfigsRequest {
            resources: vec![AlterConfigsResource { resource_type, resource_name: name.into(), configs }],
            validate_only,
        };
        self.cluster
            .retry("IncrementalAlterConfigs", || async {
                let response = self.for_resource(resource).await?.call(&request).await?;
                let result =
                    response.responses.first().ok_or_else(|| no_answer(IncrementalAlterConfigsRequest::KEY))?;
                Refusal::check(result.error_code, result.error_message.as_ref().map(Str::as_str))
                    .map_err(|refusal| ClientError::Refused { api: ApiKey::IncrementalAlterConfigs, refusal })
            })
            .await
    }

    async fn for_resource(&self, resource: &ConfigResource) -> Result<Connection, ClientError> {
        match resource.broker() {
            Some(id) => self.cluster.broker(id).await,
            None => self.cluster.any().await,
        }
    }
}

/// Which records a reader sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Isolation {
    /// All below the high watermark.
    #[default]
    ReadUncommitted,
    /// Of transactions only the committed ones.
    ReadCommitted,
}

impl Isolation {
    /// The number on the wire.
    pub fn id(self) -> i8 {
        match self {
            Isolation::ReadUncommitted => 0,
            Isolation::ReadCommitted => 1,
        }
    }
}

async fn ask_offsets(
    connection: &Connection,
    partitions: &BTreeMap<TopicPartition, OffsetSpec>,
    isolation: Isolation,
) -> Result<Answered<ListedOffset>, ClientError> {
    let needed = partitions.values().map(|spec| spec.min_version()).max().unwrap_or(1);
    let version = connection.version_of::<ListOffsetsRequest>(None)?;
    if version < needed {
        return Err(ClientError::Unsupported { broker: connection.broker().to_owned(), api: ApiKey::ListOffsets });
    }
    let mut topics: BTreeMap<&str, Vec<ListOffsetsPartition>> = BTreeMap::new();
    for (partition, spec) in partitions {
        topics.entry(&partition.topic).or_default().push(ListOffsetsPartition {
            partition_index: partition.partition,
            timestamp: spec.timestamp(),
            ..ListOffsetsPartition::default()
        });
    }
    let topics = topics.into_iter().map(|(name, partitions)| ListOffsetsTopic { name: name.into(), partitions });
    let isolation_level = if version >= 2 { isolation.id() } else { 0 };
    let request = ListOffsetsRequest { replica_id: -1, isolation_level, topics: topics.collect() };
    let response = connection.call_at(version, &request, None).await?;
    let mut answers = Vec::new();
    for topic in &response.topics {
        for each in &topic.partitions {
            let listed = ListedOffset {
                offset: Offset(each.offset),
                timestamp: each.timestamp,
                leader_epoch: LeaderEpoch(each.leader_epoch),
            };
            let partition = TopicPartition::new(topic.name.as_str(), each.partition_index);
            answers.push((partition, Refusal::check(each.error_code, None).map(|()| listed)));
        }
    }
    Ok(answers)
}

fn topic_description(topic: &MetadataResponseTopic) -> TopicDescription {
    let ids = |numbers: &[i32]| numbers.iter().copied().map(BrokerId).collect();
    let mut partitions: Vec<PartitionDescription> = topic
        .partitions
        .iter()
        .map(|partition| PartitionDescription {
            partition: partition.partition_index,
            leader: (partition.leader_id >= 0).then_some(BrokerId(partition.leader_id)),
            leader_epoch: LeaderEpoch(partition.leader_epoch),
            replicas: ids(&partition.replica_nodes),
            isr: ids(&partition.isr_nodes),
            offline: ids(&partition.offline_replicas),
        })
        .collect();
    partitions.sort_by_key(|partition| partition.partition);
    TopicDescription {
        name: topic.name.as_ref().map(|name| name.as_str().to_owned()).unwrap_or_default(),
        id: topic.topic_id,
        internal: topic.is_internal,
        partitions,
    }
}

fn creatable(topic: &NewTopic) -> CreatableTopic {
    let assigned = |(partition, brokers): (i32, &Vec<BrokerId>)| CreatableReplicaAssignment {
        partition_index: partition,
        broker_ids: numbers(brokers),
    };
    let config = |(name, value): (&String, &String)| CreatableTopicConfig {
        name: Str::from(name),
        value: Some(Str::from(value)),
    };
    CreatableTopic {
        name: Str::from(&topic.name),
        num_partitions: topic.partitions.unwrap_or(-1),
        replication_factor: topic.replication_factor.unwrap_or(-1),
        assignments: (0..).zip(&topic.assignment).map(assigned).collect(),
        configs: topic.configs.iter().map(config).collect(),
    }
}

fn alterable(key: &str, change: &ConfigChange) -> AlterableConfig {
    let (config_operation, value) = match change {
        ConfigChange::Set(value) => (0, Some(value)),
        ConfigChange::Delete => (1, None),
        ConfigChange::Append(value) => (2, Some(value)),
        ConfigChange::Subtract(value) => (3, Some(value)),
    };
    AlterableConfig { name: key.into(), config_operation, value: value.map(Str::from) }
}

fn numbers(ids: &[BrokerId]) -> Vec<i32> {
    ids.iter().map(|id| id.0).collect()
}

fn millis(timeout: Duration) -> i32 {
    i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX)
}

/// Waits a little longer than the broker may.
fn patient(timeout: Duration) -> Call {
    Call { max_version: None, timeout: Some(timeout + Duration::from_secs(5)) }
}

fn not_controller(code: &ErrorCode) -> bool {
    matches!(code, ErrorCode::NotController | ErrorCode::StaleControllerEpoch)
}

fn no_answer(api: ApiKey) -> ClientError {
    ClientError::Invalid(format!("{api} was answered without a result"))
}

#[cfg(test)]
mod tests;
