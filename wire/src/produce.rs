//! Produce (key 0) appends record batches to partitions.
//! With `acks` of 0 there is no response.

use wire_derive::{Message, Struct};

use crate::{Records, Str};

/// Appends record batches to partitions this broker leads.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 0, versions = "0-11", flexible = "9+", response = ProduceResponse)]
pub struct ProduceRequest {
    /// The transactional id; null for a producer without transactions.
    #[field(versions = "3+", nullable = "3+", default = "null")]
    pub transactional_id: Option<Str>,
    /// Whose append the producer waits for: 0 nobody, 1 the leader, -1 every replica in sync.
    #[field(versions = "0+")]
    pub acks: i16,
    /// How long to wait for the replicas, in milliseconds.
    #[field(versions = "0+")]
    pub timeout_ms: i32,
    /// One entry per topic.
    #[field(versions = "0+")]
    pub topic_data: Vec<TopicProduceData>,
}

/// A topic of the request.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct TopicProduceData {
    /// The topic's name.
    #[field(versions = "0+")]
    pub name: Str,
    /// One entry per partition.
    #[field(versions = "0+")]
    pub partition_data: Vec<PartitionProduceData>,
}

/// A partition of the request.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct PartitionProduceData {
    /// The partition.
    #[field(versions = "0+")]
    pub index: i32,
    /// The partition's record batches; shares the frame's memory when read.
    #[field(versions = "0+", nullable = "0+")]
    pub records: Records,
}

/// Answers [`ProduceRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 0, versions = "0-11", flexible = "9+")]
pub struct ProduceResponse {
    /// One entry per item of the request.
    #[field(versions = "0+")]
    pub responses: Vec<TopicProduceResponse>,
    /// How long a quota makes the client wait, in milliseconds.
    #[field(versions = "1+", default = "0", ignorable)]
    pub throttle_time_ms: i32,
    /// Where the brokers named as current leaders are.
    #[field(versions = "10+", tagged = "10+", tag = 0)]
    pub node_endpoints: Vec<NodeEndpoint>,
}

/// A topic of the response.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct TopicProduceResponse {
    /// The topic's name.
    #[field(versions = "0+")]
    pub name: Str,
    /// One entry per partition.
    #[field(versions = "0+")]
    pub partition_responses: Vec<PartitionProduceResponse>,
}

/// A partition of the response.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct PartitionProduceResponse {
    /// The partition.
    #[field(versions = "0+")]
    pub index: i32,
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The offset of the first appended record.
    #[field(versions = "0+")]
    pub base_offset: i64,
    /// When the broker appended, if the topic uses log append time, else -1; milliseconds since 1970.
    #[field(versions = "2+", default = "-1", ignorable)]
    pub log_append_time_ms: i64,
    /// The partition's first offset; -1 when unknown.
    #[field(versions = "5+", default = "-1", ignorable)]
    pub log_start_offset: i64,
    /// Which records made the batch unacceptable.
    #[field(versions = "8+", ignorable)]
    pub record_errors: Vec<BatchIndexAndErrorMessage>,
    /// What went wrong, for people; null when there is nothing to add.
    #[field(versions = "8+", nullable = "8+", default = "null", ignorable)]
    pub error_message: Option<Str>,
    /// Who leads now, when the receiver does not.
    #[field(versions = "10+", tagged = "10+", tag = 0)]
    pub current_leader: LeaderIdAndEpoch,
}

/// A record that made its batch unacceptable.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct BatchIndexAndErrorMessage {
    /// The position of the record in the batch.
    #[field(versions = "8+")]
    pub batch_index: i32,
    /// What is wrong with the record, for people; null when there is nothing to add.
    #[field(versions = "8+", nullable = "8+", default = "null")]
    pub batch_index_error_message: Option<Str>,
}

/// Who leads a partition.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct LeaderIdAndEpoch {
    /// The leader's broker id; -1 when unknown.
    #[field(versions = "10+", default = "-1")]
    pub leader_id: i32,
    /// The partition's leader epoch; -1 when unknown.
    #[field(versions = "10+", default = "-1")]
    pub leader_epoch: i32,
}

/// Where a broker is.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct NodeEndpoint {
    /// The broker's id.
    #[field(versions = "10+")]
    pub node_id: i32,
    /// The host name to connect to.
    #[field(versions = "10+")]
    pub host: Str,
    /// The port to connect to.
    #[field(versions = "10+")]
    pub port: i32,
    /// The rack; null when it has none.
    #[field(versions = "10+", nullable = "10+", default = "null")]
    pub rack: Option<Str>,
}
