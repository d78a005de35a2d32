//! Metadata (key 3) tells topics, their leaders, and the brokers.
//! Version 0 asks for all topics with an empty list, later ones with null.

use wire_derive::{Message, Struct};

use crate::{Str, Uuid};

/// Asks for topics, their leaders, and the brokers.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 3, versions = "0-12", flexible = "9+", response = MetadataResponse)]
pub struct MetadataRequest {
    /// The topics wanted; null for all (version 0: empty for all).
    #[field(versions = "0+", nullable = "1+")]
    pub topics: Option<Vec<MetadataRequestTopic>>,
    /// Whether unknown topics may be created.
    #[field(versions = "4+", default = "true")]
    pub allow_auto_topic_creation: bool,
    /// Whether to answer what the client may do to the cluster.
    #[field(versions = "8-10")]
    pub include_cluster_authorized_operations: bool,
    /// Whether to answer what the client may do to each topic.
    #[field(versions = "8+")]
    pub include_topic_authorized_operations: bool,
}

/// A topic of the request.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct MetadataRequestTopic {
    /// The topic's id; zero when unknown.
    #[field(versions = "10+", ignorable)]
    pub topic_id: Uuid,
    /// The topic's name; null when it is asked for by id.
    #[field(versions = "0+", nullable = "10+")]
    pub name: Option<Str>,
}

/// Answers [`MetadataRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 3, versions = "0-12", flexible = "9+")]
pub struct MetadataResponse {
    /// How long a quota makes the client wait, in milliseconds.
    #[field(versions = "3+", ignorable)]
    pub throttle_time_ms: i32,
    /// The live brokers.
    #[field(versions = "0+")]
    pub brokers: Vec<MetadataResponseBroker>,
    /// The cluster's id; null when unknown.
    #[field(versions = "2+", nullable = "2+", default = "null", ignorable)]
    pub cluster_id: Option<Str>,
    /// The controller's broker id; -1 when there is none.
    #[field(versions = "1+", default = "-1", ignorable)]
    pub controller_id: i32,
    /// One entry per topic.
    #[field(versions = "0+")]
    pub topics: Vec<MetadataResponseTopic>,
    /// Bit field of what the client may do to the cluster; the minimum when not asked.
    #[field(versions = "8-10", default = "-2147483648")]
    pub cluster_authorized_operations: i32,
}

/// A broker of the cluster.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct MetadataResponseBroker {
    /// The broker's id.
    #[field(versions = "0+")]
    pub node_id: i32,
    /// The host name to connect to.
    #[field(versions = "0+")]
    pub host: Str,
    /// The port to connect to.
    #[field(versions = "0+")]
    pub port: i32,
    /// The rack; null when it has none.
    #[field(versions = "1+", nullable = "1+", default = "null", ignorable)]
    pub rack: Option<Str>,
}

/// A topic of the response.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct MetadataResponseTopic {
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The topic's name; null when the id is unknown.
    #[field(versions = "0+", nullable = "12+")]
    pub name: Option<Str>,
    /// The topic's id; zero when unknown.
    #[field(versions = "10+", ignorable)]
    pub topic_id: Uuid,
    /// Whether the topic belongs to the broker.
    #[field(versions = "1+", default = "false", ignorable)]
    pub is_internal: bool,
    /// One entry per partition.
    #[field(versions = "0+")]
    pub partitions: Vec<MetadataResponsePartition>,
    /// Bit field of what the client may do to the topic; the minimum when not asked.
    #[field(versions = "8+", default = "-2147483648")]
    pub topic_authorized_operations: i32,
}

/// A partition of the response.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct MetadataResponsePartition {
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The partition.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// The leader's broker id; -1 for none.
    #[field(versions = "0+")]
    pub leader_id: i32,
    /// The partition's leader epoch; -1 when unknown.
    #[field(versions = "7+", default = "-1", ignorable)]
    pub leader_epoch: i32,
    /// The assigned replicas, the preferred one first.
    #[field(versions = "0+")]
    pub replica_nodes: Vec<i32>,
    /// The replicas in sync.
    #[field(versions = "0+")]
    pub isr_nodes: Vec<i32>,
    /// The replicas that are not running.
    #[field(versions = "5+", ignorable)]
    pub offline_replicas: Vec<i32>,
}
