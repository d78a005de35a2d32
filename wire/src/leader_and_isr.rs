//! LeaderAndIsr (key 4) makes a broker lead or follow partitions.
//! Only from the controller.

use wire_derive::{Message, Struct};

use crate::{Str, Uuid};

/// Makes a broker lead or follow partitions.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 4, versions = "0-7", flexible = "4+", response = LeaderAndIsrResponse)]
pub struct LeaderAndIsrRequest {
    /// The controller's broker id; -1 when there is none.
    #[field(versions = "0+")]
    pub controller_id: i32,
    /// Whether the sender is a KRaft controller during migration.
    #[field(versions = "7+", default = "false")]
    pub is_kraft_controller: bool,
    /// The epoch of the controller that decided.
    #[field(versions = "0+")]
    pub controller_epoch: i32,
    /// The czxid of the broker's registration; -1 when unchecked.
    #[field(versions = "2+", default = "-1", ignorable)]
    pub broker_epoch: i64,
    /// Whether the state is complete: 0 unknown, 1 incremental, 2 full (KIP-866).
    #[field(versions = "5+")]
    pub r#type: i8,
    /// One entry per partition, in the versions that do not group by topic.
    #[field(versions = "0-1")]
    pub ungrouped_partition_states: Vec<LeaderAndIsrPartitionState>,
    /// One entry per topic.
    #[field(versions = "2+")]
    pub topic_states: Vec<LeaderAndIsrTopicState>,
    /// The brokers named as leaders, with their addresses.
    #[field(versions = "0+")]
    pub live_leaders: Vec<LeaderAndIsrLiveLeader>,
}

/// A partition as the controller decided it.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct LeaderAndIsrPartitionState {
    /// The topic's name.
    #[field(versions = "0-1", ignorable)]
    pub topic_name: Str,
    /// The partition.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// The epoch of the controller that decided.
    #[field(versions = "0+")]
    pub controller_epoch: i32,
    /// The leader's broker id; -1 for none.
    #[field(versions = "0+")]
    pub leader: i32,
    /// The partition's leader epoch; -1 when unknown.
    #[field(versions = "0+")]
    pub leader_epoch: i32,
    /// The replicas in sync.
    #[field(versions = "0+")]
    pub isr: Vec<i32>,
    /// The ZooKeeper version of the partition state.
    #[field(versions = "0+")]
    pub partition_epoch: i32,
    /// The assigned replicas, the preferred one first.
    #[field(versions = "0+")]
    pub replicas: Vec<i32>,
    /// Replicas a reassignment is adding.
    #[field(versions = "3+", ignorable)]
    pub adding_replicas: Vec<i32>,
    /// Replicas a reassignment is removing.
    #[field(versions = "3+", ignorable)]
    pub removing_replicas: Vec<i32>,
    /// Whether the replica is to be created.
    #[field(versions = "1+", default = "false", ignorable)]
    pub is_new: bool,
    /// 1 while the leader recovers from an unclean election, else 0.
    #[field(versions = "6+", default = "0")]
    pub leader_recovery_state: i8,
}

/// A topic of the request.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct LeaderAndIsrTopicState {
    /// The topic's name.
    #[field(versions = "2+")]
    pub topic_name: Str,
    /// The topic's id; zero when unknown.
    #[field(versions = "5+", ignorable)]
    pub topic_id: Uuid,
    /// One entry per partition.
    #[field(versions = "2+")]
    pub partition_states: Vec<LeaderAndIsrPartitionState>,
}

/// A leader and its address.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct LeaderAndIsrLiveLeader {
    /// The broker's id.
    #[field(versions = "0+")]
    pub broker_id: i32,
    /// The host name to connect to.
    #[field(versions = "0+")]
    pub host_name: Str,
    /// The port to connect to.
    #[field(versions = "0+")]
    pub port: i32,
}

/// Answers [`LeaderAndIsrRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 4, versions = "0-7", flexible = "4+")]
pub struct LeaderAndIsrResponse {
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// One entry per partition.
    #[field(versions = "0-4")]
    pub partition_errors: Vec<LeaderAndIsrPartitionError>,
    /// One entry per topic.
    #[field(versions = "5+")]
    pub topics: Vec<LeaderAndIsrTopicError>,
}

/// A partition of the response.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct LeaderAndIsrPartitionError {
    /// The topic's name.
    #[field(versions = "0-4", ignorable)]
    pub topic_name: Str,
    /// The partition.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub error_code: i16,
}

/// A topic of the response.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct LeaderAndIsrTopicError {
    /// The topic's id; zero when unknown.
    #[field(versions = "5+")]
    pub topic_id: Uuid,
    /// One entry per partition.
    #[field(versions = "5+")]
    pub partition_errors: Vec<LeaderAndIsrPartitionError>,
}
