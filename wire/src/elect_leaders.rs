//! ElectLeaders (key 43) elects leaders.

use wire_derive::{Message, Struct};

use crate::Str;

/// Elects leaders of partitions; for the controller.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 43, versions = "0-2", flexible = "2+", response = ElectLeadersResponse)]
pub struct ElectLeadersRequest {
    /// 0 elects the preferred replica, 1 any (unclean).
    #[field(versions = "1+")]
    pub election_type: i8,
    /// The partitions; null for all.
    #[field(versions = "0+", nullable = "0+")]
    pub topic_partitions: Option<Vec<TopicPartitions>>,
    /// How long the broker may take, in milliseconds.
    #[field(versions = "0+", default = "60000")]
    pub timeout_ms: i32,
}

/// Partitions of one topic.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct TopicPartitions {
    /// The topic's name.
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
    /// How long a quota makes the client wait, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "1+")]
    pub error_code: i16,
    /// One entry per topic.
    #[field(versions = "0+")]
    pub replica_election_results: Vec<ReplicaElectionResult>,
}

/// A topic of the response.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct ReplicaElectionResult {
    /// The topic's name.
    #[field(versions = "0+")]
    pub topic: Str,
    /// One entry per partition.
    #[field(versions = "0+")]
    pub partition_result: Vec<PartitionResult>,
}

/// A partition of the response.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct PartitionResult {
    /// The partition.
    #[field(versions = "0+")]
    pub partition_id: i32,
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// What went wrong, for people; null when there is nothing to add.
    #[field(versions = "0+", nullable = "0+")]
    pub error_message: Option<Str>,
}
