//! DescribeProducers (key 61) lists the producers of partitions.

use wire_derive::{Message, Struct};

use crate::Str;

/// Asks for the producers a partition knows.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 61, versions = "0", flexible = "0+", response = DescribeProducersResponse)]
pub struct DescribeProducersRequest {
    /// One entry per topic.
    #[field(versions = "0+")]
    pub topics: Vec<TopicRequest>,
}

/// A topic of the request.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct TopicRequest {
    /// The topic's name.
    #[field(versions = "0+")]
    pub name: Str,
    /// The partitions.
    #[field(versions = "0+")]
    pub partition_indexes: Vec<i32>,
}

/// Answers [`DescribeProducersRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 61, versions = "0", flexible = "0+")]
pub struct DescribeProducersResponse {
    /// How long a quota makes the client wait, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// One entry per topic.
    #[field(versions = "0+")]
    pub topics: Vec<TopicResponse>,
}

/// A topic of the response.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct TopicResponse {
    /// The topic's name.
    #[field(versions = "0+")]
    pub name: Str,
    /// One entry per partition.
    #[field(versions = "0+")]
    pub partitions: Vec<PartitionResponse>,
}

/// A partition of the response.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct PartitionResponse {
    /// The partition.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// What went wrong, for people; null when there is nothing to add.
    #[field(versions = "0+", nullable = "0+", default = "null")]
    pub error_message: Option<Str>,
    /// One entry per producer.
    #[field(versions = "0+")]
    pub active_producers: Vec<ProducerState>,
}

/// What a partition knows of one producer.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct ProducerState {
    /// The producer id.
    #[field(versions = "0+")]
    pub producer_id: i64,
    /// The producer's epoch.
    #[field(versions = "0+")]
    pub producer_epoch: i32,
    /// The last record's sequence number; -1 when there is none.
    #[field(versions = "0+", default = "-1")]
    pub last_sequence: i32,
    /// The last record's timestamp; -1 when there is none.
    #[field(versions = "0+", default = "-1")]
    pub last_timestamp: i64,
    /// The transaction coordinator's epoch.
    #[field(versions = "0+")]
    pub coordinator_epoch: i32,
    /// Where the open transaction began; -1 when none is open.
    #[field(versions = "0+", default = "-1")]
    pub current_txn_start_offset: i64,
}
