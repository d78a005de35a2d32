//! ListPartitionReassignments (key 46) lists reassignments.

use wire_derive::{Message, Struct};

use crate::Str;

/// Asks for the reassignments under way; for the controller.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 46, versions = "0", flexible = "0+", response = ListPartitionReassignmentsResponse)]
pub struct ListPartitionReassignmentsRequest {
    /// How long the broker may take, in milliseconds.
    #[field(versions = "0+", default = "60000")]
    pub timeout_ms: i32,
    /// The topics wanted; null for all.
    #[field(versions = "0+", nullable = "0+", default = "null")]
    pub topics: Option<Vec<ListPartitionReassignmentsTopics>>,
}

/// A topic of the request.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct ListPartitionReassignmentsTopics {
    /// The topic's name.
    #[field(versions = "0+")]
    pub name: Str,
    /// The partitions.
    #[field(versions = "0+")]
    pub partition_indexes: Vec<i32>,
}

/// Answers [`ListPartitionReassignmentsRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 46, versions = "0", flexible = "0+")]
pub struct ListPartitionReassignmentsResponse {
    /// How long a quota makes the client wait, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// What went wrong, for people; null when there is nothing to add.
    #[field(versions = "0+", nullable = "0+")]
    pub error_message: Option<Str>,
    /// One entry per topic.
    #[field(versions = "0+")]
    pub topics: Vec<OngoingTopicReassignment>,
}

/// A topic of the response.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct OngoingTopicReassignment {
    /// The topic's name.
    #[field(versions = "0+")]
    pub name: Str,
    /// One entry per partition.
    #[field(versions = "0+")]
    pub partitions: Vec<OngoingPartitionReassignment>,
}

/// A partition of the response.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct OngoingPartitionReassignment {
    /// The partition.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// The assigned replicas, the preferred one first.
    #[field(versions = "0+")]
    pub replicas: Vec<i32>,
    /// Replicas a reassignment is adding.
    #[field(versions = "0+")]
    pub adding_replicas: Vec<i32>,
    /// Replicas a reassignment is removing.
    #[field(versions = "0+")]
    pub removing_replicas: Vec<i32>,
}
