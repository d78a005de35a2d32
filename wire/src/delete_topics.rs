//! DeleteTopics (key 20).

use wire_derive::{Message, Struct};

use crate::{Str, Uuid};

/// Asks for DeleteTopics.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 20, versions = "0-6", flexible = "4+", response = DeleteTopicsResponse)]
pub struct DeleteTopicsRequest {
    /// The topics.
    #[field(versions = "6+")]
    pub topics: Vec<DeleteTopicState>,
    /// The topic names.
    #[field(versions = "0-5", ignorable)]
    pub topic_names: Vec<Str>,
    /// The timeout, in milliseconds.
    #[field(versions = "0+")]
    pub timeout_ms: i32,
}

/// One of `topics` of [`DeleteTopicsRequest`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct DeleteTopicState {
    /// The name.
    #[field(versions = "6+", nullable = "6+", default = "null")]
    pub name: Option<Str>,
    /// The topic id.
    #[field(versions = "6+")]
    pub topic_id: Uuid,
}

/// Answers [`DeleteTopicsRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 20, versions = "0-6", flexible = "4+")]
pub struct DeleteTopicsResponse {
    /// The throttle time, in milliseconds.
    #[field(versions = "1+", ignorable)]
    pub throttle_time_ms: i32,
    /// The responses.
    #[field(versions = "0+")]
    pub responses: Vec<DeletableTopicResult>,
}

/// One of `responses` of [`DeleteTopicsResponse`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct DeletableTopicResult {
    /// The name.
    #[field(versions = "0+", nullable = "6+")]
    pub name: Option<Str>,
    /// The topic id.
    #[field(versions = "6+", ignorable)]
    pub topic_id: Uuid,
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The error message.
    #[field(versions = "5+", nullable = "5+", default = "null", ignorable)]
    pub error_message: Option<Str>,
}
