//! Creates, grows and deletes topics by writing what the controller watches (zookeeper.md 5.4). Any broker may do it; the
//! controller notices. Waiting until a topic shows up is the handler's business, through the metadata cache.
//!
//! Every write is safe against a lost answer: it is read back, and what is provably ours counts as done.
//! Texts of refusals are Kafka's, because clients show them (`AdminZkClient`, `ZkAdminManager`).
//! Absent: configuration checks (`config`), policies and quotas.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use config::MetadataVersion;
use controller::assignment::{AssignmentError, Place, Start, assign_replicas};
use rand::RngExt;
use thiserror::Error;
use wire::ErrorCode;
use zk_paths::config_entity::{self, ConfigEntity};
use zk_paths::ids::{BrokerId, TopicId, ZkVersion};
use zk_paths::topic::{self, ReplicaAssignment, TopicAssignment, TopicFormat};
use zk_paths::{MalformedZnode, delete_topics};

use crate::topic_names;
use crate::zk::{CreateMode, Zk, ZkError};

/// Why a topic was not created, grown or deleted.
#[derive(Debug, Error)]
pub enum TopicAdminError {
    /// The name may not be used.
    #[error("{0}")]
    InvalidName(String),
    /// There is one already.
    #[error("Topic '{0}' already exists.")]
    Exists(String),
    /// The name is still in use by a topic on its way out.
    #[error("Topic '{0}' is marked for deletion.")]
    MarkedForDeletion(String),
    /// Metrics would write both names alike.
    #[error("Topic '{name}' collides with existing topics: {with}")]
    Collides {
        /// The wanted name.
        name: String,
        /// What is there.
        with: String,
    },
    /// There is none.
    #[error("The topic '{0}' does not exist.")]
    Unknown(String),
    /// Replicas cannot be placed.
    #[error(transparent)]
    Assignment(#[from] AssignmentError),
    /// The caller's own placement makes no sense.
    #[error("{0}")]
    InvalidAssignment(String),
    /// The wanted number of partitions is no increase.
    #[error("{0}")]
    InvalidPartitions(String),
    /// No partitions are added to a topic on its way out.
    #[error("The topic is queued for deletion.")]
    QueuedForDeletion,
    /// Partitions cannot be added now.
    #[error("A partition reassignment is in progress for the topic '{0}'.")]
    BeingReassigned(String),
    /// ZooKeeper did not do what was asked.
    #[error("ZooKeeper refused: {0}")]
    Zk(#[from] ZkError),
    /// A node cannot be understood.
    #[error(transparent)]
    Malformed(#[from] MalformedZnode),
}

impl TopicAdminError {
    /// The error code for clients.
    pub fn code(&self) -> ErrorCode {
        match self {
            TopicAdminError::InvalidName(_) | TopicAdminError::Collides { .. } | TopicAdminError::QueuedForDeletion => {
                ErrorCode::InvalidTopicException
            }
            TopicAdminError::Exists(_) | TopicAdminError::MarkedForDeletion(_) => ErrorCode::TopicAlreadyExists,
            TopicAdminError::Unknown(_) => ErrorCode::UnknownTopicOrPartition,
            TopicAdminError::Assignment(AssignmentError::NoPartitions) => ErrorCode::InvalidPartitions,
            TopicAdminError::Assignment(AssignmentError::NoReplicas | AssignmentError::TooFewBrokers { .. }) => {
                ErrorCode::InvalidReplicationFactor
            }
            TopicAdminError::Assignment(AssignmentError::RacksIncomplete) => ErrorCode::UnknownServerError,
            TopicAdminError::InvalidAssignment(_) => ErrorCode::InvalidReplicaAssignment,
            TopicAdminError::InvalidPartitions(_) => ErrorCode::InvalidPartitions,
            TopicAdminError::BeingReassigned(_) => ErrorCode::ReassignmentInProgress,
            TopicAdminError::Zk(_) | TopicAdminError::Malformed(_) => ErrorCode::UnknownServerError,
        }
    }
}

/// Replicas of each partition, the preferred one first.
pub type Placement = Vec<Vec<BrokerId>>;

/// Writes topics.
#[derive(Debug, Clone)]
pub struct TopicAdmin {
    zk: Arc<dyn Zk>,
    topic_ids: bool,
}

impl TopicAdmin {
    /// The inter-broker protocol version decides whether new topics get ids.
    pub fn new(zk: Arc<dyn Zk>, protocol: MetadataVersion) -> TopicAdmin {
        TopicAdmin { zk, topic_ids: protocol.has_topic_ids() }
    }

    /// Places the replicas of a new topic, from a random start.
    pub fn place(&self, places: &[Place], partitions: usize, replicas: usize) -> Result<Placement, TopicAdminError> {
        let mut random = rand::rng();
        let (broker_index, replica_shift) = (random.random_range(0..usize::MAX), random.random_range(0..usize::MAX));
        let start = Start { broker_index, replica_shift, first_partition: 0 };
        Ok(assign_replicas(places, partitions, replicas, start)?)
    }

    /// All checks of a creation, for `validateOnly` requests too.
    pub async fn check_new_topic(&self, name: &str, placement: &Placement) -> Result<(), TopicAdminError> {
        topic_names::validate(name).map_err(TopicAdminError::InvalidName)?;
        if self.zk.exists(&delete_topics::topic_path(name)).await?.is_some() {
            return Err(TopicAdminError::MarkedForDeletion(name.into()));
        }
        if self.zk.exists(&topic::path(name)).await?.is_some() {
            return Err(TopicAdminError::Exists(name.into()));
        }
        self.check_collisions(name).await?;
        check_placement(placement)
    }

    /// Creates a topic; answers its id where ids are in use. Existing topics of the name are left alone.
    pub async fn create_topic(
        &self,
        name: &str,
        placement: &Placement,
        configs: &BTreeMap<String, String>,
    ) -> Result<Option<TopicId>, TopicAdminError> {
        self.check_new_topic(name, placement).await?;
        self.write_config(name, configs).await?;
        let partitions = (0..).zip(placement).map(|(n, replicas)| (n, ReplicaAssignment::of(replicas.iter().copied())));
        let topic_id = self.topic_ids.then(random_topic_id);
        let assignment = TopicAssignment { topic_id, partitions: partitions.collect() };
        let (path, data) = (topic::path(name), Bytes::from(assignment.encode(TopicFormat::V3)));
        loop {
            match self.zk.create(&path, Some(data.clone()), CreateMode::Persistent).await {
                Ok(_) => return Ok(topic_id),
                Err(ZkError::UnknownOutcome { .. }) => match self.zk.get(&path).await {
                    Ok(node) if node.data == data => return Ok(topic_id),
                    Err(ZkError::NoNode { .. }) => {}
                    Ok(_) => return Err(TopicAdminError::Exists(name.into())),
                    Err(error) => return Err(error.into()),
                },
                Err(ZkError::NodeExists { .. }) => return Err(TopicAdminError::Exists(name.into())),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Adds partitions up to `count`, placed by the caller or here; answers the new ones' replicas. With `validate_only`
    /// nothing is written. Partitions that somebody else adds meanwhile are seen: the checks run again.
    pub async fn create_partitions(
        &self,
        name: &str,
        count: i32,
        placement: Option<&Placement>,
        places: &[Place],
        validate_only: bool,
    ) -> Result<Placement, TopicAdminError> {
        if self.zk.exists(&delete_topics::topic_path(name)).await?.is_some() {
            return Err(TopicAdminError::QueuedForDeletion);
        }
        let path = topic::path(name);
        loop {
            let node = match self.zk.get(&path).await {
                Err(ZkError::NoNode { .. }) => return Err(TopicAdminError::Unknown(name.into())),
                read => read?,
            };
            let mut topic = TopicAssignment::decode(name, &node.data)?;
            let added = plan_growth(name, &topic, count, placement, places)?;
            if validate_only {
                return Ok(added);
            }
            let present = topic.partitions.len() as i32;
            let partitions = (present..).zip(&added);
            topic.partitions.extend(partitions.map(|(n, ids)| (n, ReplicaAssignment::of(ids.iter().copied()))));
            let data = Bytes::from(topic.encode(TopicFormat::V3));
            match self.zk.set(&path, data.clone(), node.stat.version).await {
                Ok(_) => return Ok(added),
                Err(ZkError::BadVersion { .. }) => {}
                Err(ZkError::UnknownOutcome { .. }) if self.zk.get(&path).await?.data == data => return Ok(added),
                Err(ZkError::UnknownOutcome { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Asks the controller to delete a topic. One that is asked for already is as good.
    pub async fn delete_topic(&self, name: &str) -> Result<(), TopicAdminError> {
        if self.zk.exists(&topic::path(name)).await?.is_none() {
            return Err(TopicAdminError::Unknown(name.into()));
        }
        let path = delete_topics::topic_path(name);
        loop {
            match self.zk.create(&path, None, CreateMode::Persistent).await {
                Ok(_) | Err(ZkError::NodeExists { .. }) => return Ok(()),
                Err(ZkError::UnknownOutcome { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn check_collisions(&self, name: &str) -> Result<(), TopicAdminError> {
        if !name.contains(['.', '_']) {
            return Ok(());
        }
        let topics = self.zk.children(topic::ROOT).await?;
        let colliding: Vec<_> = topics.iter().filter(|other| topic_names::collide(name, other)).cloned().collect();
        if colliding.iter().any(|other| other == name) {
            return Err(TopicAdminError::Exists(name.into()));
        }
        if !colliding.is_empty() {
            return Err(TopicAdminError::Collides { name: name.into(), with: colliding.join(", ") });
        }
        Ok(())
    }

    /// The configuration goes first, so that whoever sees the topic sees its configuration too. No change entry: brokers
    /// read the configuration of a topic when they first host it.
    async fn write_config(&self, name: &str, configs: &BTreeMap<String, String>) -> Result<(), TopicAdminError> {
        let path = ConfigEntity::Topic(name.into()).path();
        let data = Bytes::from(config_entity::encode(configs));
        loop {
            match self.zk.set(&path, data.clone(), ZkVersion::ANY).await {
                Ok(_) => return Ok(()),
                Err(ZkError::UnknownOutcome { .. }) => continue,
                Err(ZkError::NoNode { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            match self.zk.create(&path, Some(data.clone()), CreateMode::Persistent).await {
                Ok(_) => return Ok(()),
                Err(ZkError::NodeExists { .. } | ZkError::UnknownOutcome { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// A fresh topic id.
pub fn random_topic_id() -> TopicId {
    loop {
        if let Some(id) = TopicId::from_random(rand::rng().random()) {
            return id;
        }
    }
}

fn check_placement(placement: &Placement) -> Result<(), TopicAdminError> {
    let sizes: BTreeSet<_> = placement.iter().map(Vec::len).collect();
    if sizes.len() != 1 || sizes.contains(&0) {
        let text = "All partitions should have the same number of replicas";
        return Err(TopicAdminError::InvalidAssignment(text.into()));
    }
    match placement.iter().find(|replicas| has_duplicates(replicas)) {
        None => Ok(()),
        Some(replicas) => {
            let text = format!("Duplicate replica assignment found: {}", list(replicas));
            Err(TopicAdminError::InvalidAssignment(text))
        }
    }
}

fn plan_growth(
    name: &str,
    topic: &TopicAssignment,
    count: i32,
    placement: Option<&Placement>,
    places: &[Place],
) -> Result<Placement, TopicAdminError> {
    if topic.partitions.values().any(ReplicaAssignment::is_being_reassigned) {
        return Err(TopicAdminError::BeingReassigned(name.into()));
    }
    let Some(first) = topic.partitions.get(&0).map(|partition| &partition.replicas) else {
        return Err(TopicAdminError::Unknown(name.into()));
    };
    let present = topic.partitions.len();
    let added = match usize::try_from(count) {
        Ok(count) if count > present => count - present,
        Ok(count) if count == present => {
            let text = format!("Topic already has {present} partitions.");
            return Err(TopicAdminError::InvalidPartitions(text));
        }
        _ => {
            let text = format!("Topic currently has {present} partitions, which is higher than the requested {count}.");
            return Err(TopicAdminError::InvalidPartitions(text));
        }
    };
    if let Some(placement) = placement {
        check_growth(placement, present, added, first.len(), places)?;
        return Ok(placement.clone());
    }
    let preferred = first.first().copied().unwrap_or(BrokerId::NONE);
    Ok(assign_replicas(places, added, first.len(), Start::continuing(preferred, places, present))?)
}

/// The caller's own replicas for the partitions from `present` on (`AdminZkClient.validateReplicaAssignment`).
fn check_growth(
    placement: &Placement,
    present: usize,
    added: usize,
    replication_factor: usize,
    places: &[Place],
) -> Result<(), TopicAdminError> {
    let known: BTreeSet<_> = places.iter().map(|place| place.broker).collect();
    let unknown: BTreeSet<_> = placement.iter().flatten().filter(|id| !known.contains(id)).copied().collect();
    let refused = |text| Err(TopicAdminError::InvalidAssignment(text));
    if !unknown.is_empty() {
        return refused(format!("Unknown broker(s) in replica assignment: {}.", list(&unknown)));
    }
    if placement.len() != added {
        let given = placement.len();
        return refused(format!("Increasing the number of partitions by {added} but {given} assignments provided."));
    }
    for (partition, replicas) in (present..).zip(placement) {
        if replicas.is_empty() {
            return refused(format!("Cannot have replication factor of 0 for partition id {partition}."));
        }
        if has_duplicates(replicas) {
            let text = "Duplicate brokers not allowed in replica assignment";
            return refused(format!("{text}: {} for partition id {partition}.", list(replicas)));
        }
    }
    let sizes = (present..).zip(placement).map(|(partition, replicas)| (partition, replicas.len()));
    let (partitions, sizes): (Vec<_>, Vec<_>) = sizes.filter(|(_, size)| *size != replication_factor).unzip();
    if partitions.is_empty() {
        return Ok(());
    }
    refused(format!(
        "Inconsistent replication factor between partitions, partition 0 has {replication_factor} while partitions [{}] \
         have replication factors [{}], respectively.",
        list(&partitions),
        list(&sizes)
    ))
}

fn has_duplicates(replicas: &[BrokerId]) -> bool {
    replicas.iter().collect::<BTreeSet<_>>().len() != replicas.len()
}

fn list<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zk::fake::{FakeSession, FakeZooKeeper, Lost};

    fn placement(text: &str) -> Placement {
        let replicas = |ids: &str| ids.split(',').filter_map(|id| id.parse().ok().map(BrokerId)).collect();
        text.split(' ').map(replicas).collect()
    }

    fn places(ids: &[i32]) -> Vec<Place> {
        ids.iter().map(|id| Place { broker: BrokerId(*id), rack: None }).collect()
    }

    fn start() -> (FakeZooKeeper, Arc<FakeSession>, TopicAdmin) {
        let ensemble = FakeZooKeeper::new();
        for path in ["/brokers/topics", "/config/topics", "/admin/delete_topics"] {
            ensemble.put(path, "");
        }
        let session = ensemble.session();
        let admin = TopicAdmin::new(session.clone(), MetadataVersion::LATEST);
        (ensemble, session, admin)
    }

    fn topic_at(ensemble: &FakeZooKeeper, name: &str) -> TopicAssignment {
        let data = ensemble.data(&topic::path(name)).unwrap().unwrap();
        TopicAssignment::decode(name, &data).unwrap()
    }

    #[tokio::test]
    async fn a_topic_comes_with_its_configuration_and_an_id() {
        let (ensemble, _, admin) = start();
        let configs = BTreeMap::from([("retention.ms".to_string(), "60000".to_string())]);
        let id = admin.create_topic("orders", &placement("1,2 2,1"), &configs).await.unwrap();
        let topic = topic_at(&ensemble, "orders");
        assert!(id.is_some() && topic.topic_id == id);
        assert_eq!(topic.partitions[&1], ReplicaAssignment::of([BrokerId(2), BrokerId(1)]));
        let config = ensemble.data("/config/topics/orders").unwrap().unwrap();
        assert_eq!(config, br#"{"config":{"retention.ms":"60000"},"version":1}"#[..]);
        let again = admin.create_topic("orders", &placement("1"), &configs).await.unwrap_err();
        assert_eq!(
            (again.code(), again.to_string().as_str()),
            (ErrorCode::TopicAlreadyExists, "Topic 'orders' already exists.")
        );
    }

    #[tokio::test]
    async fn an_old_cluster_gets_no_ids() {
        let (ensemble, session, _) = start();
        let admin = TopicAdmin::new(session, "2.4".parse().unwrap());
        assert_eq!(admin.create_topic("orders", &placement("1"), &BTreeMap::new()).await.unwrap(), None);
        assert_eq!(topic_at(&ensemble, "orders").topic_id, None);
    }

    #[tokio::test]
    async fn bad_wishes_are_refused_in_kafkas_words() {
        let (ensemble, _, admin) = start();
        ensemble.put("/brokers/topics/a.b", "{}");
        ensemble.put("/admin/delete_topics/going", "");
        for (name, wanted, code, text) in [
            ("a_b", "1", ErrorCode::InvalidTopicException, "Topic 'a_b' collides with existing topics: a.b"),
            ("a b", "1", ErrorCode::InvalidTopicException, "Topic name is invalid"),
            ("going", "1", ErrorCode::TopicAlreadyExists, "Topic 'going' is marked for deletion."),
            (
                "t",
                "1,2 1",
                ErrorCode::InvalidReplicaAssignment,
                "All partitions should have the same number of replicas",
            ),
            ("t", "1,1", ErrorCode::InvalidReplicaAssignment, "Duplicate replica assignment found"),
        ] {
            let error = admin.create_topic(name, &placement(wanted), &BTreeMap::new()).await.unwrap_err();
            assert!(error.code() == code && error.to_string().starts_with(text), "{name}: {error}");
        }
        assert!(ensemble.data("/config/topics/t").is_none(), "refused before anything was written");
        let error = admin.place(&places(&[1]), 1, 2).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidReplicationFactor);
    }

    #[tokio::test]
    async fn partitions_are_added_in_the_topics_pattern() {
        let (ensemble, _, admin) = start();
        admin.create_topic("orders", &placement("1 2"), &BTreeMap::new()).await.unwrap();
        ensemble.put("/admin/delete_topics/going", "");
        let known = places(&[1, 2, 3]);
        let added = admin.create_partitions("orders", 4, None, &known, false).await.unwrap();
        assert_eq!(added, placement("3 1"));
        assert_eq!(topic_at(&ensemble, "orders").partitions.len(), 4);
        let own = placement("3");
        admin.create_partitions("orders", 5, Some(&own), &known, true).await.unwrap();
        assert_eq!(topic_at(&ensemble, "orders").partitions.len(), 4, "only validated");
        for (name, count, own, text) in [
            ("orders", 4, None, "Topic already has 4 partitions."),
            ("orders", 3, None, "Topic currently has 4 partitions, which is higher than the requested 3."),
            ("orders", -1, None, "Topic currently has 4 partitions, which is higher than the requested -1."),
            ("orders", 5, Some("9"), "Unknown broker(s) in replica assignment: 9."),
            ("orders", 5, Some("1 2"), "Increasing the number of partitions by 1 but 2 assignments provided."),
            (
                "orders",
                6,
                Some("1,2 1"),
                "Inconsistent replication factor between partitions, partition 0 has 1 while partitions [4] have \
                 replication factors [2], respectively.",
            ),
            ("orders", 5, Some("1,1"), "Duplicate brokers not allowed in replica assignment: 1, 1 for partition id 4."),
            ("orders", 5, Some(""), "Cannot have replication factor of 0 for partition id 4."),
            ("going", 5, None, "The topic is queued for deletion."),
            ("other", 5, None, "The topic 'other' does not exist."),
        ] {
            let own = own.map(placement);
            let error = admin.create_partitions(name, count, own.as_ref(), &known, false).await.unwrap_err();
            assert!(error.to_string().starts_with(text), "{error}");
        }
    }

    #[tokio::test]
    async fn deletion_is_asked_for_once() {
        let (ensemble, _, admin) = start();
        admin.create_topic("orders", &placement("1"), &BTreeMap::new()).await.unwrap();
        admin.delete_topic("orders").await.unwrap();
        admin.delete_topic("orders").await.unwrap();
        assert_eq!(ensemble.data("/admin/delete_topics/orders"), Some(None));
        assert_eq!(admin.delete_topic("other").await.unwrap_err().code(), ErrorCode::UnknownTopicOrPartition);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_answer_creates_a_topic_once() {
        for lost in [Lost::BeforeTheWrite, Lost::AfterTheWrite] {
            let (ensemble, session, admin) = start();
            session.lose_next_write(lost);
            let (configs, wanted) = (BTreeMap::new(), placement("1"));
            let (created, ()) = tokio::join!(admin.create_topic("orders", &wanted, &configs), async {
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                session.reconnect();
            });
            assert_eq!(topic_at(&ensemble, "orders").topic_id, created.unwrap(), "{lost:?}");
        }
    }
}
