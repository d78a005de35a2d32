//! Produce (key 0).

use wire_derive::{Message, Struct};

use crate::{Records, Str};

/// Asks for Produce.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 0, versions = "0-11", flexible = "9+", response = ProduceResponse)]
pub struct ProduceRequest {
    /// The transactional id.
    #[field(versions = "3+", nullable = "3+", default = "null")]
    pub transactional_id: Option<Str>,
    /// The acks.
    #[field(versions = "0+")]
    pub acks: i16,
    /// The timeout, in milliseconds.
    #[field(versions = "0+")]
    pub timeout_ms: i32,
    /// The topic data.
    #[field(versions = "0+")]
    pub topic_data: Vec<TopicProduceData>,
}

/// One of `topic_data` of [`ProduceRequest`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct TopicProduceData {
    /// The name.
    #[field(versions = "0+")]
    pub name: Str,
    /// The partition data.
    #[field(versions = "0+")]
    pub partition_data: Vec<PartitionProduceData>,
}

/// One of `partition_data` of [`TopicProduceData`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct PartitionProduceData {
    /// The index.
    #[field(versions = "0+")]
    pub index: i32,
    /// The records.
    #[field(versions = "0+", nullable = "0+")]
    pub records: Records,
}

/// Answers [`ProduceRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 0, versions = "0-11", flexible = "9+")]
pub struct ProduceResponse {
    /// The responses.
    #[field(versions = "0+")]
    pub responses: Vec<TopicProduceResponse>,
    /// The throttle time, in milliseconds.
    #[field(versions = "1+", default = "0", ignorable)]
    pub throttle_time_ms: i32,
    /// The node endpoints.
    #[field(versions = "10+", tagged = "10+", tag = 0)]
    pub node_endpoints: Vec<NodeEndpoint>,
}

/// One of `responses` of [`ProduceResponse`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct TopicProduceResponse {
    /// The name.
    #[field(versions = "0+")]
    pub name: Str,
    /// The partition responses.
    #[field(versions = "0+")]
    pub partition_responses: Vec<PartitionProduceResponse>,
}

/// One of `partition_responses` of [`TopicProduceResponse`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct PartitionProduceResponse {
    /// The index.
    #[field(versions = "0+")]
    pub index: i32,
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The base offset.
    #[field(versions = "0+")]
    pub base_offset: i64,
    /// The log append time, in milliseconds.
    #[field(versions = "2+", default = "-1", ignorable)]
    pub log_append_time_ms: i64,
    /// The log start offset.
    #[field(versions = "5+", default = "-1", ignorable)]
    pub log_start_offset: i64,
    /// The record errors.
    #[field(versions = "8+", ignorable)]
    pub record_errors: Vec<BatchIndexAndErrorMessage>,
    /// The error message.
    #[field(versions = "8+", nullable = "8+", default = "null", ignorable)]
    pub error_message: Option<Str>,
    /// The current leader.
    #[field(versions = "10+", tagged = "10+", tag = 0)]
    pub current_leader: LeaderIdAndEpoch,
}

/// One of `record_errors` of [`PartitionProduceResponse`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct BatchIndexAndErrorMessage {
    /// The batch index.
    #[field(versions = "8+")]
    pub batch_index: i32,
    /// The batch index error message.
    #[field(versions = "8+", nullable = "8+", default = "null")]
    pub batch_index_error_message: Option<Str>,
}

/// The `current_leader` of [`PartitionProduceResponse`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct LeaderIdAndEpoch {
    /// The leader id.
    #[field(versions = "10+", default = "-1")]
    pub leader_id: i32,
    /// The leader epoch.
    #[field(versions = "10+", default = "-1")]
    pub leader_epoch: i32,
}

/// One of `node_endpoints` of [`ProduceResponse`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct NodeEndpoint {
    /// The node id.
    #[field(versions = "10+")]
    pub node_id: i32,
    /// The host.
    #[field(versions = "10+")]
    pub host: Str,
    /// The port.
    #[field(versions = "10+")]
    pub port: i32,
    /// The rack.
    #[field(versions = "10+", nullable = "10+", default = "null")]
    pub rack: Option<Str>,
}
