//! CreateTopics (key 19) creates topics.

use wire_derive::{Message, Struct};

use crate::{Str, Uuid};

/// Creates topics; for the controller.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 19, versions = "0-7", flexible = "5+", response = CreateTopicsResponse)]
pub struct CreateTopicsRequest {
    /// One entry per topic.
    #[field(versions = "0+")]
    pub topics: Vec<CreatableTopic>,
    /// How long the broker may take, in milliseconds.
    #[field(versions = "0+", default = "60000")]
    pub timeout_ms: i32,
    /// Whether only to check, and change nothing.
    #[field(versions = "1+", default = "false")]
    pub validate_only: bool,
}

/// A topic to create.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct CreatableTopic {
    /// The topic's name.
    #[field(versions = "0+")]
    pub name: Str,
    /// The number of partitions; -1 for the broker's default or when assignments are given.
    #[field(versions = "0+")]
    pub num_partitions: i32,
    /// The replication factor; -1 for the broker's default or when assignments are given.
    #[field(versions = "0+")]
    pub replication_factor: i16,
    /// The replicas of each partition; empty lets the controller choose.
    #[field(versions = "0+")]
    pub assignments: Vec<CreatableReplicaAssignment>,
    /// One entry per configuration key.
    #[field(versions = "0+")]
    pub configs: Vec<CreatableTopicConfig>,
}

/// The replicas of one partition.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct CreatableReplicaAssignment {
    /// The partition.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// The replicas, the preferred one first.
    #[field(versions = "0+")]
    pub broker_ids: Vec<i32>,
}

/// A configuration key of a topic to create.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct CreatableTopicConfig {
    /// The configuration key.
    #[field(versions = "0+")]
    pub name: Str,
    /// The value; null when it is unset or secret.
    #[field(versions = "0+", nullable = "0+")]
    pub value: Option<Str>,
}

/// Answers [`CreateTopicsRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 19, versions = "0-7", flexible = "5+")]
pub struct CreateTopicsResponse {
    /// How long a quota makes the client wait, in milliseconds.
    #[field(versions = "2+", ignorable)]
    pub throttle_time_ms: i32,
    /// One entry per topic.
    #[field(versions = "0+")]
    pub topics: Vec<CreatableTopicResult>,
}

/// How creating one topic went.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct CreatableTopicResult {
    /// The topic's name.
    #[field(versions = "0+")]
    pub name: Str,
    /// The topic's id; zero when unknown.
    #[field(versions = "7+", ignorable)]
    pub topic_id: Uuid,
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// What went wrong, for people; null when there is nothing to add.
    #[field(versions = "1+", nullable = "0+", ignorable)]
    pub error_message: Option<Str>,
    /// Why the configuration is left out of the answer; 0 when it is not.
    #[field(versions = "5+", tagged = "5+", tag = 0, ignorable)]
    pub topic_config_error_code: i16,
    /// The number of partitions; -1 when left out.
    #[field(versions = "5+", default = "-1", ignorable)]
    pub num_partitions: i32,
    /// The replication factor; -1 when left out.
    #[field(versions = "5+", default = "-1", ignorable)]
    pub replication_factor: i16,
    /// The configuration of the new topic; null when left out.
    #[field(versions = "5+", nullable = "5+", ignorable)]
    pub configs: Option<Vec<CreatableTopicConfigs>>,
}

/// A configuration key of a created topic.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct CreatableTopicConfigs {
    /// The configuration key.
    #[field(versions = "5+")]
    pub name: Str,
    /// The value; null when it is unset or secret.
    #[field(versions = "5+", nullable = "5+")]
    pub value: Option<Str>,
    /// Whether the key cannot be altered dynamically.
    #[field(versions = "5+")]
    pub read_only: bool,
    /// Where the value comes from (`ConfigSource`).
    #[field(versions = "5+", default = "-1", ignorable)]
    pub config_source: i8,
    /// Whether the value is kept secret, and null here.
    #[field(versions = "5+")]
    pub is_sensitive: bool,
}
