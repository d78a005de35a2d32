//! ConsumerGroupHeartbeat (key 68).

use wire_derive::{Message, Struct};

use crate::{Str, Uuid};

/// Asks for ConsumerGroupHeartbeat.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 68, versions = "0", flexible = "0+", response = ConsumerGroupHeartbeatResponse)]
pub struct ConsumerGroupHeartbeatRequest {
    /// The group id.
    #[field(versions = "0+")]
    pub group_id: Str,
    /// The member id.
    #[field(versions = "0+")]
    pub member_id: Str,
    /// The member epoch.
    #[field(versions = "0+")]
    pub member_epoch: i32,
    /// The instance id.
    #[field(versions = "0+", nullable = "0+", default = "null")]
    pub instance_id: Option<Str>,
    /// The rack id.
    #[field(versions = "0+", nullable = "0+", default = "null")]
    pub rack_id: Option<Str>,
    /// The rebalance timeout, in milliseconds.
    #[field(versions = "0+", default = "-1")]
    pub rebalance_timeout_ms: i32,
    /// The subscribed topic names.
    #[field(versions = "0+", nullable = "0+", default = "null")]
    pub subscribed_topic_names: Option<Vec<Str>>,
    /// The server assignor.
    #[field(versions = "0+", nullable = "0+", default = "null")]
    pub server_assignor: Option<Str>,
    /// The topic partitions.
    #[field(versions = "0+", nullable = "0+", default = "null")]
    pub topic_partitions: Option<Vec<RequestTopicPartitions>>,
}

/// One of `topic_partitions` of [`ConsumerGroupHeartbeatRequest`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct RequestTopicPartitions {
    /// The topic id.
    #[field(versions = "0+")]
    pub topic_id: Uuid,
    /// The partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<i32>,
}

/// Answers [`ConsumerGroupHeartbeatRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 68, versions = "0", flexible = "0+")]
pub struct ConsumerGroupHeartbeatResponse {
    /// The throttle time, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The error message.
    #[field(versions = "0+", nullable = "0+", default = "null")]
    pub error_message: Option<Str>,
    /// The member id.
    #[field(versions = "0+", nullable = "0+", default = "null")]
    pub member_id: Option<Str>,
    /// The member epoch.
    #[field(versions = "0+")]
    pub member_epoch: i32,
    /// The heartbeat interval, in milliseconds.
    #[field(versions = "0+")]
    pub heartbeat_interval_ms: i32,
    /// The assignment.
    #[field(versions = "0+", nullable = "0+", default = "null")]
    pub assignment: Option<Assignment>,
}

/// The `assignment` of [`ConsumerGroupHeartbeatResponse`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct Assignment {
    /// The topic partitions.
    #[field(versions = "0+")]
    pub topic_partitions: Vec<ResponseTopicPartitions>,
}

/// One of `topic_partitions` of [`Assignment`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct ResponseTopicPartitions {
    /// The topic id.
    #[field(versions = "0+")]
    pub topic_id: Uuid,
    /// The partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<i32>,
}
