//! What the controller knows of the cluster: brokers, topics, partitions, replicas and their phases.
//!
//! Kept true by the methods that change it, and nothing else can: every partition is listed under each of its replicas'
//! brokers; partitions that are New or Offline are listed as unsettled; a topic id leads to its topic's name.
//! Those lists make every event cost what it touches, not what the cluster holds.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use zk_paths::broker_registration::BrokerRegistration;
use zk_paths::ids::{
    BrokerEpoch, BrokerId, ControllerEpoch, LeaderEpoch, TopicId, TopicName, TopicPartition, ZkVersion,
};
use zk_paths::partition_state::PartitionState;
use zk_paths::topic::ReplicaAssignment;

use crate::phases::{PartitionPhase, ReplicaPhase};

/// What configuration and inter-broker protocol version switch on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// IBP 2.8-IV0 and later: every topic gets an id.
    pub topic_ids: bool,
    /// IBP 3.2-IV0 and later: unclean leaders start as recovering.
    pub leader_recovery: bool,
    /// IBP below 2.7-IV2: leaders write in-sync sets themselves, so states are read again before they are decided upon.
    pub leaders_write_states: bool,
    /// `delete.topic.enable`
    pub delete_topic_enable: bool,
    /// `unclean.leader.election.enable` of the broker; topics may override it.
    pub unclean_leader_election: bool,
    /// `leader.imbalance.per.broker.percentage`
    pub leader_imbalance_percentage: u32,
}

impl Default for Settings {
    /// Kafka 3.9's defaults.
    fn default() -> Settings {
        Settings {
            topic_ids: true,
            leader_recovery: true,
            leaders_write_states: false,
            delete_topic_enable: true,
            unclean_leader_election: false,
            leader_imbalance_percentage: 10,
        }
    }
}

/// A registered broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveBroker {
    /// Its id.
    pub id: BrokerId,
    /// The czxid of its registration.
    pub broker_epoch: BrokerEpoch,
    /// What it advertises.
    pub registration: BrokerRegistration,
}

/// A partition state together with the data version of its znode, Kafka's partition epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leadership {
    /// Leader and in-sync replicas.
    pub state: PartitionState,
    /// Version of the state node.
    pub zk_version: ZkVersion,
}

/// One copy of a partition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Replica {
    /// Of which partition.
    pub partition: TopicPartition,
    /// On which broker.
    pub broker: BrokerId,
}

/// One partition.
#[derive(Debug, Clone)]
pub struct Partition {
    /// Who replicates it.
    pub assignment: ReplicaAssignment,
    /// Where it stands.
    pub phase: PartitionPhase,
    /// What its state node holds, if there is one.
    pub leadership: Option<Leadership>,
    replica_phases: Vec<(BrokerId, ReplicaPhase)>,
}

impl Partition {
    /// Where the replica on this broker stands.
    pub fn replica_phase(&self, broker: BrokerId) -> ReplicaPhase {
        let found = self.replica_phases.iter().find(|(id, _)| *id == broker);
        found.map_or(ReplicaPhase::NonExistent, |(_, phase)| *phase)
    }
}

/// How far the deletion of a topic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Deletion {
    /// Its partitions are gone from the state machine, and brokers were told.
    pub started: bool,
    /// Halted: a replica is offline, failed to be deleted, or is being reassigned.
    pub halted: bool,
}

/// One topic.
#[derive(Debug, Clone, Default)]
pub struct Topic {
    /// `None` where topic ids are not in use.
    pub id: Option<TopicId>,
    /// By number.
    pub partitions: BTreeMap<i32, Partition>,
    /// Set once its deletion was asked for.
    pub deletion: Option<Deletion>,
}

#[derive(Debug)]
struct Broker {
    live: Arc<LiveBroker>,
    leaving: bool,
    offline_partitions: BTreeSet<TopicPartition>,
}

/// All of it.
#[derive(Debug)]
pub struct ClusterState {
    /// Our epoch, written into every state.
    pub controller_epoch: ControllerEpoch,
    /// What is switched on.
    pub settings: Settings,
    brokers: BTreeMap<BrokerId, Broker>,
    topics: HashMap<TopicName, Topic>,
    topic_names: HashMap<TopicId, TopicName>,
    by_broker: HashMap<BrokerId, BTreeSet<TopicPartition>>,
    unsettled: BTreeSet<TopicPartition>,
    deleting: BTreeSet<TopicName>,
    unclean_by_topic: HashMap<TopicName, bool>,
}

impl ClusterState {
    /// An empty cluster.
    pub fn new(controller_epoch: ControllerEpoch, settings: Settings) -> ClusterState {
        ClusterState {
            controller_epoch,
            settings,
            brokers: BTreeMap::new(),
            topics: HashMap::new(),
            topic_names: HashMap::new(),
            by_broker: HashMap::new(),
            unsettled: BTreeSet::new(),
            deleting: BTreeSet::new(),
            unclean_by_topic: HashMap::new(),
        }
    }
}

/// Brokers.
impl ClusterState {
    /// All registered brokers, also those in a controlled shutdown, by id.
    pub fn brokers(&self) -> impl Iterator<Item = &Arc<LiveBroker>> {
        self.brokers.values().map(|broker| &broker.live)
    }

    /// A registered broker.
    pub fn broker(&self, id: BrokerId) -> Option<&Arc<LiveBroker>> {
        self.brokers.get(&id).map(|broker| &broker.live)
    }

    /// Whether the broker is registered and not in a controlled shutdown.
    pub fn is_live(&self, id: BrokerId) -> bool {
        self.brokers.get(&id).is_some_and(|broker| !broker.leaving)
    }

    /// Brokers in a controlled shutdown.
    pub fn leaving(&self) -> Vec<BrokerId> {
        self.brokers.iter().filter(|(_, broker)| broker.leaving).map(|(id, _)| *id).collect()
    }

    /// Adds a broker or replaces what it advertises.
    pub(crate) fn put_broker(&mut self, live: Arc<LiveBroker>) {
        match self.brokers.get_mut(&live.id) {
            Some(broker) => broker.live = live,
            None => {
                let broker = Broker { live, leaving: false, offline_partitions: BTreeSet::new() };
                self.brokers.insert(broker.live.id, broker);
            }
        }
    }

    pub(crate) fn remove_broker(&mut self, id: BrokerId) {
        self.brokers.remove(&id);
    }

    pub(crate) fn mark_leaving(&mut self, id: BrokerId) {
        if let Some(broker) = self.brokers.get_mut(&id) {
            broker.leaving = true;
        }
    }

    /// Notes which replicas the broker could or could not open; answers those newly lost.
    pub(crate) fn note_log_dirs(
        &mut self,
        id: BrokerId,
        opened: &[TopicPartition],
        lost: &[TopicPartition],
    ) -> Vec<TopicPartition> {
        let Some(broker) = self.brokers.get_mut(&id) else { return Vec::new() };
        opened.iter().for_each(|partition| _ = broker.offline_partitions.remove(partition));
        lost.iter().filter(|partition| broker.offline_partitions.insert((*partition).clone())).cloned().collect()
    }

    /// Whether a replica's broker lives, is not leaving, and has not lost the replica's log directory.
    pub fn is_replica_online(&self, partition: &TopicPartition, id: BrokerId) -> bool {
        let broker = self.brokers.get(&id);
        broker.is_some_and(|broker| !broker.leaving && !broker.offline_partitions.contains(partition))
    }

    /// The replicas of a partition that are online, in assignment order.
    pub fn online_replicas(&self, partition: &TopicPartition) -> Vec<BrokerId> {
        let replicas = self.replicas(partition).iter();
        replicas.copied().filter(|id| self.is_replica_online(partition, *id)).collect()
    }
}

/// Topics and partitions.
impl ClusterState {
    /// A topic.
    pub fn topic(&self, name: &str) -> Option<&Topic> {
        self.topics.get(name)
    }

    /// All topics, in no order.
    pub fn topics(&self) -> impl Iterator<Item = (&TopicName, &Topic)> {
        self.topics.iter()
    }

    /// The topic with this id.
    pub fn topic_name(&self, id: TopicId) -> Option<&TopicName> {
        self.topic_names.get(&id)
    }

    /// A partition.
    pub fn partition(&self, partition: &TopicPartition) -> Option<&Partition> {
        self.topics.get(&partition.topic)?.partitions.get(&partition.partition)
    }

    /// All partitions of a topic.
    pub fn partitions_of(&self, topic: &TopicName) -> Vec<TopicPartition> {
        let partitions = self.topics.get(topic).map(|topic| topic.partitions.keys()).into_iter().flatten();
        partitions.map(|partition| TopicPartition { topic: topic.clone(), partition: *partition }).collect()
    }

    /// All replicas of a topic.
    pub fn replicas_of(&self, topic: &TopicName) -> Vec<Replica> {
        let partitions = self.partitions_of(topic).into_iter();
        partitions.flat_map(|partition| self.replicas_of_partition(&partition)).collect()
    }

    /// All replicas of a partition.
    pub fn replicas_of_partition(&self, partition: &TopicPartition) -> Vec<Replica> {
        let brokers = self.replicas(partition).iter();
        brokers.map(|broker| Replica { partition: partition.clone(), broker: *broker }).collect()
    }

    /// The brokers that replicate a partition, the preferred one first; none for an unknown partition.
    pub fn replicas(&self, partition: &TopicPartition) -> &[BrokerId] {
        self.partition(partition).map(|partition| partition.assignment.replicas.as_slice()).unwrap_or_default()
    }

    /// All replicas that a broker should have.
    pub fn replicas_on(&self, broker: BrokerId) -> Vec<Replica> {
        let partitions = self.by_broker.get(&broker).into_iter().flatten();
        partitions.map(|partition| Replica { partition: partition.clone(), broker }).collect()
    }

    /// Partitions that wait for a leader: New or Offline, of topics that are not being deleted.
    pub fn unsettled(&self) -> Vec<TopicPartition> {
        self.unsettled.iter().filter(|partition| !self.is_deleting(&partition.topic)).cloned().collect()
    }

    /// How many partitions have no leader.
    pub fn offline_partitions(&self) -> usize {
        let offline = |tp: &&TopicPartition| self.partition(tp).is_some_and(|p| p.phase == PartitionPhase::Offline);
        self.unsettled.iter().filter(offline).count()
    }

    /// A partition's leader and in-sync replicas.
    pub fn leadership(&self, partition: &TopicPartition) -> Option<&Leadership> {
        self.partition(partition)?.leadership.as_ref()
    }

    /// The leader epoch to be told with a StopReplica request.
    pub(crate) fn leader_epoch_for_stop(&self, partition: &TopicPartition) -> LeaderEpoch {
        if self.is_deleting(&partition.topic) {
            return LeaderEpoch::DURING_DELETE;
        }
        self.leadership(partition).map_or(LeaderEpoch::NONE, |leadership| leadership.state.leader_epoch)
    }

    /// Adds a topic without partitions. Its id is kept only if no other topic has it.
    pub(crate) fn add_topic(&mut self, name: &TopicName, id: Option<TopicId>) {
        let topic = self.topics.entry(name.clone()).or_default();
        if let Some(id) = id {
            topic.id = Some(id);
            self.topic_names.insert(id, name.clone());
        }
    }

    pub(crate) fn add_partition(&mut self, partition: &TopicPartition, assignment: ReplicaAssignment) {
        let Some(topic) = self.topics.get_mut(&partition.topic) else { return };
        for broker in &assignment.replicas {
            self.by_broker.entry(*broker).or_default().insert(partition.clone());
        }
        let added =
            Partition { assignment, phase: PartitionPhase::NonExistent, leadership: None, replica_phases: Vec::new() };
        topic.partitions.insert(partition.partition, added);
    }

    pub(crate) fn remove_topic(&mut self, name: &TopicName) {
        for replica in self.replicas_of(name) {
            if let Some(partitions) = self.by_broker.get_mut(&replica.broker) {
                partitions.remove(&replica.partition);
            }
            if let Some(broker) = self.brokers.get_mut(&replica.broker) {
                broker.offline_partitions.remove(&replica.partition);
            }
        }
        for partition in self.partitions_of(name) {
            self.unsettled.remove(&partition);
        }
        if let Some(id) = self.topics.remove(name).and_then(|topic| topic.id) {
            self.topic_names.remove(&id);
        }
        self.deleting.remove(name);
        self.unclean_by_topic.remove(name);
    }

    pub(crate) fn set_leadership(&mut self, partition: &TopicPartition, leadership: Leadership) {
        if let Some(partition) = self.partition_mut(partition) {
            partition.leadership = Some(leadership);
        }
    }

    /// Moves a partition to a phase if the state machine allows it; answers whether it did.
    pub(crate) fn set_phase(&mut self, partition: &TopicPartition, phase: PartitionPhase) -> bool {
        let Some(found) = self.partition_mut(partition) else { return false };
        if !found.phase.may_become(phase) {
            return false;
        }
        self.force_phase(partition, phase);
        true
    }

    /// Sets a phase that was derived, not reached: at controller start.
    pub(crate) fn force_phase(&mut self, partition: &TopicPartition, phase: PartitionPhase) {
        let Some(found) = self.partition_mut(partition) else { return };
        found.phase = phase;
        if matches!(phase, PartitionPhase::New | PartitionPhase::Offline) {
            self.unsettled.insert(partition.clone());
        } else {
            self.unsettled.remove(partition);
        }
    }

    /// Moves a replica to a phase if the state machine allows it; answers whether it did.
    pub(crate) fn set_replica_phase(&mut self, replica: &Replica, phase: ReplicaPhase) -> bool {
        let allowed = self
            .partition(&replica.partition)
            .is_some_and(|partition| partition.replica_phase(replica.broker).may_become(phase));
        if allowed {
            self.force_replica_phase(replica, phase);
        }
        allowed
    }

    /// Sets a phase that was derived, not reached: at controller start.
    pub(crate) fn force_replica_phase(&mut self, replica: &Replica, phase: ReplicaPhase) {
        let Some(partition) = self.partition_mut(&replica.partition) else { return };
        partition.replica_phases.retain(|(broker, _)| *broker != replica.broker);
        partition.replica_phases.push((replica.broker, phase));
    }

    fn partition_mut(&mut self, partition: &TopicPartition) -> Option<&mut Partition> {
        self.topics.get_mut(&partition.topic)?.partitions.get_mut(&partition.partition)
    }
}

/// Deletion and topic configuration.
impl ClusterState {
    /// Whether the topic's deletion was asked for.
    pub fn is_deleting(&self, topic: &str) -> bool {
        self.deleting.contains(topic)
    }

    /// Topics whose deletion was asked for.
    pub fn deleting(&self) -> impl Iterator<Item = &TopicName> {
        self.deleting.iter()
    }

    pub(crate) fn queue_deletion(&mut self, name: &TopicName) {
        if let Some(topic) = self.topics.get_mut(name) {
            topic.deletion.get_or_insert_default();
            self.deleting.insert(name.clone());
        }
    }

    pub(crate) fn change_deletion(&mut self, name: &str, change: impl FnOnce(&mut Deletion)) {
        if let Some(deletion) = self.topics.get_mut(name).and_then(|topic| topic.deletion.as_mut()) {
            change(deletion);
        }
    }

    /// Whether an out-of-sync replica may become leader of this topic's partitions.
    pub fn unclean_allowed(&self, topic: &str) -> bool {
        self.unclean_by_topic.get(topic).copied().unwrap_or(self.settings.unclean_leader_election)
    }

    /// Notes a topic's `unclean.leader.election.enable`; `None` where it has none of its own.
    pub(crate) fn set_unclean(&mut self, topic: &TopicName, allowed: Option<bool>) {
        match allowed {
            Some(allowed) => _ = self.unclean_by_topic.insert(topic.clone(), allowed),
            None => _ = self.unclean_by_topic.remove(topic),
        }
    }
}
