//! CreateTopics (key 19).

use wire_derive::{Message, Struct};

use crate::{Str, Uuid};

/// Asks for CreateTopics.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 19, versions = "0-7", flexible = "5+", response = CreateTopicsResponse)]
pub struct CreateTopicsRequest {
    /// The topics.
    #[field(versions = "0+")]
    pub topics: Vec<CreatableTopic>,
    /// The timeout, in milliseconds.
    #[field(versions = "0+", default = "60000")]
    pub timeout_ms: i32,
    /// The validate only.
    #[field(versions = "1+", default = "false")]
    pub validate_only: bool,
}

/// One of `topics` of [`CreateTopicsRequest`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct CreatableTopic {
    /// The name.
    #[field(versions = "0+")]
    pub name: Str,
    /// The num partitions.
    #[field(versions = "0+")]
    pub num_partitions: i32,
    /// The replication factor.
    #[field(versions = "0+")]
    pub replication_factor: i16,
    /// The assignments.
    #[field(versions = "0+")]
    pub assignments: Vec<CreatableReplicaAssignment>,
    /// The configs.
    #[field(versions = "0+")]
    pub configs: Vec<CreatableTopicConfig>,
}

/// One of `assignments` of [`CreatableTopic`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct CreatableReplicaAssignment {
    /// The partition index.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// The broker ids.
    #[field(versions = "0+")]
    pub broker_ids: Vec<i32>,
}

/// One of `configs` of [`CreatableTopic`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct CreatableTopicConfig {
    /// The name.
    #[field(versions = "0+")]
    pub name: Str,
    /// The value.
    #[field(versions = "0+", nullable = "0+")]
    pub value: Option<Str>,
}

/// Answers [`CreateTopicsRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 19, versions = "0-7", flexible = "5+")]
pub struct CreateTopicsResponse {
    /// The throttle time, in milliseconds.
    #[field(versions = "2+", ignorable)]
    pub throttle_time_ms: i32,
    /// The topics.
    #[field(versions = "0+")]
    pub topics: Vec<CreatableTopicResult>,
}

/// One of `topics` of [`CreateTopicsResponse`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct CreatableTopicResult {
    /// The name.
    #[field(versions = "0+")]
    pub name: Str,
    /// The topic id.
    #[field(versions = "7+", ignorable)]
    pub topic_id: Uuid,
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The error message.
    #[field(versions = "1+", nullable = "0+", ignorable)]
    pub error_message: Option<Str>,
    /// The topic config error code.
    #[field(versions = "5+", tagged = "5+", tag = 0, ignorable)]
    pub topic_config_error_code: i16,
    /// The num partitions.
    #[field(versions = "5+", default = "-1", ignorable)]
    pub num_partitions: i32,
    /// The replication factor.
    #[field(versions = "5+", default = "-1", ignorable)]
    pub replication_factor: i16,
    /// The configs.
    #[field(versions = "5+", nullable = "5+", ignorable)]
    pub configs: Option<Vec<CreatableTopicConfigs>>,
}

/// One of `configs` of [`CreatableTopicResult`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct CreatableTopicConfigs {
    /// The name.
    #[field(versions = "5+")]
    pub name: Str,
    /// The value.
    #[field(versions = "5+", nullable = "5+")]
    pub value: Option<Str>,
    /// The read only.
    #[field(versions = "5+")]
    pub read_only: bool,
    /// The config source.
    #[field(versions = "5+", default = "-1", ignorable)]
    pub config_source: i8,
    /// The is sensitive.
    #[field(versions = "5+")]
    pub is_sensitive: bool,
}
