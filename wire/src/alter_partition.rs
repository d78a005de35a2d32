//! AlterPartition (key 56) changes the ISR of partitions.
//! Only from leaders.

use wire_derive::{Message, Struct};

use crate::{Str, Uuid};

/// Asks the controller to change the ISR of partitions.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 56, versions = "0-3", flexible = "0+", response = AlterPartitionResponse)]
pub struct AlterPartitionRequest {
    /// The broker's id.
    #[field(versions = "0+")]
    pub broker_id: i32,
    /// The czxid of the broker's registration; -1 when unchecked.
    #[field(versions = "0+", default = "-1")]
    pub broker_epoch: i64,
    /// One entry per topic.
    #[field(versions = "0+")]
    pub topics: Vec<RequestTopicData>,
}

/// A topic of the request.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct RequestTopicData {
    /// The topic's name.
    #[field(versions = "0-1", ignorable)]
    pub topic_name: Str,
    /// The topic's id; zero when unknown.
    #[field(versions = "2+", ignorable)]
    pub topic_id: Uuid,
    /// One entry per partition.
    #[field(versions = "0+")]
    pub partitions: Vec<RequestPartitionData>,
}

/// A partition of the request.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct RequestPartitionData {
    /// The partition.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// The partition's leader epoch; -1 when unknown.
    #[field(versions = "0+")]
    pub leader_epoch: i32,
    /// The wanted ISR.
    #[field(versions = "0-2")]
    pub new_isr: Vec<i32>,
    /// The wanted ISR, each replica with its broker epoch.
    #[field(versions = "3+")]
    pub new_isr_with_epochs: Vec<BrokerState>,
    /// 1 while the leader recovers from an unclean election, else 0.
    #[field(versions = "1+", default = "0")]
    pub leader_recovery_state: i8,
    /// The ZooKeeper version of the partition state.
    #[field(versions = "0+")]
    pub partition_epoch: i32,
}

/// A replica of the wanted ISR.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct BrokerState {
    /// The broker's id.
    #[field(versions = "3+")]
    pub broker_id: i32,
    /// The czxid of the broker's registration; -1 when unchecked.
    #[field(versions = "3+", default = "-1")]
    pub broker_epoch: i64,
}

/// Answers [`AlterPartitionRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 56, versions = "0-3", flexible = "0+")]
pub struct AlterPartitionResponse {
    /// How long a quota makes the client wait, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// One entry per topic.
    #[field(versions = "0+")]
    pub topics: Vec<ResponseTopicData>,
}

/// A topic of the response.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct ResponseTopicData {
    /// The topic's name.
    #[field(versions = "0-1", ignorable)]
    pub topic_name: Str,
    /// The topic's id; zero when unknown.
    #[field(versions = "2+", ignorable)]
    pub topic_id: Uuid,
    /// One entry per partition.
    #[field(versions = "0+")]
    pub partitions: Vec<ResponsePartitionData>,
}

/// A partition of the response.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct ResponsePartitionData {
    /// The partition.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The leader's broker id; -1 when unknown.
    #[field(versions = "0+")]
    pub leader_id: i32,
    /// The partition's leader epoch; -1 when unknown.
    #[field(versions = "0+")]
    pub leader_epoch: i32,
    /// The replicas in sync.
    #[field(versions = "0+")]
    pub isr: Vec<i32>,
    /// 1 while the leader recovers from an unclean election, else 0.
    #[field(versions = "1+", default = "0", ignorable)]
    pub leader_recovery_state: i8,
    /// The ZooKeeper version of the partition state.
    #[field(versions = "0+")]
    pub partition_epoch: i32,
}
