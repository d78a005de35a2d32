//! UpdateMetadata (key 6).

use wire_derive::{Message, Struct};

use crate::{Str, Uuid};

/// Asks for UpdateMetadata.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 6, versions = "0-8", flexible = "6+", response = UpdateMetadataResponse)]
pub struct UpdateMetadataRequest {
    /// The controller id.
    #[field(versions = "0+")]
    pub controller_id: i32,
    /// The is kraft controller.
    #[field(versions = "8+", default = "false")]
    pub is_kraft_controller: bool,
    /// The type.
    #[field(versions = "8+", tagged = "8+", tag = 0, default = "0")]
    pub r#type: i8,
    /// The controller epoch.
    #[field(versions = "0+")]
    pub controller_epoch: i32,
    /// The broker epoch.
    #[field(versions = "5+", default = "-1", ignorable)]
    pub broker_epoch: i64,
    /// The ungrouped partition states.
    #[field(versions = "0-4")]
    pub ungrouped_partition_states: Vec<UpdateMetadataPartitionState>,
    /// The topic states.
    #[field(versions = "5+")]
    pub topic_states: Vec<UpdateMetadataTopicState>,
    /// The live brokers.
    #[field(versions = "0+")]
    pub live_brokers: Vec<UpdateMetadataBroker>,
}

/// One of `ungrouped_partition_states` of [`UpdateMetadataRequest`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct UpdateMetadataPartitionState {
    /// The topic name.
    #[field(versions = "0-4", ignorable)]
    pub topic_name: Str,
    /// The partition index.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// The controller epoch.
    #[field(versions = "0+")]
    pub controller_epoch: i32,
    /// The leader.
    #[field(versions = "0+")]
    pub leader: i32,
    /// The leader epoch.
    #[field(versions = "0+")]
    pub leader_epoch: i32,
    /// The isr.
    #[field(versions = "0+")]
    pub isr: Vec<i32>,
    /// The zk version.
    #[field(versions = "0+")]
    pub zk_version: i32,
    /// The replicas.
    #[field(versions = "0+")]
    pub replicas: Vec<i32>,
    /// The offline replicas.
    #[field(versions = "4+", ignorable)]
    pub offline_replicas: Vec<i32>,
}

/// One of `topic_states` of [`UpdateMetadataRequest`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct UpdateMetadataTopicState {
    /// The topic name.
    #[field(versions = "5+")]
    pub topic_name: Str,
    /// The topic id.
    #[field(versions = "7+", ignorable)]
    pub topic_id: Uuid,
    /// The partition states.
    #[field(versions = "5+")]
    pub partition_states: Vec<UpdateMetadataPartitionState>,
}

/// One of `live_brokers` of [`UpdateMetadataRequest`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct UpdateMetadataBroker {
    /// The id.
    #[field(versions = "0+")]
    pub id: i32,
    /// The v0 host.
    #[field(versions = "0", ignorable)]
    pub v0_host: Str,
    /// The v0 port.
    #[field(versions = "0", ignorable)]
    pub v0_port: i32,
    /// The endpoints.
    #[field(versions = "1+", ignorable)]
    pub endpoints: Vec<UpdateMetadataEndpoint>,
    /// The rack.
    #[field(versions = "2+", nullable = "0+", ignorable)]
    pub rack: Option<Str>,
}

/// One of `endpoints` of [`UpdateMetadataBroker`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct UpdateMetadataEndpoint {
    /// The port.
    #[field(versions = "1+")]
    pub port: i32,
    /// The host.
    #[field(versions = "1+")]
    pub host: Str,
    /// The listener.
    #[field(versions = "3+", ignorable)]
    pub listener: Str,
    /// The security protocol.
    #[field(versions = "1+")]
    pub security_protocol: i16,
}

/// Answers [`UpdateMetadataRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 6, versions = "0-8", flexible = "6+")]
pub struct UpdateMetadataResponse {
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
}
