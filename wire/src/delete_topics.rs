//! DeleteTopics (key 20) deletes topics.
//! By name; from version 6 on also by id.

use wire_derive::{Message, Struct};

use crate::{Str, Uuid};

/// Deletes topics; for the controller.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 20, versions = "0-6", flexible = "4+", response = DeleteTopicsResponse)]
pub struct DeleteTopicsRequest {
    /// One entry per topic.
    #[field(versions = "6+")]
    pub topics: Vec<DeleteTopicState>,
    /// The topics' names.
    #[field(versions = "0-5", ignorable)]
    pub topic_names: Vec<Str>,
    /// How long the broker may take, in milliseconds.
    #[field(versions = "0+")]
    pub timeout_ms: i32,
}

/// A topic of the request.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct DeleteTopicState {
    /// The topic's name; null when it is asked for by id.
    #[field(versions = "6+", nullable = "6+", default = "null")]
    pub name: Option<Str>,
    /// The topic's id; zero when unknown.
    #[field(versions = "6+")]
    pub topic_id: Uuid,
}

/// Answers [`DeleteTopicsRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 20, versions = "0-6", flexible = "4+")]
pub struct DeleteTopicsResponse {
    /// How long a quota makes the client wait, in milliseconds.
    #[field(versions = "1+", ignorable)]
    pub throttle_time_ms: i32,
    /// One entry per item of the request.
    #[field(versions = "0+")]
    pub responses: Vec<DeletableTopicResult>,
}

/// A topic of the response.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct DeletableTopicResult {
    /// The topic's name; null when the id is unknown.
    #[field(versions = "0+", nullable = "6+")]
    pub name: Option<Str>,
    /// The topic's id; zero when unknown.
    #[field(versions = "6+", ignorable)]
    pub topic_id: Uuid,
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// What went wrong, for people; null when there is nothing to add.
    #[field(versions = "5+", nullable = "5+", default = "null", ignorable)]
    pub error_message: Option<Str>,
}
