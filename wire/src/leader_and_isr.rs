//! LeaderAndIsr (key 4).

use wire_derive::{Message, Struct};

use crate::{Str, Uuid};

/// Asks for LeaderAndIsr.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 4, versions = "0-7", flexible = "4+", response = LeaderAndIsrResponse)]
pub struct LeaderAndIsrRequest {
    /// The controller id.
    #[field(versions = "0+")]
    pub controller_id: i32,
    /// The is kraft controller.
    #[field(versions = "7+", default = "false")]
    pub is_kraft_controller: bool,
    /// The controller epoch.
    #[field(versions = "0+")]
    pub controller_epoch: i32,
    /// The broker epoch.
    #[field(versions = "2+", default = "-1", ignorable)]
    pub broker_epoch: i64,
    /// The type.
    #[field(versions = "5+")]
    pub r#type: i8,
    /// The ungrouped partition states.
    #[field(versions = "0-1")]
    pub ungrouped_partition_states: Vec<LeaderAndIsrPartitionState>,
    /// The topic states.
    #[field(versions = "2+")]
    pub topic_states: Vec<LeaderAndIsrTopicState>,
    /// The live leaders.
    #[field(versions = "0+")]
    pub live_leaders: Vec<LeaderAndIsrLiveLeader>,
}

/// One of `ungrouped_partition_states` of [`LeaderAndIsrRequest`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct LeaderAndIsrPartitionState {
    /// The topic name.
    #[field(versions = "0-1", ignorable)]
    pub topic_name: Str,
    /// The partition index.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// The controller epoch.
    #[field(versions = "0+")]
    pub controller_epoch: i32,
    /// The leader.
    #[field(versions = "0+")]
    pub leader: i32,
    /// The leader epoch.
    #[field(versions = "0+")]
    pub leader_epoch: i32,
    /// The isr.
    #[field(versions = "0+")]
    pub isr: Vec<i32>,
    /// The partition epoch.
    #[field(versions = "0+")]
    pub partition_epoch: i32,
    /// The replicas.
    #[field(versions = "0+")]
    pub replicas: Vec<i32>,
    /// The adding replicas.
    #[field(versions = "3+", ignorable)]
    pub adding_replicas: Vec<i32>,
    /// The removing replicas.
    #[field(versions = "3+", ignorable)]
    pub removing_replicas: Vec<i32>,
    /// The is new.
    #[field(versions = "1+", default = "false", ignorable)]
    pub is_new: bool,
    /// The leader recovery state.
    #[field(versions = "6+", default = "0")]
    pub leader_recovery_state: i8,
}

/// One of `topic_states` of [`LeaderAndIsrRequest`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct LeaderAndIsrTopicState {
    /// The topic name.
    #[field(versions = "2+")]
    pub topic_name: Str,
    /// The topic id.
    #[field(versions = "5+", ignorable)]
    pub topic_id: Uuid,
    /// The partition states.
    #[field(versions = "2+")]
    pub partition_states: Vec<LeaderAndIsrPartitionState>,
}

/// One of `live_leaders` of [`LeaderAndIsrRequest`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct LeaderAndIsrLiveLeader {
    /// The broker id.
    #[field(versions = "0+")]
    pub broker_id: i32,
    /// The host name.
    #[field(versions = "0+")]
    pub host_name: Str,
    /// The port.
    #[field(versions = "0+")]
    pub port: i32,
}

/// Answers [`LeaderAndIsrRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 4, versions = "0-7", flexible = "4+")]
pub struct LeaderAndIsrResponse {
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The partition errors.
    #[field(versions = "0-4")]
    pub partition_errors: Vec<LeaderAndIsrPartitionError>,
    /// The topics.
    #[field(versions = "5+")]
    pub topics: Vec<LeaderAndIsrTopicError>,
}

/// One of `partition_errors` of [`LeaderAndIsrResponse`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct LeaderAndIsrPartitionError {
    /// The topic name.
    #[field(versions = "0-4", ignorable)]
    pub topic_name: Str,
    /// The partition index.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
}

/// One of `topics` of [`LeaderAndIsrResponse`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct LeaderAndIsrTopicError {
    /// The topic id.
    #[field(versions = "5+")]
    pub topic_id: Uuid,
    /// The partition errors.
    #[field(versions = "5+")]
    pub partition_errors: Vec<LeaderAndIsrPartitionError>,
}
