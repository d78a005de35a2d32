//! ListPartitionReassignments (key 46).

use wire_derive::{Message, Struct};

use crate::Str;

/// Asks for ListPartitionReassignments.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 46, versions = "0", flexible = "0+", response = ListPartitionReassignmentsResponse)]
pub struct ListPartitionReassignmentsRequest {
    /// The timeout, in milliseconds.
    #[field(versions = "0+", default = "60000")]
    pub timeout_ms: i32,
    /// The topics.
    #[field(versions = "0+", nullable = "0+", default = "null")]
    pub topics: Option<Vec<ListPartitionReassignmentsTopics>>,
}

/// One of `topics` of [`ListPartitionReassignmentsRequest`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct ListPartitionReassignmentsTopics {
    /// The name.
    #[field(versions = "0+")]
    pub name: Str,
    /// The partition indexes.
    #[field(versions = "0+")]
    pub partition_indexes: Vec<i32>,
}

/// Answers [`ListPartitionReassignmentsRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 46, versions = "0", flexible = "0+")]
pub struct ListPartitionReassignmentsResponse {
    /// The throttle time, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The error message.
    #[field(versions = "0+", nullable = "0+")]
    pub error_message: Option<Str>,
    /// The topics.
    #[field(versions = "0+")]
    pub topics: Vec<OngoingTopicReassignment>,
}

/// One of `topics` of [`ListPartitionReassignmentsResponse`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct OngoingTopicReassignment {
    /// The name.
    #[field(versions = "0+")]
    pub name: Str,
    /// The partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<OngoingPartitionReassignment>,
}

/// One of `partitions` of [`OngoingTopicReassignment`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct OngoingPartitionReassignment {
    /// The partition index.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// The replicas.
    #[field(versions = "0+")]
    pub replicas: Vec<i32>,
    /// The adding replicas.
    #[field(versions = "0+")]
    pub adding_replicas: Vec<i32>,
    /// The removing replicas.
    #[field(versions = "0+")]
    pub removing_replicas: Vec<i32>,
}
