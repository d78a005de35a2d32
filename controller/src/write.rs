//! What the controller wants written to ZooKeeper, and what became of it.
//!
//! Every write is sent as a multi whose first operation checks the version of `/controller_epoch`. The shell does the
//! writes of one list in any order and answers one [`Outcome`] for each.

use zk_paths::ids::{BrokerId, TopicName, TopicPartition, ZkVersion};
use zk_paths::partition_state::PartitionState;
use zk_paths::topic::TopicAssignment;

use crate::cluster::Leadership;
use crate::election::Strategy;

/// One write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// A partition's state node. Creating it includes `partitions` and `partitions/<p>` above it, with null data.
    PartitionState {
        /// Which partition.
        partition: TopicPartition,
        /// The new state.
        state: PartitionState,
        /// The version it must have; `None`: it must not exist.
        expected: Option<ZkVersion>,
        /// Why, so that it can be planned again.
        change: Change,
    },
    /// A topic's node: it gets an id, or its partitions back.
    Topic {
        /// Which topic.
        topic: TopicName,
        /// The new content.
        assignment: TopicAssignment,
        /// The version it must have.
        expected: ZkVersion,
    },
    /// Everything of a deleted topic: `/brokers/topics/<t>` with all below it, then `/config/topics/<t>`, and last
    /// `/admin/delete_topics/<t>`, so that a crash in between is taken up again. Nodes already gone are fine.
    DeleteTopic(TopicName),
    /// The request to delete a topic, which will not be followed.
    DropDeletionRequest(TopicName),
    /// `/admin/preferred_replica_election`, which has been followed.
    DropPreferredElection,
}

/// Why a partition's state is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Its first leader.
    Initialize,
    /// Another leader.
    Elect(Strategy),
    /// These replicas are no longer in sync.
    RemoveFromIsr(Vec<BrokerId>),
    /// The leader asked for it (AlterPartition).
    AlterIsr,
}

/// What became of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Done; the node's version now (any, where there is no node left).
    Written(ZkVersion),
    /// Refused because the node's version is another, the node exists already, or is missing. For a partition state:
    /// what is there now. Also the answer to a write whose outcome was unknown and that was read back.
    Refused(Option<Leadership>),
    /// ZooKeeper or the node's content was in the way; the message says how. Not tried again.
    Failed(String),
}
