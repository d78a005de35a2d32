//! Fetch (key 1).

use wire_derive::{Message, Struct};

use crate::{Records, Str, Uuid};

/// Asks for Fetch.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 1, versions = "0-17", flexible = "12+", response = FetchResponse)]
pub struct FetchRequest {
    /// The cluster id.
    #[field(versions = "12+", nullable = "12+", tagged = "12+", tag = 0, default = "null", ignorable)]
    pub cluster_id: Option<Str>,
    /// The replica id.
    #[field(versions = "0-14", default = "-1")]
    pub replica_id: i32,
    /// The replica state.
    #[field(versions = "15+", tagged = "15+", tag = 1)]
    pub replica_state: ReplicaState,
    /// The max wait, in milliseconds.
    #[field(versions = "0+")]
    pub max_wait_ms: i32,
    /// The min bytes.
    #[field(versions = "0+")]
    pub min_bytes: i32,
    /// The max bytes.
    #[field(versions = "3+", default = "0x7fffffff", ignorable)]
    pub max_bytes: i32,
    /// The isolation level.
    #[field(versions = "4+", default = "0", ignorable)]
    pub isolation_level: i8,
    /// The session id.
    #[field(versions = "7+", default = "0", ignorable)]
    pub session_id: i32,
    /// The session epoch.
    #[field(versions = "7+", default = "-1", ignorable)]
    pub session_epoch: i32,
    /// The topics.
    #[field(versions = "0+")]
    pub topics: Vec<FetchTopic>,
    /// The forgotten topics data.
    #[field(versions = "7+")]
    pub forgotten_topics_data: Vec<ForgottenTopic>,
    /// The rack id.
    #[field(versions = "11+", ignorable)]
    pub rack_id: Str,
}

/// The `replica_state` of [`FetchRequest`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct ReplicaState {
    /// The replica id.
    #[field(versions = "15+", default = "-1")]
    pub replica_id: i32,
    /// The replica epoch.
    #[field(versions = "15+", default = "-1")]
    pub replica_epoch: i64,
}

/// One of `topics` of [`FetchRequest`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct FetchTopic {
    /// The topic.
    #[field(versions = "0-12", ignorable)]
    pub topic: Str,
    /// The topic id.
    #[field(versions = "13+", ignorable)]
    pub topic_id: Uuid,
    /// The partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<FetchPartition>,
}

/// One of `partitions` of [`FetchTopic`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct FetchPartition {
    /// The partition.
    #[field(versions = "0+")]
    pub partition: i32,
    /// The current leader epoch.
    #[field(versions = "9+", default = "-1", ignorable)]
    pub current_leader_epoch: i32,
    /// The fetch offset.
    #[field(versions = "0+")]
    pub fetch_offset: i64,
    /// The last fetched epoch.
    #[field(versions = "12+", default = "-1")]
    pub last_fetched_epoch: i32,
    /// The log start offset.
    #[field(versions = "5+", default = "-1", ignorable)]
    pub log_start_offset: i64,
    /// The partition max bytes.
    #[field(versions = "0+")]
    pub partition_max_bytes: i32,
    /// The replica directory id.
    #[field(versions = "17+", tagged = "17+", tag = 0, ignorable)]
    pub replica_directory_id: Uuid,
}

/// One of `forgotten_topics_data` of [`FetchRequest`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct ForgottenTopic {
    /// The topic.
    #[field(versions = "7-12", ignorable)]
    pub topic: Str,
    /// The topic id.
    #[field(versions = "13+", ignorable)]
    pub topic_id: Uuid,
    /// The partitions.
    #[field(versions = "7+")]
    pub partitions: Vec<i32>,
}

/// Answers [`FetchRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 1, versions = "0-17", flexible = "12+")]
pub struct FetchResponse {
    /// The throttle time, in milliseconds.
    #[field(versions = "1+", ignorable)]
    pub throttle_time_ms: i32,
    /// The error code.
    #[field(versions = "7+", ignorable)]
    pub error_code: i16,
    /// The session id.
    #[field(versions = "7+", default = "0")]
    pub session_id: i32,
    /// The responses.
    #[field(versions = "0+")]
    pub responses: Vec<FetchableTopicResponse>,
    /// The node endpoints.
    #[field(versions = "16+", tagged = "16+", tag = 0)]
    pub node_endpoints: Vec<NodeEndpoint>,
}

/// One of `responses` of [`FetchResponse`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct FetchableTopicResponse {
    /// The topic.
    #[field(versions = "0-12", ignorable)]
    pub topic: Str,
    /// The topic id.
    #[field(versions = "13+", ignorable)]
    pub topic_id: Uuid,
    /// The partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<PartitionData>,
}

/// One of `partitions` of [`FetchableTopicResponse`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct PartitionData {
    /// The partition index.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The high watermark.
    #[field(versions = "0+")]
    pub high_watermark: i64,
    /// The last stable offset.
    #[field(versions = "4+", default = "-1", ignorable)]
    pub last_stable_offset: i64,
    /// The log start offset.
    #[field(versions = "5+", default = "-1", ignorable)]
    pub log_start_offset: i64,
    /// The diverging epoch.
    #[field(versions = "12+", tagged = "12+", tag = 0)]
    pub diverging_epoch: EpochEndOffset,
    /// The current leader.
    #[field(versions = "12+", tagged = "12+", tag = 1)]
    pub current_leader: LeaderIdAndEpoch,
    /// The snapshot id.
    #[field(versions = "12+", tagged = "12+", tag = 2)]
    pub snapshot_id: SnapshotId,
    /// The aborted transactions.
    #[field(versions = "4+", nullable = "4+", ignorable)]
    pub aborted_transactions: Option<Vec<AbortedTransaction>>,
    /// The preferred read replica.
    #[field(versions = "11+", default = "-1")]
    pub preferred_read_replica: i32,
    /// The records.
    #[field(versions = "0+", nullable = "0+")]
    pub records: Records,
}

/// The `diverging_epoch` of [`PartitionData`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct EpochEndOffset {
    /// The epoch.
    #[field(versions = "12+", default = "-1")]
    pub epoch: i32,
    /// The end offset.
    #[field(versions = "12+", default = "-1")]
    pub end_offset: i64,
}

/// The `current_leader` of [`PartitionData`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct LeaderIdAndEpoch {
    /// The leader id.
    #[field(versions = "12+", default = "-1")]
    pub leader_id: i32,
    /// The leader epoch.
    #[field(versions = "12+", default = "-1")]
    pub leader_epoch: i32,
}

/// The `snapshot_id` of [`PartitionData`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct SnapshotId {
    /// The end offset.
    #[field(versions = "0+", default = "-1")]
    pub end_offset: i64,
    /// The epoch.
    #[field(versions = "0+", default = "-1")]
    pub epoch: i32,
}

/// One of `aborted_transactions` of [`PartitionData`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct AbortedTransaction {
    /// The producer id.
    #[field(versions = "4+")]
    pub producer_id: i64,
    /// The first offset.
    #[field(versions = "4+")]
    pub first_offset: i64,
}

/// One of `node_endpoints` of [`FetchResponse`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct NodeEndpoint {
    /// The node id.
    #[field(versions = "16+")]
    pub node_id: i32,
    /// The host.
    #[field(versions = "16+")]
    pub host: Str,
    /// The port.
    #[field(versions = "16+")]
    pub port: i32,
    /// The rack.
    #[field(versions = "16+", nullable = "16+", default = "null")]
    pub rack: Option<Str>,
}
