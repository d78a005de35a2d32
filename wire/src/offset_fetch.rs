//! OffsetFetch (key 9).

use wire_derive::{Message, Struct};

use crate::Str;

/// Asks for OffsetFetch.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 9, versions = "0-9", flexible = "6+", response = OffsetFetchResponse)]
pub struct OffsetFetchRequest {
    /// The group id.
    #[field(versions = "0-7")]
    pub group_id: Str,
    /// The topics.
    #[field(versions = "0-7", nullable = "2-7")]
    pub topics: Option<Vec<OffsetFetchRequestTopic>>,
    /// The groups.
    #[field(versions = "8+")]
    pub groups: Vec<OffsetFetchRequestGroup>,
    /// The require stable.
    #[field(versions = "7+", default = "false")]
    pub require_stable: bool,
}

/// One of `topics` of [`OffsetFetchRequest`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct OffsetFetchRequestTopic {
    /// The name.
    #[field(versions = "0-7")]
    pub name: Str,
    /// The partition indexes.
    #[field(versions = "0-7")]
    pub partition_indexes: Vec<i32>,
}

/// One of `groups` of [`OffsetFetchRequest`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct OffsetFetchRequestGroup {
    /// The group id.
    #[field(versions = "8+")]
    pub group_id: Str,
    /// The member id.
    #[field(versions = "9+", nullable = "9+", default = "null", ignorable)]
    pub member_id: Option<Str>,
    /// The member epoch.
    #[field(versions = "9+", default = "-1", ignorable)]
    pub member_epoch: i32,
    /// The topics.
    #[field(versions = "8+", nullable = "8+")]
    pub topics: Option<Vec<OffsetFetchRequestTopics>>,
}

/// One of `topics` of [`OffsetFetchRequestGroup`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct OffsetFetchRequestTopics {
    /// The name.
    #[field(versions = "8+")]
    pub name: Str,
    /// The partition indexes.
    #[field(versions = "8+")]
    pub partition_indexes: Vec<i32>,
}

/// Answers [`OffsetFetchRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 9, versions = "0-9", flexible = "6+")]
pub struct OffsetFetchResponse {
    /// The throttle time, in milliseconds.
    #[field(versions = "3+", ignorable)]
    pub throttle_time_ms: i32,
    /// The topics.
    #[field(versions = "0-7")]
    pub topics: Vec<OffsetFetchResponseTopic>,
    /// The error code.
    #[field(versions = "2-7", default = "0", ignorable)]
    pub error_code: i16,
    /// The groups.
    #[field(versions = "8+")]
    pub groups: Vec<OffsetFetchResponseGroup>,
}

/// One of `topics` of [`OffsetFetchResponse`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct OffsetFetchResponseTopic {
    /// The name.
    #[field(versions = "0-7")]
    pub name: Str,
    /// The partitions.
    #[field(versions = "0-7")]
    pub partitions: Vec<OffsetFetchResponsePartition>,
}

/// One of `partitions` of [`OffsetFetchResponseTopic`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct OffsetFetchResponsePartition {
    /// The partition index.
    #[field(versions = "0-7")]
    pub partition_index: i32,
    /// The committed offset.
    #[field(versions = "0-7")]
    pub committed_offset: i64,
    /// The committed leader epoch.
    #[field(versions = "5-7", default = "-1", ignorable)]
    pub committed_leader_epoch: i32,
    /// The metadata.
    #[field(versions = "0-7", nullable = "0-7")]
    pub metadata: Option<Str>,
    /// The error code.
    #[field(versions = "0-7")]
    pub error_code: i16,
}

/// One of `groups` of [`OffsetFetchResponse`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct OffsetFetchResponseGroup {
    /// The group id.
    #[field(versions = "8+")]
    pub group_id: Str,
    /// The topics.
    #[field(versions = "8+")]
    pub topics: Vec<OffsetFetchResponseTopics>,
    /// The error code.
    #[field(versions = "8+", default = "0")]
    pub error_code: i16,
}

/// One of `topics` of [`OffsetFetchResponseGroup`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct OffsetFetchResponseTopics {
    /// The name.
    #[field(versions = "8+")]
    pub name: Str,
    /// The partitions.
    #[field(versions = "8+")]
    pub partitions: Vec<OffsetFetchResponsePartitions>,
}

/// One of `partitions` of [`OffsetFetchResponseTopics`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct OffsetFetchResponsePartitions {
    /// The partition index.
    #[field(versions = "8+")]
    pub partition_index: i32,
    /// The committed offset.
    #[field(versions = "8+")]
    pub committed_offset: i64,
    /// The committed leader epoch.
    #[field(versions = "8+", default = "-1", ignorable)]
    pub committed_leader_epoch: i32,
    /// The metadata.
    #[field(versions = "8+", nullable = "8+")]
    pub metadata: Option<Str>,
    /// The error code.
    #[field(versions = "8+")]
    pub error_code: i16,
}
