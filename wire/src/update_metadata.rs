//! UpdateMetadata (key 6) tells a broker about the whole cluster.
//! Only from the controller.

use wire_derive::{Message, Struct};

use crate::{Str, Uuid};

/// Tells a broker about brokers and partitions, for its Metadata answers.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 6, versions = "0-8", flexible = "6+", response = UpdateMetadataResponse)]
pub struct UpdateMetadataRequest {
    /// The controller's broker id; -1 when there is none.
    #[field(versions = "0+")]
    pub controller_id: i32,
    /// Whether the sender is a KRaft controller during migration.
    #[field(versions = "8+", default = "false")]
    pub is_kraft_controller: bool,
    /// Whether the state is complete: 0 unknown, 1 incremental, 2 full (KIP-866).
    #[field(versions = "8+", tagged = "8+", tag = 0, default = "0")]
    pub r#type: i8,
    /// The epoch of the controller that decided.
    #[field(versions = "0+")]
    pub controller_epoch: i32,
    /// The czxid of the broker's registration; -1 when unchecked.
    #[field(versions = "5+", default = "-1", ignorable)]
    pub broker_epoch: i64,
    /// One entry per partition, in the versions that do not group by topic.
    #[field(versions = "0-4")]
    pub ungrouped_partition_states: Vec<UpdateMetadataPartitionState>,
    /// One entry per topic.
    #[field(versions = "5+")]
    pub topic_states: Vec<UpdateMetadataTopicState>,
    /// The brokers that are registered.
    #[field(versions = "0+")]
    pub live_brokers: Vec<UpdateMetadataBroker>,
}

/// A partition as the controller decided it.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct UpdateMetadataPartitionState {
    /// The topic's name.
    #[field(versions = "0-4", ignorable)]
    pub topic_name: Str,
    /// The partition.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// The epoch of the controller that decided.
    #[field(versions = "0+")]
    pub controller_epoch: i32,
    /// The leader's broker id; -1 for none, -2 for a topic being deleted.
    #[field(versions = "0+")]
    pub leader: i32,
    /// The partition's leader epoch; -1 when unknown.
    #[field(versions = "0+")]
    pub leader_epoch: i32,
    /// The replicas in sync.
    #[field(versions = "0+")]
    pub isr: Vec<i32>,
    /// The ZooKeeper version of the partition state.
    #[field(versions = "0+")]
    pub zk_version: i32,
    /// The assigned replicas, the preferred one first.
    #[field(versions = "0+")]
    pub replicas: Vec<i32>,
    /// The replicas that are not running.
    #[field(versions = "4+", ignorable)]
    pub offline_replicas: Vec<i32>,
}

/// A topic of the request.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct UpdateMetadataTopicState {
    /// The topic's name.
    #[field(versions = "5+")]
    pub topic_name: Str,
    /// The topic's id; zero when unknown.
    #[field(versions = "7+", ignorable)]
    pub topic_id: Uuid,
    /// One entry per partition.
    #[field(versions = "5+")]
    pub partition_states: Vec<UpdateMetadataPartitionState>,
}

/// A broker of the cluster.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct UpdateMetadataBroker {
    /// The broker's id.
    #[field(versions = "0+")]
    pub id: i32,
    /// The host name of its plaintext listener.
    #[field(versions = "0", ignorable)]
    pub v0_host: Str,
    /// The port of its plaintext listener.
    #[field(versions = "0", ignorable)]
    pub v0_port: i32,
    /// One entry per listener.
    #[field(versions = "1+", ignorable)]
    pub endpoints: Vec<UpdateMetadataEndpoint>,
    /// The rack; null when it has none.
    #[field(versions = "2+", nullable = "0+", ignorable)]
    pub rack: Option<Str>,
}

/// One listener of a broker.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct UpdateMetadataEndpoint {
    /// The port to connect to.
    #[field(versions = "1+")]
    pub port: i32,
    /// The host name to connect to.
    #[field(versions = "1+")]
    pub host: Str,
    /// The listener's name.
    #[field(versions = "3+", ignorable)]
    pub listener: Str,
    /// 0 plaintext, 1 TLS, 2 SASL, 3 SASL over TLS.
    #[field(versions = "1+")]
    pub security_protocol: i16,
}

/// Answers [`UpdateMetadataRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 6, versions = "0-8", flexible = "6+")]
pub struct UpdateMetadataResponse {
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub error_code: i16,
}
