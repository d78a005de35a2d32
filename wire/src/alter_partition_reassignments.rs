//! AlterPartitionReassignments (key 45).

use wire_derive::{Message, Struct};

use crate::Str;

/// Asks for AlterPartitionReassignments.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 45, versions = "0", flexible = "0+", response = AlterPartitionReassignmentsResponse)]
pub struct AlterPartitionReassignmentsRequest {
    /// The timeout, in milliseconds.
    #[field(versions = "0+", default = "60000")]
    pub timeout_ms: i32,
    /// The topics.
    #[field(versions = "0+")]
    pub topics: Vec<ReassignableTopic>,
}

/// One of `topics` of [`AlterPartitionReassignmentsRequest`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct ReassignableTopic {
    /// The name.
    #[field(versions = "0+")]
    pub name: Str,
    /// The partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<ReassignablePartition>,
}

/// One of `partitions` of [`ReassignableTopic`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct ReassignablePartition {
    /// The partition index.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// The replicas.
    #[field(versions = "0+", nullable = "0+", default = "null")]
    pub replicas: Option<Vec<i32>>,
}

/// Answers [`AlterPartitionReassignmentsRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 45, versions = "0", flexible = "0+")]
pub struct AlterPartitionReassignmentsResponse {
    /// The throttle time, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The error message.
    #[field(versions = "0+", nullable = "0+")]
    pub error_message: Option<Str>,
    /// The responses.
    #[field(versions = "0+")]
    pub responses: Vec<ReassignableTopicResponse>,
}

/// One of `responses` of [`AlterPartitionReassignmentsResponse`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct ReassignableTopicResponse {
    /// The name.
    #[field(versions = "0+")]
    pub name: Str,
    /// The partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<ReassignablePartitionResponse>,
}

/// One of `partitions` of [`ReassignableTopicResponse`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct ReassignablePartitionResponse {
    /// The partition index.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The error message.
    #[field(versions = "0+", nullable = "0+")]
    pub error_message: Option<Str>,
}
