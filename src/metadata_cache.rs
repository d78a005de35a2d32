//! What this broker knows of the cluster, as the controller told it (UpdateMetadata): live brokers and their endpoints,
//! who leads what, the controller. Every broker answers Metadata from here, so it may trail ZooKeeper but never runs
//! ahead of what the controller has decided.
//!
//! Readers take no lock: topics sit in a concurrent map, brokers behind one atomic pointer. A topic's partitions are
//! replaced together; two topics may be seen at different moments, as in Kafka between two UpdateMetadata requests.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use tokio::sync::watch;
use zk_paths::ids::{BrokerId, LeaderEpoch, TopicId, TopicName};

use crate::locks::lock;

/// A live broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerInfo {
    /// Its id.
    pub id: BrokerId,
    /// `broker.rack`.
    pub rack: Option<String>,
    /// Host and port by listener name.
    pub endpoints: HashMap<String, (String, i32)>,
}

/// A partition's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionInfo {
    /// Its leader, or [`BrokerId::NONE`].
    pub leader: BrokerId,
    /// The leader's epoch.
    pub leader_epoch: LeaderEpoch,
    /// In-sync replicas.
    pub isr: Vec<i32>,
    /// All replicas, the preferred one first.
    pub replicas: Vec<i32>,
    /// Replicas on failed log directories.
    pub offline_replicas: Vec<i32>,
}

/// A topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicInfo {
    /// Its name.
    pub name: TopicName,
    /// Its id, or zero.
    pub id: TopicId,
    /// Its partitions by number.
    pub partitions: BTreeMap<i32, Arc<PartitionInfo>>,
}

/// One partition's news; `None` when its topic is being deleted.
#[derive(Debug, Clone)]
pub struct PartitionUpdate {
    /// The topic's name.
    pub topic: TopicName,
    /// The topic's id, or zero.
    pub topic_id: TopicId,
    /// The partition.
    pub partition: i32,
    /// Its state, unless it goes.
    pub info: Option<PartitionInfo>,
}

#[derive(Debug, Default)]
struct Brokers {
    by_id: BTreeMap<i32, BrokerInfo>,
    controller: Option<BrokerId>,
}

/// The cache.
#[derive(Debug)]
pub struct MetadataCache {
    topics: papaya::HashMap<TopicName, Arc<TopicInfo>>,
    names: papaya::HashMap<TopicId, TopicName>,
    brokers: ArcSwap<Brokers>,
    writing: Mutex<()>,
    changes: watch::Sender<u64>,
}

impl Default for MetadataCache {
    fn default() -> Self {
        MetadataCache {
            topics: papaya::HashMap::new(),
            names: papaya::HashMap::new(),
            brokers: ArcSwap::default(),
            writing: Mutex::new(()),
            changes: watch::channel(0).0,
        }
    }
}

impl MetadataCache {
    /// Takes in an UpdateMetadata: the brokers replace those known before, the partitions are changes.
    pub fn update(&self, controller: BrokerId, brokers: Vec<BrokerInfo>, partitions: Vec<PartitionUpdate>) {
        let _one_writer = lock(&self.writing);
        let by_id: BTreeMap<i32, BrokerInfo> = brokers.into_iter().map(|broker| (broker.id.0, broker)).collect();
        let controller = Some(controller).filter(|controller| by_id.contains_key(&controller.0));
        self.brokers.store(Arc::new(Brokers { by_id, controller }));
        let mut by_topic: HashMap<TopicName, Vec<PartitionUpdate>> = HashMap::new();
        for update in partitions {
            by_topic.entry(update.topic.clone()).or_default().push(update);
        }
        for (name, updates) in by_topic {
            self.update_topic(name, updates);
        }
        self.changes.send_modify(|version| *version += 1);
    }

    fn update_topic(&self, name: TopicName, updates: Vec<PartitionUpdate>) {
        let topics = self.topics.pin();
        let known = topics.get(&name).cloned();
        let empty = || TopicInfo { name: name.clone(), id: TopicId::ZERO, partitions: BTreeMap::new() };
        let mut topic = known.as_deref().cloned().unwrap_or_else(empty);
        let former_id = topic.id;
        for update in updates {
            if !update.topic_id.is_zero() {
                topic.id = update.topic_id;
            }
            match update.info {
                Some(info) => drop(topic.partitions.insert(update.partition, Arc::new(info))),
                None => drop(topic.partitions.remove(&update.partition)),
            }
        }
        let names = self.names.pin();
        if !former_id.is_zero() && (former_id != topic.id || topic.partitions.is_empty()) {
            names.remove(&former_id);
        }
        if topic.partitions.is_empty() {
            topics.remove(&name);
        } else {
            if !topic.id.is_zero() {
                names.insert(topic.id, name.clone());
            }
            topics.insert(name, Arc::new(topic));
        }
    }

    /// A topic by its name.
    pub fn topic(&self, name: &str) -> Option<Arc<TopicInfo>> {
        self.topics.pin().get(name).cloned()
    }

    /// A topic's name by its id.
    pub fn topic_name(&self, id: TopicId) -> Option<TopicName> {
        self.names.pin().get(&id).cloned()
    }

    /// All topics, in no order.
    pub fn topics(&self) -> Vec<Arc<TopicInfo>> {
        self.topics.pin().values().cloned().collect()
    }

    /// One partition.
    pub fn partition(&self, topic: &str, partition: i32) -> Option<Arc<PartitionInfo>> {
        self.topics.pin().get(topic)?.partitions.get(&partition).cloned()
    }

    /// Whether nothing has been told yet: this broker itself is missing from the live ones.
    pub fn is_untold(&self) -> bool {
        self.brokers.load().by_id.is_empty()
    }

    /// Live brokers, by id.
    pub fn brokers(&self) -> Vec<BrokerInfo> {
        self.brokers.load().by_id.values().cloned().collect()
    }

    /// Whether a broker is alive.
    pub fn is_alive(&self, id: BrokerId) -> bool {
        self.brokers.load().by_id.contains_key(&id.0)
    }

    /// Where a live broker listens under this listener name.
    pub fn endpoint(&self, id: BrokerId, listener: &str) -> Option<(String, i32)> {
        self.brokers.load().by_id.get(&id.0)?.endpoints.get(listener).cloned()
    }

    /// The controller, when it is known and alive.
    pub fn controller(&self) -> Option<BrokerId> {
        self.brokers.load().controller
    }

    /// Waits until `ready` holds; `false` when it does not within `limit`.
    pub async fn wait_until(&self, limit: std::time::Duration, ready: impl Fn(&MetadataCache) -> bool) -> bool {
        let mut changes = self.changes.subscribe();
        let waiting = async {
            while !ready(self) {
                // The sender lives as long as `self`.
                if changes.changed().await.is_err() {
                    return;
                }
            }
        };
        tokio::time::timeout(limit, waiting).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn broker(id: i32) -> BrokerInfo {
        let endpoints = HashMap::from([("PLAINTEXT".to_string(), ("host".to_string(), 9092))]);
        BrokerInfo { id: BrokerId(id), rack: None, endpoints }
    }

    fn update(topic: &str, id: u8, partition: i32, leader: Option<i32>) -> PartitionUpdate {
        let info = leader.map(|leader| PartitionInfo {
            leader: BrokerId(leader),
            leader_epoch: LeaderEpoch(0),
            isr: vec![leader],
            replicas: vec![leader],
            offline_replicas: vec![],
        });
        PartitionUpdate { topic: topic.into(), topic_id: TopicId([id; 16]), partition, info }
    }

    #[test]
    fn partitions_come_change_and_go() {
        let cache = MetadataCache::default();
        assert!(cache.is_untold());
        cache.update(BrokerId(1), vec![broker(1)], vec![update("t", 7, 0, Some(1)), update("t", 7, 1, Some(1))]);
        assert!(!cache.is_untold());
        assert_eq!(cache.topic("t").unwrap().partitions.len(), 2);
        assert_eq!(cache.topic_name(TopicId([7; 16])).as_deref(), Some("t"));
        assert_eq!(cache.controller(), Some(BrokerId(1)));

        cache.update(BrokerId(9), vec![broker(2)], vec![update("t", 7, 1, Some(2)), update("t", 7, 0, None)]);
        assert_eq!(cache.partition("t", 1).unwrap().leader, BrokerId(2));
        assert_eq!(cache.partition("t", 0), None);
        assert_eq!(cache.controller(), None, "a controller that is not alive is unknown");
        assert!(!cache.is_alive(BrokerId(1)));

        cache.update(BrokerId(2), vec![broker(2)], vec![update("t", 7, 1, None)]);
        assert!(cache.topic("t").is_none() && cache.topic_name(TopicId([7; 16])).is_none());
    }

    #[test]
    fn a_topic_made_anew_loses_its_old_id() {
        let cache = MetadataCache::default();
        cache.update(BrokerId(1), vec![broker(1)], vec![update("t", 7, 0, Some(1))]);
        cache.update(BrokerId(1), vec![broker(1)], vec![update("t", 8, 0, Some(1))]);
        assert_eq!(cache.topic_name(TopicId([7; 16])), None);
        assert_eq!(cache.topic_name(TopicId([8; 16])).as_deref(), Some("t"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiter_sees_the_change_or_its_limit() {
        let cache = Arc::new(MetadataCache::default());
        let waiting = {
            let cache = cache.clone();
            tokio::spawn(
                async move { cache.wait_until(Duration::from_secs(5), |cache| cache.topic("t").is_some()).await },
            )
        };
        tokio::task::yield_now().await;
        cache.update(BrokerId(1), vec![broker(1)], vec![update("t", 7, 0, Some(1))]);
        assert!(waiting.await.unwrap());
        assert!(!cache.wait_until(Duration::from_secs(5), |cache| cache.topic("u").is_some()).await);
    }
}
