//! CreatePartitions (key 37) adds partitions to topics.

use wire_derive::{Message, Struct};

use crate::Str;

/// Adds partitions to topics; for the controller.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 37, versions = "0-3", flexible = "2+", response = CreatePartitionsResponse)]
pub struct CreatePartitionsRequest {
    /// One entry per topic.
    #[field(versions = "0+")]
    pub topics: Vec<CreatePartitionsTopic>,
    /// How long the broker may take, in milliseconds.
    #[field(versions = "0+")]
    pub timeout_ms: i32,
    /// Whether only to check, and change nothing.
    #[field(versions = "0+")]
    pub validate_only: bool,
}

/// A topic of the request.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct CreatePartitionsTopic {
    /// The topic's name.
    #[field(versions = "0+")]
    pub name: Str,
    /// The total number of partitions afterwards.
    #[field(versions = "0+")]
    pub count: i32,
    /// The replicas of each new partition; null lets the controller choose.
    #[field(versions = "0+", nullable = "0+")]
    pub assignments: Option<Vec<CreatePartitionsAssignment>>,
}

/// The replicas of one new partition.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct CreatePartitionsAssignment {
    /// The replicas, the preferred one first.
    #[field(versions = "0+")]
    pub broker_ids: Vec<i32>,
}

/// Answers [`CreatePartitionsRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 37, versions = "0-3", flexible = "2+")]
pub struct CreatePartitionsResponse {
    /// How long a quota makes the client wait, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// One entry per item of the request.
    #[field(versions = "0+")]
    pub results: Vec<CreatePartitionsTopicResult>,
}

/// A topic of the response.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct CreatePartitionsTopicResult {
    /// The topic's name.
    #[field(versions = "0+")]
    pub name: Str,
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// What went wrong, for people; null when there is nothing to add.
    #[field(versions = "0+", nullable = "0+", default = "null")]
    pub error_message: Option<Str>,
}
