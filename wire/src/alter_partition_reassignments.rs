//! AlterPartitionReassignments (key 45) starts and cancels reassignments.

use wire_derive::{Message, Struct};

use crate::Str;

/// Starts or cancels reassignments; for the controller.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 45, versions = "0", flexible = "0+", response = AlterPartitionReassignmentsResponse)]
pub struct AlterPartitionReassignmentsRequest {
    /// How long the broker may take, in milliseconds.
    #[field(versions = "0+", default = "60000")]
    pub timeout_ms: i32,
    /// One entry per topic.
    #[field(versions = "0+")]
    pub topics: Vec<ReassignableTopic>,
}

/// A topic of the request.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct ReassignableTopic {
    /// The topic's name.
    #[field(versions = "0+")]
    pub name: Str,
    /// One entry per partition.
    #[field(versions = "0+")]
    pub partitions: Vec<ReassignablePartition>,
}

/// A partition of the request.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct ReassignablePartition {
    /// The partition.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// The wanted replicas, the preferred one first; null cancels the reassignment.
    #[field(versions = "0+", nullable = "0+", default = "null")]
    pub replicas: Option<Vec<i32>>,
}

/// Answers [`AlterPartitionReassignmentsRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 45, versions = "0", flexible = "0+")]
pub struct AlterPartitionReassignmentsResponse {
    /// How long a quota makes the client wait, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// What went wrong, for people; null when there is nothing to add.
    #[field(versions = "0+", nullable = "0+")]
    pub error_message: Option<Str>,
    /// One entry per item of the request.
    #[field(versions = "0+")]
    pub responses: Vec<ReassignableTopicResponse>,
}

/// A topic of the response.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct ReassignableTopicResponse {
    /// The topic's name.
    #[field(versions = "0+")]
    pub name: Str,
    /// One entry per partition.
    #[field(versions = "0+")]
    pub partitions: Vec<ReassignablePartitionResponse>,
}

/// A partition of the response.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct ReassignablePartitionResponse {
    /// The partition.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// What went wrong, for people; null when there is nothing to add.
    #[field(versions = "0+", nullable = "0+")]
    pub error_message: Option<Str>,
}
