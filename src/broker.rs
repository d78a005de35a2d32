//! The running broker: what its handlers share. Built by `server.rs`; nothing here starts or stops anything.

use std::collections::BTreeMap;
use std::sync::Arc;

use config::BrokerConfig;
use rand::RngExt;
use storage::cleaner::LogCleaner;
use tracing::{info, warn};
use wire::ErrorCode;
use world::Clock;
use zk_paths::config_entity::ConfigEntity;
use zk_paths::ids::BrokerId;

use crate::controller_runner::ControllerHandle;
use crate::finalized_features::FinalizedFeaturesCache;
use crate::group::GroupCoordinator;
use crate::handlers::create_topics;
use crate::handlers::describe_configs::Refused;
use crate::metadata_cache::MetadataCache;
use crate::producer_ids::ProducerIds;
use crate::replica::fetch_session::FetchSessions;
use crate::replica::manager::ReplicaManager;
use crate::replica::move_rate;
use crate::replica::partition::Partition;
use crate::topic_admin::TopicAdmin;
use crate::topic_configs::{self, Overrides, TopicConfigListener, TopicConfigs};
use crate::topic_names::{CONSUMER_OFFSETS, TRANSACTION_STATE};
use crate::zk::Zk;

/// A broker, as its handlers see it.
#[derive(Debug)]
pub struct Broker {
    /// This broker's id.
    pub id: BrokerId,
    /// The cluster's id.
    pub cluster_id: String,
    /// Its settings.
    pub config: Arc<BrokerConfig>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What the controller told.
    pub metadata: Arc<MetadataCache>,
    /// Partitions hosted here.
    pub replicas: Arc<ReplicaManager>,
    /// Cleans compacted logs; `None` with `log.cleaner.enable=false`.
    pub cleaner: Option<Arc<LogCleaner>>,
    /// The cluster's features.
    pub finalized_features: FinalizedFeaturesCache,
    /// Topics' own settings.
    pub topic_configs: Arc<TopicConfigs>,
    /// Consumer groups coordinated here.
    pub groups: Arc<GroupCoordinator>,
    /// Fetch sessions.
    pub fetch_sessions: FetchSessions,
    /// Ids for idempotent producers.
    pub producer_ids: ProducerIds,
    /// Creates, grows and deletes topics.
    pub topic_admin: TopicAdmin,
    /// This broker's part in controlling the cluster.
    pub controller: ControllerHandle,
    /// The ZooKeeper session.
    pub zk: Arc<dyn Zk>,
}

/// Kafka's settings for `__consumer_offsets` (`GroupCoordinator.offsetsTopicConfigs`).
fn offsets_topic_settings(config: &BrokerConfig) -> BTreeMap<String, String> {
    let segment_bytes = config.offsets.topic_segment_bytes.to_string();
    let pairs = [
        ("cleanup.policy", "compact".into()),
        ("segment.bytes", segment_bytes),
        ("compression.type", "producer".into()),
    ];
    pairs.into_iter().map(|(name, value)| (name.into(), value)).collect()
}

impl Broker {
    /// A partition led or followed here. Otherwise: KAFKA_STORAGE_ERROR when its directory has failed,
    /// NOT_LEADER_OR_FOLLOWER when it is somewhere else, UNKNOWN_TOPIC_OR_PARTITION when it is nowhere.
    pub fn partition(&self, topic: &str, partition: i32) -> Result<Arc<Partition>, ErrorCode> {
        match self.replicas.partition(topic, partition) {
            Some(hosted) => hosted,
            None if self.metadata.partition(topic, partition).is_some() => Err(ErrorCode::NotLeaderOrFollower),
            None => Err(ErrorCode::UnknownTopicOrPartition),
        }
    }

    /// Whether this broker is the controller.
    pub fn is_controller(&self) -> bool {
        self.controller.is_active()
    }

    /// Makes a topic that somebody asked for, with the broker's defaults; internal ones with theirs. Answers what to tell
    /// the asker: LEADER_NOT_AVAILABLE when it is on its way (`ZkAutoTopicCreationManager`).
    pub async fn auto_create_topic(&self, name: &str) -> ErrorCode {
        let offsets = &self.config.offsets;
        let (partitions, replicas, settings) = match name {
            CONSUMER_OFFSETS => {
                let (partitions, replicas) = (offsets.topic_partitions, i64::from(offsets.topic_replication_factor));
                (i64::from(partitions), replicas, offsets_topic_settings(&self.config))
            }
            TRANSACTION_STATE => return ErrorCode::InvalidTopicException,
            _ => (-1, -1, BTreeMap::new()),
        };
        let created = match create_topics::placed(self, partitions, replicas) {
            Err(refused) => Err(refused),
            Ok(placement) => {
                let created = self.topic_admin.create_topic(name, &placement, &settings).await;
                created.map(drop).map_err(create_topics::refused)
            }
        };
        match created {
            Ok(()) => {
                info!(topic = name, "topic created because it was asked for");
                ErrorCode::LeaderNotAvailable
            }
            Err((ErrorCode::TopicAlreadyExists, _)) => ErrorCode::LeaderNotAvailable,
            Err((error, text)) => {
                warn!(topic = name, "topic could not be created on demand: {text}");
                error
            }
        }
    }

    /// The topic's overrides as they are in ZooKeeper now.
    pub async fn read_topic_settings(&self, topic: &str) -> Result<BTreeMap<String, String>, Refused> {
        let read = self.topic_configs.read(self.zk.as_ref(), topic).await;
        read.map_err(|error| (ErrorCode::UnknownServerError, error.to_string()))
    }

    /// The dynamic settings of this broker, or of all (`None`), as they are in ZooKeeper now.
    pub async fn read_broker_settings(&self, broker: Option<BrokerId>) -> Result<BTreeMap<String, String>, Refused> {
        let read = move_rate::read(self.zk.as_ref(), broker).await;
        read.map_err(|error| (ErrorCode::UnknownServerError, error.to_string()))
    }

    /// Replaces the settings of a topic, or of brokers, and announces it to all brokers.
    pub async fn write_settings(
        &self,
        entity: &ConfigEntity,
        settings: &BTreeMap<String, String>,
    ) -> Result<(), Refused> {
        let changed = topic_configs::change(self.zk.as_ref(), entity, settings).await;
        changed.map_err(|error| (ErrorCode::UnknownServerError, error.to_string()))
    }

    /// A source of random numbers for ids.
    pub fn random_i32(&self) -> impl FnMut() -> i32 + use<> {
        || rand::rng().random()
    }
}

impl TopicConfigListener for Broker {
    fn topic_config_changed(&self, topic: &str, overrides: &Overrides) {
        self.replicas.topic_config_changed(topic, overrides);
        self.controller.topic_config_changed(topic, overrides);
    }
}
