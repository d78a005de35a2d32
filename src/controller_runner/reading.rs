//! What events need to be read from ZooKeeper. Nodes that cannot be understood are logged and left out: one broken node
//! must not stop the controller.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use controller::cluster::{Leadership, LiveBroker};
use controller::event::NewTopic;
use controller::{ClusterState, Event, Snapshot};
use tracing::warn;
use zk_paths::broker_registration::{self, BrokerRegistration};
use zk_paths::config_entity::{self, ConfigEntity};
use zk_paths::ids::{BrokerEpoch, BrokerId, TopicName, TopicPartition};
use zk_paths::topic::{self, TopicAssignment};
use zk_paths::{
    broker_ids, delete_topics, isr_change_notification, log_dir_event_notification, partition_state,
    preferred_replica_election,
};

use super::End;
use super::writing::leadership;
use crate::topic_admin::random_topic_id;
use crate::zk::{Node, Zk, ZkError};

/// Reads the cluster.
#[derive(Debug, Clone)]
pub(super) struct Reader {
    zk: Arc<dyn Zk>,
}

/// The topic configuration that the controller looks at.
pub(super) const UNCLEAN_ELECTION: &str = "unclean.leader.election.enable";

/// A topic's own `unclean.leader.election.enable`; a value that is no boolean counts as none.
pub(super) fn unclean_allowed(config: &BTreeMap<String, String>) -> Option<bool> {
    config.get(UNCLEAN_ELECTION)?.to_lowercase().parse().ok()
}

impl Reader {
    pub fn new(zk: Arc<dyn Zk>) -> Reader {
        Reader { zk }
    }

    /// Everything a new term needs.
    pub async fn snapshot(&self) -> Result<Snapshot, End> {
        let brokers = self.brokers().await?;
        let names: Vec<TopicName> = self.children(topic::ROOT).await?.iter().map(|name| name.as_str().into()).collect();
        let topics = self.topics(names).await?;
        let partitions = topics.iter().flat_map(|topic| {
            let numbers = topic.assignment.partitions.keys();
            numbers.map(|partition| TopicPartition { topic: topic.name.clone(), partition: *partition })
        });
        let states = self.states(partitions.collect()).await?;
        Ok(Snapshot { brokers, topics, states, deletions: self.deletions().await? })
    }

    /// All registered brokers.
    pub async fn brokers(&self) -> Result<Vec<LiveBroker>, End> {
        let names = self.children(broker_ids::PATH).await?;
        let ids: Vec<_> = names.iter().filter_map(|name| understood(broker_ids::parse_child(name))).collect();
        let paths: Vec<_> = ids.iter().map(|id| broker_registration::path(*id)).collect();
        let nodes = self.zk.get_many(&paths).await?;
        Ok(ids.iter().zip(nodes).filter_map(|(id, node)| live_broker(*id, &node?)).collect())
    }

    /// One registered broker.
    pub async fn broker(&self, id: BrokerId) -> Result<Option<LiveBroker>, End> {
        let nodes = self.zk.get_many(&[broker_registration::path(id)]).await?;
        Ok(nodes.into_iter().flatten().find_map(|node| live_broker(id, &node)))
    }

    /// Topics that came and went, compared with what is known.
    pub async fn topic_changes(&self, known: &ClusterState) -> Result<Event, End> {
        let names = self.children(topic::ROOT).await?;
        let new = names.iter().filter(|name| known.topic(name).is_none()).map(|name| name.as_str().into());
        let is_there = |topic: &TopicName| names.binary_search_by(|name| name.as_str().cmp(topic)).is_ok();
        let removed = known.topics().map(|(topic, _)| topic).filter(|topic| !is_there(topic)).cloned().collect();
        Ok(Event::TopicsChanged { added: self.topics(new.collect()).await?, removed })
    }

    /// Topics with their own settings, as far as they are there.
    pub async fn topics(&self, names: Vec<TopicName>) -> Result<Vec<NewTopic>, End> {
        let topic_paths: Vec<_> = names.iter().map(|name| topic::path(name)).collect();
        let entities: Vec<_> = names.iter().map(|name| ConfigEntity::Topic(name.to_string())).collect();
        let config_paths: Vec<_> = entities.iter().map(ConfigEntity::path).collect();
        let nodes = self.zk.get_many(&topic_paths).await?;
        let configs = self.zk.get_many(&config_paths).await?;
        let mut topics = Vec::with_capacity(names.len());
        for (((name, node), entity), config) in names.into_iter().zip(nodes).zip(entities).zip(configs) {
            let Some(node) = node else { continue };
            let Some(assignment) = understood(TopicAssignment::decode(&name, &node.data)) else { continue };
            let config = config.and_then(|node| understood(config_entity::decode(&entity, &node.data)));
            topics.push(NewTopic {
                name,
                assignment,
                zk_version: node.stat.version,
                unclean_allowed: config.as_ref().and_then(unclean_allowed),
                spare_id: random_topic_id(),
            });
        }
        Ok(topics)
    }

    /// State nodes, as far as they are there.
    pub async fn states(&self, partitions: Vec<TopicPartition>) -> Result<HashMap<TopicPartition, Leadership>, End> {
        let paths: Vec<_> = partitions.iter().map(partition_state::path).collect();
        let nodes = self.zk.get_many(&paths).await?;
        let states = partitions.into_iter().zip(nodes).filter_map(|(partition, node)| {
            let state = understood(leadership(&partition, &node?))?;
            Some((partition, state))
        });
        Ok(states.collect())
    }

    /// Topics to be deleted.
    pub async fn deletions(&self) -> Result<Vec<TopicName>, End> {
        let names = self.children(delete_topics::PATH).await?;
        Ok(names.iter().map(|name| name.as_str().into()).collect())
    }

    /// The brokers that report a failed log directory, and the entries they wrote.
    pub async fn log_dir_failures(&self) -> Result<(Vec<BrokerId>, Vec<String>), End> {
        let entries = self.children(log_dir_event_notification::PATH).await?;
        let paths: Vec<_> = entries.iter().map(|entry| log_dir_event_notification::child_path(entry)).collect();
        let nodes = self.zk.get_many(&paths).await?;
        let mut brokers: Vec<_> = entries
            .iter()
            .zip(nodes)
            .filter_map(|(entry, node)| understood(log_dir_event_notification::decode(entry, &node?.data)))
            .collect();
        brokers.sort();
        brokers.dedup();
        Ok((brokers, paths))
    }

    /// The states that leaders say they wrote, and the entries that say so.
    pub async fn isr_changes(&self) -> Result<(Vec<(TopicPartition, Leadership)>, Vec<String>), End> {
        let entries = self.children(isr_change_notification::PATH).await?;
        let paths: Vec<_> = entries.iter().map(|entry| isr_change_notification::child_path(entry)).collect();
        let nodes = self.zk.get_many(&paths).await?;
        let mut partitions: Vec<_> = entries
            .iter()
            .zip(nodes)
            .filter_map(|(entry, node)| understood(isr_change_notification::decode(entry, &node?.data)))
            .flatten()
            .collect();
        partitions.sort();
        partitions.dedup();
        Ok((self.states(partitions).await?.into_iter().collect(), paths))
    }

    /// The partitions for which a tool wants preferred leaders; `None` when nobody asks.
    pub async fn preferred_election(&self) -> Result<Option<Vec<TopicPartition>>, End> {
        match self.zk.get(preferred_replica_election::PATH).await {
            Ok(node) => Ok(understood(preferred_replica_election::decode(&node.data))),
            Err(ZkError::NoNode { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether a node is there.
    pub async fn exists(&self, path: &str) -> Result<bool, End> {
        Ok(self.zk.exists(path).await?.is_some())
    }

    async fn children(&self, path: &str) -> Result<Vec<String>, End> {
        match self.zk.children(path).await {
            Ok(names) => Ok(names),
            Err(ZkError::NoNode { .. }) => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }
}

fn live_broker(id: BrokerId, node: &Node) -> Option<LiveBroker> {
    let registration = understood(BrokerRegistration::decode(id, &node.data))?;
    Some(LiveBroker { id, broker_epoch: BrokerEpoch(node.stat.czxid), registration })
}

fn understood<T, E: std::fmt::Display>(read: Result<T, E>) -> Option<T> {
    read.inspect_err(|problem| warn!("{problem}; the controller goes on without it")).ok()
}
