//! What the shell does for the controller besides writing znodes: requests to brokers, answers, things to log.

use std::sync::Arc;

use thiserror::Error;
use zk_paths::ids::{
    BrokerEpoch, BrokerId, ControllerEpoch, LeaderEpoch, TopicId, TopicName, TopicPartition, ZkVersion,
};
use zk_paths::partition_state::{LeaderRecoveryState, PartitionState};

use crate::cluster::{Leadership, LiveBroker, Replica};
use crate::election::Strategy;
use crate::event::TopicRef;
use crate::phases::{PartitionPhase, ReplicaPhase};

/// One thing to do, in the order given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Open a channel to this broker; requests to it follow. Replaces one to an earlier life of it.
    OpenChannel(Arc<LiveBroker>),
    /// Close the channel to this broker and drop what waits in it.
    CloseChannel(BrokerId),
    /// Put a request into a broker's channel. Channels keep the order.
    Send(Request),
    /// Answer whoever sent the event.
    Answer(Answer),
    /// A leader was elected for want of one; meters want to know.
    CountElection {
        /// Records may have been lost.
        unclean: bool,
    },
    /// Something did not go as it should: log it.
    Report(Problem),
}

/// A request to one broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The receiver.
    pub to: BrokerId,
    /// Which life of it.
    pub broker_epoch: BrokerEpoch,
    /// What to tell it.
    pub body: RequestBody,
}

/// The three requests of a controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestBody {
    /// Lead or follow these partitions.
    LeaderAndIsr(LeaderAndIsr),
    /// The cluster as clients see it; shared by all receivers.
    UpdateMetadata(Arc<UpdateMetadata>),
    /// Stop, perhaps delete, these replicas.
    StopReplica(Vec<StopReplica>),
}

/// LeaderAndIsr without its header fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaderAndIsr {
    /// What to become.
    pub partitions: Vec<PartitionUpdate>,
    /// The leaders named in `partitions`, as far as they are registered.
    pub live_leaders: Vec<Arc<LiveBroker>>,
}

/// One partition of LeaderAndIsr or UpdateMetadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionUpdate {
    /// Which partition.
    pub partition: TopicPartition,
    /// [`TopicId::ZERO`] where the topic has none.
    pub topic_id: TopicId,
    /// The controller that decided the state, which may be an earlier one.
    pub controller_epoch: ControllerEpoch,
    /// The leader; [`LEADER_DURING_DELETE`] in UpdateMetadata of a topic being deleted.
    pub leader: BrokerId,
    /// Its epoch.
    pub leader_epoch: LeaderEpoch,
    /// In-sync replicas.
    pub isr: Vec<BrokerId>,
    /// Version of the state node.
    pub partition_epoch: ZkVersion,
    /// All replicas.
    pub replicas: Vec<BrokerId>,
    /// LeaderAndIsr: being added by a reassignment.
    pub adding: Vec<BrokerId>,
    /// LeaderAndIsr: being removed by a reassignment.
    pub removing: Vec<BrokerId>,
    /// UpdateMetadata: replicas that are not online.
    pub offline: Vec<BrokerId>,
    /// LeaderAndIsr: the replica has never existed.
    pub is_new: bool,
    /// LeaderAndIsr: whether the leader still recovers from an unclean election.
    pub leader_recovery_state: LeaderRecoveryState,
}

/// "Leader" of a partition whose topic is being deleted: brokers drop it from their caches.
pub const LEADER_DURING_DELETE: BrokerId = BrokerId(-2);

/// UpdateMetadata without its header fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateMetadata {
    /// All registered brokers; replaces what the receiver knew.
    pub brokers: Vec<Arc<LiveBroker>>,
    /// Changed partitions.
    pub partitions: Vec<PartitionUpdate>,
}

/// One partition of StopReplica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopReplica {
    /// Which partition.
    pub partition: TopicPartition,
    /// [`LeaderEpoch::DURING_DELETE`] for a topic being deleted.
    pub leader_epoch: LeaderEpoch,
    /// Delete the log as well.
    pub delete: bool,
}

/// The answer to an event that asked for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The partitions that the leaving broker still leads and that others could lead.
    ControlledShutdown(Result<Vec<TopicPartition>, ShutdownRefusal>),
    /// Per partition; or the whole request was refused for its broker epoch (STALE_BROKER_EPOCH).
    AlterPartitions(Result<Vec<AlteredPartition>, StaleBrokerEpoch>),
    /// Per partition, the leader elected.
    ElectLeaders(Vec<(TopicPartition, Result<BrokerId, ElectionRefusal>)>),
}

/// Why a broker may not leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ShutdownRefusal {
    /// BROKER_NOT_AVAILABLE
    #[error("the broker is not registered")]
    UnknownBroker,
    /// STALE_BROKER_EPOCH
    #[error("the request comes from an earlier life of the broker")]
    StaleBrokerEpoch,
}

/// The sender is not registered, or was registered again since.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the request does not come from the registered life of the broker")]
pub struct StaleBrokerEpoch;

/// One partition of the answer to AlterPartition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlteredPartition {
    /// As the request named it.
    pub topic: TopicRef,
    /// The partition's number.
    pub partition: i32,
    /// The state that now holds, or why the request was refused.
    pub result: Result<Leadership, AlterRefusal>,
}

/// Why an in-sync set was not changed, each with Kafka's error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AlterRefusal {
    /// UNKNOWN_TOPIC_ID
    #[error("no topic has this id")]
    UnknownTopicId,
    /// UNKNOWN_TOPIC_OR_PARTITION
    #[error("there is no such partition")]
    UnknownPartition,
    /// NOT_CONTROLLER: the sender knows newer epochs than we do.
    #[error("the sender has seen a newer state than this controller")]
    NotController,
    /// FENCED_LEADER_EPOCH
    #[error("the sender's leader epoch is over")]
    FencedLeaderEpoch,
    /// INVALID_UPDATE_VERSION
    #[error("the state has changed since the sender saw it")]
    InvalidUpdateVersion,
    /// INVALID_REQUEST
    #[error("the wanted state makes no sense")]
    InvalidRequest,
    /// INELIGIBLE_REPLICA (from version 2 on), before OPERATION_NOT_ATTEMPTED
    #[error("a replica of the wanted in-sync set is not live")]
    IneligibleReplica,
    /// UNKNOWN_SERVER_ERROR
    #[error("the state could not be written")]
    WriteFailed,
}

/// Why no leader was elected, each with Kafka's error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ElectionRefusal {
    /// UNKNOWN_TOPIC_OR_PARTITION
    #[error("The partition does not exist.")]
    UnknownPartition,
    /// INVALID_TOPIC_EXCEPTION
    #[error("The topic is being deleted")]
    TopicDeleting,
    /// ELECTION_NOT_NEEDED
    #[error("the partition has a valid leader")]
    NotNeeded,
    /// PREFERRED_LEADER_NOT_AVAILABLE
    #[error("the preferred replica is not live or not in sync")]
    PreferredNotAvailable,
    /// ELIGIBLE_LEADERS_NOT_AVAILABLE
    #[error("no replica is live")]
    NoneEligible,
}

/// What did not go as it should; the text is the log line.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Problem {
    /// No leader was found; the partition stays as it is.
    #[error(
        "{partition}: no leader found {strategy}; replicas {}, online {}, in sync {}",
        all(replicas),
        all(online),
        all(isr)
    )]
    NoLeader {
        /// Which partition.
        partition: TopicPartition,
        /// Which election.
        strategy: Strategy,
        /// Its replicas.
        replicas: Vec<BrokerId>,
        /// Those online.
        online: Vec<BrokerId>,
        /// Those in sync.
        isr: Vec<BrokerId>,
    },
    /// A new partition has no live replica.
    #[error("{partition}: none of its replicas {} is online, so it has no first leader yet", all(replicas))]
    NoFirstLeader {
        /// Which partition.
        partition: TopicPartition,
        /// Its replicas.
        replicas: Vec<BrokerId>,
    },
    /// The znode holds the decision of a newer controller.
    #[error(
        "{partition}: a controller of epoch {theirs} has written leader {} of epoch {}, in sync {}; left alone",
        state.leader, state.leader_epoch, all(&state.isr)
    )]
    NewerController {
        /// Which partition.
        partition: TopicPartition,
        /// Its epoch.
        theirs: ControllerEpoch,
        /// What it wrote.
        state: PartitionState,
    },
    /// A state node that should exist does not, or the other way round.
    #[error("{partition}: its state node is {found}, so its leader was not changed")]
    UnexpectedState {
        /// Which partition.
        partition: TopicPartition,
        /// "missing" or "there already".
        found: &'static str,
    },
    /// A write failed.
    #[error("{what} could not be written: {reason}")]
    WriteFailed {
        /// Which node.
        what: String,
        /// Why.
        reason: String,
    },
    /// A partition cannot go from one phase to the other.
    #[error("{partition}: cannot go from {from:?} to {to:?}")]
    PartitionPhase {
        /// Which partition.
        partition: TopicPartition,
        /// Where it is.
        from: PartitionPhase,
        /// Where it should go.
        to: PartitionPhase,
    },
    /// A replica cannot go from one phase to the other.
    #[error("replica {} of {}: cannot go from {from:?} to {to:?}", replica.broker, replica.partition)]
    ReplicaPhase {
        /// Which replica.
        replica: Replica,
        /// Where it is.
        from: ReplicaPhase,
        /// Where it should go.
        to: ReplicaPhase,
    },
    /// A broker answered a whole request with an error.
    #[error("broker {broker} answered {request} with error code {error_code}")]
    RequestRefused {
        /// Who.
        broker: BrokerId,
        /// Which request.
        request: &'static str,
        /// The code.
        error_code: i16,
    },
    /// Replicas went offline with a log directory.
    #[error("broker {broker} has lost {} replicas with a log directory: {}", partitions.len(), all(partitions))]
    ReplicasLost {
        /// Who.
        broker: BrokerId,
        /// Which ones.
        partitions: Vec<TopicPartition>,
    },
    /// Partitions cannot be added to a topic that is being deleted; the node was restored.
    #[error("{topic} is being deleted: {added} added partitions are taken back")]
    GrowthDuringDeletion {
        /// Which topic.
        topic: TopicName,
        /// How many.
        added: usize,
    },
    /// Deletion of an unknown topic, or while `delete.topic.enable` is off.
    #[error("the request to delete {topic} is dropped: {reason}")]
    DeletionDropped {
        /// Which topic.
        topic: TopicName,
        /// Why.
        reason: &'static str,
    },
    /// Deletion waits.
    #[error("deletion of {topic} is halted: {reason}")]
    DeletionHalted {
        /// Which topic.
        topic: TopicName,
        /// Why.
        reason: &'static str,
    },
    /// Reassignment is not built yet.
    #[error("/admin/reassign_partitions asks for a reassignment, which this controller cannot do yet; left alone")]
    ReassignmentNotBuilt,
}

/// Names for a log line; of many, the first few.
fn all<T: ToString>(items: &[T]) -> String {
    const SHOWN: usize = 10;
    let shown: Vec<String> = items.iter().take(SHOWN).map(ToString::to_string).collect();
    let more = if items.len() > SHOWN { ", …" } else { "" };
    format!("[{}{more}]", shown.join(", "))
}
