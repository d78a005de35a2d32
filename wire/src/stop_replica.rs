//! StopReplica (key 5) makes a broker stop, and maybe delete, replicas.
//! Only from the controller.

use wire_derive::{Message, Struct};

use crate::Str;

/// Makes a broker stop, and maybe delete, replicas.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 5, versions = "0-4", flexible = "2+", response = StopReplicaResponse)]
pub struct StopReplicaRequest {
    /// The controller's broker id; -1 when there is none.
    #[field(versions = "0+")]
    pub controller_id: i32,
    /// Whether the sender is a KRaft controller during migration.
    #[field(versions = "4+", default = "false")]
    pub is_kraft_controller: bool,
    /// The epoch of the controller that decided.
    #[field(versions = "0+")]
    pub controller_epoch: i32,
    /// The czxid of the broker's registration; -1 when unchecked.
    #[field(versions = "1+", default = "-1", ignorable)]
    pub broker_epoch: i64,
    /// Whether to delete what is stopped.
    #[field(versions = "0-2")]
    pub delete_partitions: bool,
    /// One entry per partition, in the version that does not group by topic.
    #[field(versions = "0")]
    pub ungrouped_partitions: Vec<StopReplicaPartitionV0>,
    /// One entry per topic.
    #[field(versions = "1-2")]
    pub topics: Vec<StopReplicaTopicV1>,
    /// One entry per topic.
    #[field(versions = "3+")]
    pub topic_states: Vec<StopReplicaTopicState>,
}

/// A partition of the request.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct StopReplicaPartitionV0 {
    /// The topic's name.
    #[field(versions = "0")]
    pub topic_name: Str,
    /// The partition.
    #[field(versions = "0")]
    pub partition_index: i32,
}

/// A topic of the request.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct StopReplicaTopicV1 {
    /// The topic's name.
    #[field(versions = "1-2")]
    pub name: Str,
    /// The partitions.
    #[field(versions = "1-2")]
    pub partition_indexes: Vec<i32>,
}

/// A topic of the request.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct StopReplicaTopicState {
    /// The topic's name.
    #[field(versions = "3+")]
    pub topic_name: Str,
    /// One entry per partition.
    #[field(versions = "3+")]
    pub partition_states: Vec<StopReplicaPartitionState>,
}

/// A partition of the request.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct StopReplicaPartitionState {
    /// The partition.
    #[field(versions = "3+")]
    pub partition_index: i32,
    /// The partition's leader epoch; -1 when unknown.
    #[field(versions = "3+", default = "-1")]
    pub leader_epoch: i32,
    /// Whether to delete the replica.
    #[field(versions = "3+")]
    pub delete_partition: bool,
}

/// Answers [`StopReplicaRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 5, versions = "0-4", flexible = "2+")]
pub struct StopReplicaResponse {
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// One entry per partition.
    #[field(versions = "0+")]
    pub partition_errors: Vec<StopReplicaPartitionError>,
}

/// A partition of the response.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct StopReplicaPartitionError {
    /// The topic's name.
    #[field(versions = "0+")]
    pub topic_name: Str,
    /// The partition.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub error_code: i16,
}
