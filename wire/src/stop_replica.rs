//! StopReplica (key 5).

use wire_derive::{Message, Struct};

use crate::Str;

/// Asks for StopReplica.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 5, versions = "0-4", flexible = "2+", response = StopReplicaResponse)]
pub struct StopReplicaRequest {
    /// The controller id.
    #[field(versions = "0+")]
    pub controller_id: i32,
    /// The is kraft controller.
    #[field(versions = "4+", default = "false")]
    pub is_kraft_controller: bool,
    /// The controller epoch.
    #[field(versions = "0+")]
    pub controller_epoch: i32,
    /// The broker epoch.
    #[field(versions = "1+", default = "-1", ignorable)]
    pub broker_epoch: i64,
    /// The delete partitions.
    #[field(versions = "0-2")]
    pub delete_partitions: bool,
    /// The ungrouped partitions.
    #[field(versions = "0")]
    pub ungrouped_partitions: Vec<StopReplicaPartitionV0>,
    /// The topics.
    #[field(versions = "1-2")]
    pub topics: Vec<StopReplicaTopicV1>,
    /// The topic states.
    #[field(versions = "3+")]
    pub topic_states: Vec<StopReplicaTopicState>,
}

/// One of `ungrouped_partitions` of [`StopReplicaRequest`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct StopReplicaPartitionV0 {
    /// The topic name.
    #[field(versions = "0")]
    pub topic_name: Str,
    /// The partition index.
    #[field(versions = "0")]
    pub partition_index: i32,
}

/// One of `topics` of [`StopReplicaRequest`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct StopReplicaTopicV1 {
    /// The name.
    #[field(versions = "1-2")]
    pub name: Str,
    /// The partition indexes.
    #[field(versions = "1-2")]
    pub partition_indexes: Vec<i32>,
}

/// One of `topic_states` of [`StopReplicaRequest`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct StopReplicaTopicState {
    /// The topic name.
    #[field(versions = "3+")]
    pub topic_name: Str,
    /// The partition states.
    #[field(versions = "3+")]
    pub partition_states: Vec<StopReplicaPartitionState>,
}

/// One of `partition_states` of [`StopReplicaTopicState`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct StopReplicaPartitionState {
    /// The partition index.
    #[field(versions = "3+")]
    pub partition_index: i32,
    /// The leader epoch.
    #[field(versions = "3+", default = "-1")]
    pub leader_epoch: i32,
    /// The delete partition.
    #[field(versions = "3+")]
    pub delete_partition: bool,
}

/// Answers [`StopReplicaRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 5, versions = "0-4", flexible = "2+")]
pub struct StopReplicaResponse {
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The partition errors.
    #[field(versions = "0+")]
    pub partition_errors: Vec<StopReplicaPartitionError>,
}

/// One of `partition_errors` of [`StopReplicaResponse`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct StopReplicaPartitionError {
    /// The topic name.
    #[field(versions = "0+")]
    pub topic_name: Str,
    /// The partition index.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
}
