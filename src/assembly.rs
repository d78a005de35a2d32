//! Puts a broker together: logs, partitions, caches, coordinator, controller. The order of construction follows who needs
//! whom; nothing is decided here.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use config::BrokerConfig;
use storage::StorageError;
use storage::log_manager::{LogManager, LogManagerConfig};
use tokio::sync::watch;
use tracing::{error, info};
use zk_paths::topic::TopicAssignment;

use crate::broker::Broker;
use crate::controller_runner::{self, BrokerLinks, RunnerSettings, Setup};
use crate::finalized_features::FinalizedFeaturesCache;
use crate::group::GroupCoordinator;
use crate::group::config::GroupConfig;
use crate::identity::Identity;
use crate::local_broker::ThisBroker;
use crate::metadata_cache::MetadataCache;
use crate::producer_ids::ProducerIds;
use crate::replica;
use crate::replica::fetch_session::FetchSessions;
use crate::replica::manager::ReplicaManager;
use crate::replica::offsets_log::OffsetsOnReplicas;
use crate::server::{StartError, World};
use crate::topic_admin::TopicAdmin;
use crate::topic_configs::TopicConfigs;
use crate::topic_names::CONSUMER_OFFSETS;
use crate::topic_settings::TopicSettings;
use crate::zk::{Zk, ZkError};

/// What a broker is made of, from outside.
#[derive(Debug)]
pub struct Parts {
    /// Its settings.
    pub config: Arc<BrokerConfig>,
    /// Its machine.
    pub world: World,
    /// Its ZooKeeper session.
    pub zk: Arc<dyn Zk>,
    /// Who it is.
    pub identity: Identity,
    /// Set to a reason when it cannot go on.
    pub failure: watch::Sender<Option<String>>,
    /// Counts log directories that have failed.
    pub failed_dirs: watch::Sender<usize>,
    /// Whether it is registered.
    pub registered: watch::Receiver<bool>,
}

/// Loads the logs and builds the broker. It does nothing yet: it is not registered, and no request reaches it.
pub async fn assemble(parts: Parts) -> Result<Arc<Broker>, StartError> {
    let Parts { config, world, zk, identity, failure, failed_dirs, registered } = parts;
    let topic_configs = Arc::new(TopicConfigs::default());
    topic_configs.load(zk.as_ref()).await.map_err(StartError::of)?;
    let logs =
        Arc::new(load_logs(&config, &world, &topic_configs, failure, failed_dirs, identity.failed_log_dirs).await?);
    let me = identity.broker_id;
    let cleaner = replica::cleaner::cleaner(&config.cleaner, logs.clone(), world.clock.clone());
    let replicas = Arc::new(ReplicaManager::new(me, logs, config.topic_defaults.clone()));
    let offsets = OffsetsOnReplicas::new(replicas.clone(), &config.offsets);
    let partitions = offsets_partitions(zk.as_ref()).await?;
    let group_config = GroupConfig::new(&config, partitions);
    let groups = GroupCoordinator::new(group_config, Arc::new(offsets), world.clock.clone(), rand::random);
    Ok(Arc::new_cyclic(|broker: &Weak<Broker>| {
        let controller = controller_runner::start(Setup {
            me,
            zk: zk.clone(),
            clock: world.clock.clone(),
            links: Arc::new(BrokerLinks {
                me,
                local: Arc::new(ThisBroker(broker.clone())),
                network: world.network.clone(),
                listener: config.network.inter_broker_listener.clone(),
                request_timeout: config.controller.socket_timeout,
            }),
            registered,
            settings: RunnerSettings::from_config(&config),
        });
        Broker {
            id: me,
            cluster_id: identity.cluster_id,
            clock: world.clock,
            metadata: Arc::new(MetadataCache::default()),
            replicas,
            cleaner,
            finalized_features: FinalizedFeaturesCache::default(),
            topic_configs,
            groups: Arc::new(groups),
            fetch_sessions: FetchSessions::new(config.fetch.session_cache_slots),
            producer_ids: ProducerIds::new(zk.clone(), me),
            topic_admin: TopicAdmin::new(zk.clone(), config.replication.protocol_version),
            controller,
            zk,
            config,
        }
    }))
}

/// Loading reads files for as long as it takes, so that it leaves the runtime's workers.
async fn load_logs(
    config: &Arc<BrokerConfig>,
    world: &World,
    topic_configs: &Arc<TopicConfigs>,
    failure: watch::Sender<Option<String>>,
    failed_dirs: watch::Sender<usize>,
    failed_already: Vec<(PathBuf, StorageError)>,
) -> Result<LogManager, StartError> {
    let dirs = config.logs.dirs.len();
    let listener = move |path: &Path, reason: &str| {
        error!("log directory {} goes offline: {reason}", path.display());
        failed_dirs.send_modify(|failed| *failed += 1);
        if *failed_dirs.borrow() >= dirs {
            failure.send_replace(Some("all log directories are offline".into()));
        }
    };
    let settings = LogManagerConfig {
        log_dirs: config.logs.dirs.clone(),
        recovery_threads_per_dir: config.logs.recovery_threads_per_dir,
        producer_id_expiration: config.transactions.producer_id_expiration,
        failure_listener: Some(Arc::new(listener)),
        failed_dirs: failed_already.into_iter().map(|(dir, fault)| (dir, fault.to_string())).collect(),
        progress: Arc::default(),
    };
    let (disk, clock) = (world.disk.clone(), world.clock.clone());
    let (config, topic_configs) = (config.clone(), topic_configs.clone());
    let loading = tokio::task::spawn_blocking(move || {
        let begun = clock.monotonic();
        let topic_config =
            |topic: &str| TopicSettings::resolve(&config.topic_defaults, topic, &topic_configs.of(topic)).log;
        let loaded = LogManager::load(settings, disk, clock.clone(), &topic_config);
        loaded.inspect(|logs| {
            let took = clock.monotonic().saturating_sub(begun);
            info!("Loaded {} logs in {}ms{}", logs.all().len(), took.as_millis(), unclean(logs));
        })
    });
    loading.await.map_err(StartError::of)?.map_err(StartError::of)
}

/// Which directories were not stopped cleanly, as Kafka's line about loaded logs says it.
fn unclean(logs: &LogManager) -> String {
    let dirs: Vec<String> = logs.unclean_dirs().iter().map(|path| path.display().to_string()).collect();
    if dirs.is_empty() { String::new() } else { format!(" (unclean log dirs = {})", dirs.join(", ")) }
}

/// How many partitions `__consumer_offsets` has; `None` when there is none yet.
async fn offsets_partitions(zk: &dyn Zk) -> Result<Option<i32>, StartError> {
    match zk.get(&zk_paths::topic::path(CONSUMER_OFFSETS)).await {
        Err(ZkError::NoNode { .. }) => Ok(None),
        Err(error) => Err(StartError::of(error)),
        Ok(node) => {
            let topic = TopicAssignment::decode(CONSUMER_OFFSETS, &node.data).map_err(StartError::of)?;
            Ok(Some(topic.partitions.len() as i32))
        }
    }
}
