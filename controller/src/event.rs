//! Everything that can happen to a controller. An event brings what the shell has read from ZooKeeper for it.

use zk_paths::ids::{BrokerEpoch, BrokerId, LeaderEpoch, TopicId, TopicName, TopicPartition, ZkVersion};
use zk_paths::partition_state::LeaderRecoveryState;
use zk_paths::topic::TopicAssignment;

use crate::cluster::{Leadership, LiveBroker};

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The children of `/brokers/ids`, all of them, have been read again.
    BrokersChanged(Vec<LiveBroker>),
    /// A live broker's registration has been read again.
    BrokerUpdated(LiveBroker),
    /// The children of `/brokers/topics` have been read again.
    TopicsChanged {
        /// Topics we did not know.
        added: Vec<NewTopic>,
        /// Topics we knew and that are gone.
        removed: Vec<TopicName>,
    },
    /// The node of a topic we know has been read again.
    TopicUpdated(NewTopic),
    /// The children of `/admin/delete_topics`.
    DeletionsRequested(Vec<TopicName>),
    /// States that leaders have rewritten themselves (IBP below 2.7-IV2), read again.
    IsrNotified(Vec<(TopicPartition, Leadership)>),
    /// These brokers reported the failure of a log directory.
    LogDirsFailed(Vec<BrokerId>),
    /// A broker answered a LeaderAndIsr request.
    LeaderAndIsrReplied(LeaderAndIsrReply),
    /// A broker answered a StopReplica request.
    StopReplicaReplied(StopReplicaReply),
    /// What waited in this broker's channel had to be dropped: it must be told everything again.
    ChannelOverrun(BrokerId),
    /// A broker wants to leave (ControlledShutdown). Answered.
    ControlledShutdown {
        /// Which one.
        broker: BrokerId,
        /// [`BrokerEpoch::NONE`] from old brokers.
        broker_epoch: BrokerEpoch,
    },
    /// A leader wants another in-sync set (AlterPartition). Answered.
    AlterPartitions(AlterPartitions),
    /// An operator or a tool wants leaders elected. Answered.
    ElectLeaders {
        /// `None` means all.
        partitions: Option<Vec<TopicPartition>>,
        /// Which election.
        kind: ElectionKind,
        /// Who asked.
        trigger: Trigger,
    },
    /// Time to look for brokers that lead too few of the partitions they should.
    BalanceLeaders,
    /// `unclean.leader.election.enable` of a topic, or (`None`) of the whole cluster, is now this.
    UncleanElectionConfigured {
        /// Which topic.
        topic: Option<TopicName>,
        /// `None`: the topic has no value of its own any more.
        allowed: Option<bool>,
    },
    /// `/admin/reassign_partitions` appeared or changed. Not built: it is left alone.
    ReassignmentRequested,
}

/// A topic as read from its node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name.
    pub name: TopicName,
    /// What the node holds.
    pub assignment: TopicAssignment,
    /// Version of the node.
    pub zk_version: ZkVersion,
    /// The topic's own `unclean.leader.election.enable`.
    pub unclean_allowed: Option<bool>,
    /// A fresh random id, to be given to the topic if it has none and ids are in use.
    pub spare_id: TopicId,
}

/// Which election an operator asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ElectionKind {
    /// The preferred replica.
    Preferred,
    /// Any live replica, when no in-sync one is left.
    Unclean,
}

/// Who asked for an election.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// ElectLeaders request.
    Admin,
    /// `/admin/preferred_replica_election`, which is deleted afterwards.
    Znode,
}

/// How one partition fared at a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplicaError {
    /// Done.
    None,
    /// KAFKA_STORAGE_ERROR: the log directory is gone.
    Storage,
    /// Any other error code.
    Other(i16),
}

/// An answer to LeaderAndIsr.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaderAndIsrReply {
    /// Who answered.
    pub broker: BrokerId,
    /// Which life of it; answers of an earlier one are ignored.
    pub broker_epoch: BrokerEpoch,
    /// Error code of the whole request; 0 is none.
    pub error_code: i16,
    /// Per partition.
    pub partitions: Vec<(TopicPartition, ReplicaError)>,
}

/// An answer to StopReplica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopReplicaReply {
    /// Who answered.
    pub broker: BrokerId,
    /// Which life of it; answers of an earlier one are ignored.
    pub broker_epoch: BrokerEpoch,
    /// Error code of the whole request; 0 is none.
    pub error_code: i16,
    /// Those partitions of the request that were to be deleted.
    pub deleted: Vec<(TopicPartition, ReplicaError)>,
}

/// An AlterPartition request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlterPartitions {
    /// Who asks: the leader.
    pub broker: BrokerId,
    /// Which life of it.
    pub broker_epoch: BrokerEpoch,
    /// What it wants.
    pub partitions: Vec<AlterPartition>,
}

/// How a request names a topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TopicRef {
    /// By name (AlterPartition 0 and 1).
    Name(TopicName),
    /// By id (from version 2 on).
    Id(TopicId),
}

/// One partition of an AlterPartition request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlterPartition {
    /// The topic.
    pub topic: TopicRef,
    /// The partition's number.
    pub partition: i32,
    /// Epoch the leader leads in.
    pub leader_epoch: LeaderEpoch,
    /// State version it has seen.
    pub partition_epoch: ZkVersion,
    /// The wanted in-sync replicas.
    pub isr: Vec<BrokerId>,
    /// The wanted recovery state.
    pub leader_recovery_state: LeaderRecoveryState,
}
