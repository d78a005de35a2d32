//! Metadata (key 3).

use wire_derive::{Message, Struct};

use crate::{Str, Uuid};

/// Asks for Metadata.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 3, versions = "0-12", flexible = "9+", response = MetadataResponse)]
pub struct MetadataRequest {
    /// The topics.
    #[field(versions = "0+", nullable = "1+")]
    pub topics: Option<Vec<MetadataRequestTopic>>,
    /// The allow auto topic creation.
    #[field(versions = "4+", default = "true")]
    pub allow_auto_topic_creation: bool,
    /// The include cluster authorized operations.
    #[field(versions = "8-10")]
    pub include_cluster_authorized_operations: bool,
    /// The include topic authorized operations.
    #[field(versions = "8+")]
    pub include_topic_authorized_operations: bool,
}

/// One of `topics` of [`MetadataRequest`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct MetadataRequestTopic {
    /// The topic id.
    #[field(versions = "10+", ignorable)]
    pub topic_id: Uuid,
    /// The name.
    #[field(versions = "0+", nullable = "10+")]
    pub name: Option<Str>,
}

/// Answers [`MetadataRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 3, versions = "0-12", flexible = "9+")]
pub struct MetadataResponse {
    /// The throttle time, in milliseconds.
    #[field(versions = "3+", ignorable)]
    pub throttle_time_ms: i32,
    /// The brokers.
    #[field(versions = "0+")]
    pub brokers: Vec<MetadataResponseBroker>,
    /// The cluster id.
    #[field(versions = "2+", nullable = "2+", default = "null", ignorable)]
    pub cluster_id: Option<Str>,
    /// The controller id.
    #[field(versions = "1+", default = "-1", ignorable)]
    pub controller_id: i32,
    /// The topics.
    #[field(versions = "0+")]
    pub topics: Vec<MetadataResponseTopic>,
    /// The cluster authorized operations.
    #[field(versions = "8-10", default = "-2147483648")]
    pub cluster_authorized_operations: i32,
}

/// One of `brokers` of [`MetadataResponse`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct MetadataResponseBroker {
    /// The node id.
    #[field(versions = "0+")]
    pub node_id: i32,
    /// The host.
    #[field(versions = "0+")]
    pub host: Str,
    /// The port.
    #[field(versions = "0+")]
    pub port: i32,
    /// The rack.
    #[field(versions = "1+", nullable = "1+", default = "null", ignorable)]
    pub rack: Option<Str>,
}

/// One of `topics` of [`MetadataResponse`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct MetadataResponseTopic {
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The name.
    #[field(versions = "0+", nullable = "12+")]
    pub name: Option<Str>,
    /// The topic id.
    #[field(versions = "10+", ignorable)]
    pub topic_id: Uuid,
    /// The is internal.
    #[field(versions = "1+", default = "false", ignorable)]
    pub is_internal: bool,
    /// The partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<MetadataResponsePartition>,
    /// The topic authorized operations.
    #[field(versions = "8+", default = "-2147483648")]
    pub topic_authorized_operations: i32,
}

/// One of `partitions` of [`MetadataResponseTopic`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct MetadataResponsePartition {
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The partition index.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// The leader id.
    #[field(versions = "0+")]
    pub leader_id: i32,
    /// The leader epoch.
    #[field(versions = "7+", default = "-1", ignorable)]
    pub leader_epoch: i32,
    /// The replica nodes.
    #[field(versions = "0+")]
    pub replica_nodes: Vec<i32>,
    /// The isr nodes.
    #[field(versions = "0+")]
    pub isr_nodes: Vec<i32>,
    /// The offline replicas.
    #[field(versions = "5+", ignorable)]
    pub offline_replicas: Vec<i32>,
}
