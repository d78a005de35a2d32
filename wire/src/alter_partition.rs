//! AlterPartition (key 56).

use wire_derive::{Message, Struct};

use crate::{Str, Uuid};

/// Asks for AlterPartition.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 56, versions = "0-3", flexible = "0+", response = AlterPartitionResponse)]
pub struct AlterPartitionRequest {
    /// The broker id.
    #[field(versions = "0+")]
    pub broker_id: i32,
    /// The broker epoch.
    #[field(versions = "0+", default = "-1")]
    pub broker_epoch: i64,
    /// The topics.
    #[field(versions = "0+")]
    pub topics: Vec<RequestTopicData>,
}

/// One of `topics` of [`AlterPartitionRequest`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct RequestTopicData {
    /// The topic name.
    #[field(versions = "0-1", ignorable)]
    pub topic_name: Str,
    /// The topic id.
    #[field(versions = "2+", ignorable)]
    pub topic_id: Uuid,
    /// The partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<RequestPartitionData>,
}

/// One of `partitions` of [`TopicData`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct RequestPartitionData {
    /// The partition index.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// The leader epoch.
    #[field(versions = "0+")]
    pub leader_epoch: i32,
    /// The new isr.
    #[field(versions = "0-2")]
    pub new_isr: Vec<i32>,
    /// The new isr with epochs.
    #[field(versions = "3+")]
    pub new_isr_with_epochs: Vec<BrokerState>,
    /// The leader recovery state.
    #[field(versions = "1+", default = "0")]
    pub leader_recovery_state: i8,
    /// The partition epoch.
    #[field(versions = "0+")]
    pub partition_epoch: i32,
}

/// One of `new_isr_with_epochs` of [`PartitionData`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct BrokerState {
    /// The broker id.
    #[field(versions = "3+")]
    pub broker_id: i32,
    /// The broker epoch.
    #[field(versions = "3+", default = "-1")]
    pub broker_epoch: i64,
}

/// Answers [`AlterPartitionRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 56, versions = "0-3", flexible = "0+")]
pub struct AlterPartitionResponse {
    /// The throttle time, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The topics.
    #[field(versions = "0+")]
    pub topics: Vec<ResponseTopicData>,
}

/// One of `topics` of [`AlterPartitionResponse`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct ResponseTopicData {
    /// The topic name.
    #[field(versions = "0-1", ignorable)]
    pub topic_name: Str,
    /// The topic id.
    #[field(versions = "2+", ignorable)]
    pub topic_id: Uuid,
    /// The partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<ResponsePartitionData>,
}

/// One of `partitions` of [`TopicData`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct ResponsePartitionData {
    /// The partition index.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The leader id.
    #[field(versions = "0+")]
    pub leader_id: i32,
    /// The leader epoch.
    #[field(versions = "0+")]
    pub leader_epoch: i32,
    /// The isr.
    #[field(versions = "0+")]
    pub isr: Vec<i32>,
    /// The leader recovery state.
    #[field(versions = "1+", default = "0", ignorable)]
    pub leader_recovery_state: i8,
    /// The partition epoch.
    #[field(versions = "0+")]
    pub partition_epoch: i32,
}
