//! CreatePartitions (key 37).

use wire_derive::{Message, Struct};

use crate::Str;

/// Asks for CreatePartitions.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 37, versions = "0-3", flexible = "2+", response = CreatePartitionsResponse)]
pub struct CreatePartitionsRequest {
    /// The topics.
    #[field(versions = "0+")]
    pub topics: Vec<CreatePartitionsTopic>,
    /// The timeout, in milliseconds.
    #[field(versions = "0+")]
    pub timeout_ms: i32,
    /// The validate only.
    #[field(versions = "0+")]
    pub validate_only: bool,
}

/// One of `topics` of [`CreatePartitionsRequest`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct CreatePartitionsTopic {
    /// The name.
    #[field(versions = "0+")]
    pub name: Str,
    /// The count.
    #[field(versions = "0+")]
    pub count: i32,
    /// The assignments.
    #[field(versions = "0+", nullable = "0+")]
    pub assignments: Option<Vec<CreatePartitionsAssignment>>,
}

/// One of `assignments` of [`CreatePartitionsTopic`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct CreatePartitionsAssignment {
    /// The broker ids.
    #[field(versions = "0+")]
    pub broker_ids: Vec<i32>,
}

/// Answers [`CreatePartitionsRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 37, versions = "0-3", flexible = "2+")]
pub struct CreatePartitionsResponse {
    /// The throttle time, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// The results.
    #[field(versions = "0+")]
    pub results: Vec<CreatePartitionsTopicResult>,
}

/// One of `results` of [`CreatePartitionsResponse`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct CreatePartitionsTopicResult {
    /// The name.
    #[field(versions = "0+")]
    pub name: Str,
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The error message.
    #[field(versions = "0+", nullable = "0+", default = "null")]
    pub error_message: Option<Str>,
}
