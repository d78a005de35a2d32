//! What consumers of the classic group protocol say to each other through the coordinator (`ConsumerProtocol.java`):
//! the metadata of JoinGroup and the assignment of SyncGroup. Each stands behind a 16-bit version; a reader takes a version above its
//! own for its highest.

use bytes::Bytes;
use wire_derive::{Message, Struct};

use crate::Str;

/// ConsumerProtocolSubscription
#[derive(Message, Debug, Clone, PartialEq)]
#[message(data, versions = "0-3", flexible = "none")]
pub struct ConsumerProtocolSubscription {
    /// The topics.
    #[field(versions = "0+")]
    pub topics: Vec<Str>,
    /// The user data.
    #[field(versions = "0+", nullable = "0+", default = "null")]
    pub user_data: Option<Bytes>,
    /// The owned partitions.
    #[field(versions = "1+", ignorable)]
    pub owned_partitions: Vec<OwnedPartitions>,
    /// The generation id.
    #[field(versions = "2+", default = "-1", ignorable)]
    pub generation_id: i32,
    /// The rack id.
    #[field(versions = "3+", nullable = "3+", default = "null", ignorable)]
    pub rack_id: Option<Str>,
}

/// One of `owned_partitions` of [`ConsumerProtocolSubscription`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct OwnedPartitions {
    /// The topic.
    #[field(versions = "1+")]
    pub topic: Str,
    /// The partitions.
    #[field(versions = "1+")]
    pub partitions: Vec<i32>,
}

/// ConsumerProtocolAssignment
#[derive(Message, Debug, Clone, PartialEq)]
#[message(data, versions = "0-3", flexible = "none")]
pub struct ConsumerProtocolAssignment {
    /// The assigned partitions.
    #[field(versions = "0+")]
    pub assigned_partitions: Vec<AssignedPartitions>,
    /// The user data.
    #[field(versions = "0+", nullable = "0+", default = "null")]
    pub user_data: Option<Bytes>,
}

/// One of `assigned_partitions` of [`ConsumerProtocolAssignment`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct AssignedPartitions {
    /// The topic.
    #[field(versions = "0+")]
    pub topic: Str,
    /// The partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<i32>,
}
