//! ElectLeaders (key 43).

use wire_derive::{Message, Struct};

use crate::Str;

/// Asks for ElectLeaders.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 43, versions = "0-2", flexible = "2+", response = ElectLeadersResponse)]
pub struct ElectLeadersRequest {
    /// The election type.
    #[field(versions = "1+")]
    pub election_type: i8,
    /// The topic partitions.
    #[field(versions = "0+", nullable = "0+")]
    pub topic_partitions: Option<Vec<TopicPartitions>>,
    /// The timeout, in milliseconds.
    #[field(versions = "0+", default = "60000")]
    pub timeout_ms: i32,
}

/// One of `topic_partitions` of [`ElectLeadersRequest`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct TopicPartitions {
    /// The topic.
    #[field(versions = "0+")]
    pub topic: Str,
    /// The partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<i32>,
}

/// Answers [`ElectLeadersRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 43, versions = "0-2", flexible = "2+")]
pub struct ElectLeadersResponse {
    /// The throttle time, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// The error code.
    #[field(versions = "1+")]
    pub error_code: i16,
    /// The replica election results.
    #[field(versions = "0+")]
    pub replica_election_results: Vec<ReplicaElectionResult>,
}

/// One of `replica_election_results` of [`ElectLeadersResponse`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct ReplicaElectionResult {
    /// The topic.
    #[field(versions = "0+")]
    pub topic: Str,
    /// The partition result.
    #[field(versions = "0+")]
    pub partition_result: Vec<PartitionResult>,
}

/// One of `partition_result` of [`ReplicaElectionResult`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct PartitionResult {
    /// The partition id.
    #[field(versions = "0+")]
    pub partition_id: i32,
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The error message.
    #[field(versions = "0+", nullable = "0+")]
    pub error_message: Option<Str>,
}
