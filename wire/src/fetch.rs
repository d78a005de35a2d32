//! Fetch (key 1) reads record batches, for consumers and for followers.
//! Sessions from version 7 on (KIP-227), topic ids from 13 on.

use wire_derive::{Message, Struct};

use crate::{Records, Str, Uuid};

/// Reads record batches from partitions.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 1, versions = "0-17", flexible = "12+", response = FetchResponse)]
pub struct FetchRequest {
    /// Only for the KRaft metadata log.
    #[field(versions = "12+", nullable = "12+", tagged = "12+", tag = 0, default = "null", ignorable)]
    pub cluster_id: Option<Str>,
    /// The broker id of the follower that asks, -1 for a consumer; from version 15 on in `replica_state`.
    #[field(versions = "0-14", default = "-1")]
    pub replica_id: i32,
    /// Who asks: a follower with its broker epoch, or a consumer.
    #[field(versions = "15+", tagged = "15+", tag = 1)]
    pub replica_state: ReplicaState,
    /// How long to wait for `min_bytes`, in milliseconds.
    #[field(versions = "0+")]
    pub max_wait_ms: i32,
    /// How much has to be there for an answer before `max_wait_ms`, in bytes.
    #[field(versions = "0+")]
    pub min_bytes: i32,
    /// How much the whole answer may hold, in bytes; one batch may exceed it (KIP-74).
    #[field(versions = "3+", default = "0x7fffffff", ignorable)]
    pub max_bytes: i32,
    /// 0 reads uncommitted records too, 1 only committed ones.
    #[field(versions = "4+", default = "0", ignorable)]
    pub isolation_level: i8,
    /// The fetch session; 0 for none.
    #[field(versions = "7+", default = "0", ignorable)]
    pub session_id: i32,
    /// The epoch within the session; 0 opens one, -1 closes or does without (KIP-227).
    #[field(versions = "7+", default = "-1", ignorable)]
    pub session_epoch: i32,
    /// The partitions to read; within a session, those that changed.
    #[field(versions = "0+")]
    pub topics: Vec<FetchTopic>,
    /// Partitions to remove from the session.
    #[field(versions = "7+")]
    pub forgotten_topics_data: Vec<ForgottenTopic>,
    /// The rack of the consumer; empty or null when it has none.
    #[field(versions = "11+", ignorable)]
    pub rack_id: Str,
}

/// A follower that fetches.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct ReplicaState {
    /// The broker id of the follower that asks; -1 for a consumer.
    #[field(versions = "15+", default = "-1")]
    pub replica_id: i32,
    /// The broker epoch of the follower; -1 when unknown.
    #[field(versions = "15+", default = "-1")]
    pub replica_epoch: i64,
}

/// A topic of the request.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct FetchTopic {
    /// The topic's name, up to version 12.
    #[field(versions = "0-12", ignorable)]
    pub topic: Str,
    /// The topic's id, from version 13 on.
    #[field(versions = "13+", ignorable)]
    pub topic_id: Uuid,
    /// One entry per partition.
    #[field(versions = "0+")]
    pub partitions: Vec<FetchPartition>,
}

/// A partition of the request.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct FetchPartition {
    /// The partition.
    #[field(versions = "0+")]
    pub partition: i32,
    /// The leader epoch the sender knows, for fencing; -1 to skip the check.
    #[field(versions = "9+", default = "-1", ignorable)]
    pub current_leader_epoch: i32,
    /// The first offset wanted.
    #[field(versions = "0+")]
    pub fetch_offset: i64,
    /// The leader epoch of the follower's last record; -1 when it has none.
    #[field(versions = "12+", default = "-1")]
    pub last_fetched_epoch: i32,
    /// The follower's first offset; -1 for a consumer.
    #[field(versions = "5+", default = "-1", ignorable)]
    pub log_start_offset: i64,
    /// How much of this partition the answer may hold, in bytes; one batch may exceed it.
    #[field(versions = "0+")]
    pub partition_max_bytes: i32,
    /// The id of the follower's log directory; zero when unknown.
    #[field(versions = "17+", tagged = "17+", tag = 0, ignorable)]
    pub replica_directory_id: Uuid,
}

/// Partitions of one topic.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct ForgottenTopic {
    /// The topic's name, up to version 12.
    #[field(versions = "7-12", ignorable)]
    pub topic: Str,
    /// The topic's id, from version 13 on.
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
    /// How long a quota makes the client wait, in milliseconds.
    #[field(versions = "1+", ignorable)]
    pub throttle_time_ms: i32,
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "7+", ignorable)]
    pub error_code: i16,
    /// The fetch session; 0 for none.
    #[field(versions = "7+", default = "0")]
    pub session_id: i32,
    /// The partitions read; within a session, those with something new.
    #[field(versions = "0+")]
    pub responses: Vec<FetchableTopicResponse>,
    /// Where the brokers named as current leaders are.
    #[field(versions = "16+", tagged = "16+", tag = 0)]
    pub node_endpoints: Vec<NodeEndpoint>,
}

/// A topic of the response.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct FetchableTopicResponse {
    /// The topic's name, up to version 12.
    #[field(versions = "0-12", ignorable)]
    pub topic: Str,
    /// The topic's id, from version 13 on.
    #[field(versions = "13+", ignorable)]
    pub topic_id: Uuid,
    /// One entry per partition.
    #[field(versions = "0+")]
    pub partitions: Vec<PartitionData>,
}

/// A partition of the response.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct PartitionData {
    /// The partition.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The offset below which every replica in sync has the records.
    #[field(versions = "0+")]
    pub high_watermark: i64,
    /// The offset below which every transaction is decided; -1 when unknown.
    #[field(versions = "4+", default = "-1", ignorable)]
    pub last_stable_offset: i64,
    /// The partition's first offset; -1 when unknown.
    #[field(versions = "5+", default = "-1", ignorable)]
    pub log_start_offset: i64,
    /// Where the follower's log departs from the leader's; the default when it does not.
    #[field(versions = "12+", tagged = "12+", tag = 0)]
    pub diverging_epoch: EpochEndOffset,
    /// Who leads now, when the receiver does not.
    #[field(versions = "12+", tagged = "12+", tag = 1)]
    pub current_leader: LeaderIdAndEpoch,
    /// Only for the KRaft metadata log.
    #[field(versions = "12+", tagged = "12+", tag = 2)]
    pub snapshot_id: SnapshotId,
    /// Transactions in the answer that a committed-only reader leaves out; null when it reads uncommitted.
    #[field(versions = "4+", nullable = "4+", ignorable)]
    pub aborted_transactions: Option<Vec<AbortedTransaction>>,
    /// The replica the consumer had better read from; -1 for the leader.
    #[field(versions = "11+", default = "-1")]
    pub preferred_read_replica: i32,
    /// The record data, from `fetch_offset` or the batch around it on; length 0, not null, when there is none.
    #[field(versions = "0+", nullable = "0+")]
    pub records: Records,
}

/// A leader epoch and where it ends.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct EpochEndOffset {
    /// The leader epoch.
    #[field(versions = "12+", default = "-1")]
    pub epoch: i32,
    /// The end offset of the leader epoch; -1 when unknown.
    #[field(versions = "12+", default = "-1")]
    pub end_offset: i64,
}

/// Who leads a partition.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct LeaderIdAndEpoch {
    /// The leader's broker id; -1 when unknown.
    #[field(versions = "12+", default = "-1")]
    pub leader_id: i32,
    /// The partition's leader epoch; -1 when unknown.
    #[field(versions = "12+", default = "-1")]
    pub leader_epoch: i32,
}

/// A snapshot of the KRaft metadata log.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct SnapshotId {
    /// The snapshot's end offset.
    #[field(versions = "0+", default = "-1")]
    pub end_offset: i64,
    /// The leader epoch.
    #[field(versions = "0+", default = "-1")]
    pub epoch: i32,
}

/// A transaction that a committed-only reader leaves out.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct AbortedTransaction {
    /// The producer id.
    #[field(versions = "4+")]
    pub producer_id: i64,
    /// The offset at which the transaction began.
    #[field(versions = "4+")]
    pub first_offset: i64,
}

/// Where a broker is.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct NodeEndpoint {
    /// The broker's id.
    #[field(versions = "16+")]
    pub node_id: i32,
    /// The host name to connect to.
    #[field(versions = "16+")]
    pub host: Str,
    /// The port to connect to.
    #[field(versions = "16+")]
    pub port: i32,
    /// The rack; null when it has none.
    #[field(versions = "16+", nullable = "16+", default = "null")]
    pub rack: Option<Str>,
}
