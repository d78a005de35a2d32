//! ConsumerGroupDescribe (key 69).

use wire_derive::{Message, Struct};

use crate::{Str, Uuid};

/// Asks for ConsumerGroupDescribe.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 69, versions = "0", flexible = "0+", response = ConsumerGroupDescribeResponse)]
pub struct ConsumerGroupDescribeRequest {
    /// The group ids.
    #[field(versions = "0+")]
    pub group_ids: Vec<Str>,
    /// The include authorized operations.
    #[field(versions = "0+")]
    pub include_authorized_operations: bool,
}

/// Answers [`ConsumerGroupDescribeRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 69, versions = "0", flexible = "0+")]
pub struct ConsumerGroupDescribeResponse {
    /// The throttle time, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// The groups.
    #[field(versions = "0+")]
    pub groups: Vec<DescribedGroup>,
}

/// One of `groups` of [`ConsumerGroupDescribeResponse`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct DescribedGroup {
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The error message.
    #[field(versions = "0+", nullable = "0+", default = "null")]
    pub error_message: Option<Str>,
    /// The group id.
    #[field(versions = "0+")]
    pub group_id: Str,
    /// The group state.
    #[field(versions = "0+")]
    pub group_state: Str,
    /// The group epoch.
    #[field(versions = "0+")]
    pub group_epoch: i32,
    /// The assignment epoch.
    #[field(versions = "0+")]
    pub assignment_epoch: i32,
    /// The assignor name.
    #[field(versions = "0+")]
    pub assignor_name: Str,
    /// The members.
    #[field(versions = "0+")]
    pub members: Vec<Member>,
    /// The authorized operations.
    #[field(versions = "0+", default = "-2147483648")]
    pub authorized_operations: i32,
}

/// One of `members` of [`DescribedGroup`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct Member {
    /// The member id.
    #[field(versions = "0+")]
    pub member_id: Str,
    /// The instance id.
    #[field(versions = "0+", nullable = "0+", default = "null")]
    pub instance_id: Option<Str>,
    /// The rack id.
    #[field(versions = "0+", nullable = "0+", default = "null")]
    pub rack_id: Option<Str>,
    /// The member epoch.
    #[field(versions = "0+")]
    pub member_epoch: i32,
    /// The client id.
    #[field(versions = "0+")]
    pub client_id: Str,
    /// The client host.
    #[field(versions = "0+")]
    pub client_host: Str,
    /// The subscribed topic names.
    #[field(versions = "0+")]
    pub subscribed_topic_names: Vec<Str>,
    /// The subscribed topic regex.
    #[field(versions = "0+", nullable = "0+", default = "null")]
    pub subscribed_topic_regex: Option<Str>,
    /// The assignment.
    #[field(versions = "0+")]
    pub assignment: Assignment,
    /// The target assignment.
    #[field(versions = "0+")]
    pub target_assignment: Assignment,
}

/// The `assignment` of [`Member`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct Assignment {
    /// The topic partitions.
    #[field(versions = "0+")]
    pub topic_partitions: Vec<TopicPartitions>,
}

/// One of `topic_partitions` of [`Assignment`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct TopicPartitions {
    /// The topic id.
    #[field(versions = "0+")]
    pub topic_id: Uuid,
    /// The topic name.
    #[field(versions = "0+")]
    pub topic_name: Str,
    /// The partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<i32>,
}
