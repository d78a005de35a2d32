//! DescribeProducers (key 61).

use wire_derive::{Message, Struct};

use crate::Str;

/// Asks for DescribeProducers.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 61, versions = "0", flexible = "0+", response = DescribeProducersResponse)]
pub struct DescribeProducersRequest {
    /// The topics.
    #[field(versions = "0+")]
    pub topics: Vec<TopicRequest>,
}

/// One of `topics` of [`DescribeProducersRequest`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct TopicRequest {
    /// The name.
    #[field(versions = "0+")]
    pub name: Str,
    /// The partition indexes.
    #[field(versions = "0+")]
    pub partition_indexes: Vec<i32>,
}

/// Answers [`DescribeProducersRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 61, versions = "0", flexible = "0+")]
pub struct DescribeProducersResponse {
    /// The throttle time, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// The topics.
    #[field(versions = "0+")]
    pub topics: Vec<TopicResponse>,
}

/// One of `topics` of [`DescribeProducersResponse`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct TopicResponse {
    /// The name.
    #[field(versions = "0+")]
    pub name: Str,
    /// The partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<PartitionResponse>,
}

/// One of `partitions` of [`TopicResponse`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct PartitionResponse {
    /// The partition index.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The error message.
    #[field(versions = "0+", nullable = "0+", default = "null")]
    pub error_message: Option<Str>,
    /// The active producers.
    #[field(versions = "0+")]
    pub active_producers: Vec<ProducerState>,
}

/// One of `active_producers` of [`PartitionResponse`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct ProducerState {
    /// The producer id.
    #[field(versions = "0+")]
    pub producer_id: i64,
    /// The producer epoch.
    #[field(versions = "0+")]
    pub producer_epoch: i32,
    /// The last sequence.
    #[field(versions = "0+", default = "-1")]
    pub last_sequence: i32,
    /// The last timestamp.
    #[field(versions = "0+", default = "-1")]
    pub last_timestamp: i64,
    /// The coordinator epoch.
    #[field(versions = "0+")]
    pub coordinator_epoch: i32,
    /// The current txn start offset.
    #[field(versions = "0+", default = "-1")]
    pub current_txn_start_offset: i64,
}
