//! ControlledShutdown (key 7) moves leaders off a broker that stops.
//! Version 0 has a request header without client id.

use wire_derive::{Message, Struct};

use crate::Str;

/// Asks the controller to move leaders off the sender.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 7, versions = "0-3", flexible = "3+", response = ControlledShutdownResponse)]
pub struct ControlledShutdownRequest {
    /// The broker that wants to stop.
    #[field(versions = "0+")]
    pub broker_id: i32,
    /// The czxid of the broker's registration; -1 when unchecked.
    #[field(versions = "2+", default = "-1", ignorable)]
    pub broker_epoch: i64,
}

/// Answers [`ControlledShutdownRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 7, versions = "0-3", flexible = "3+")]
pub struct ControlledShutdownResponse {
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// Partitions the broker still leads.
    #[field(versions = "0+")]
    pub remaining_partitions: Vec<RemainingPartition>,
}

/// A partition the broker still leads.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct RemainingPartition {
    /// The topic's name.
    #[field(versions = "0+")]
    pub topic_name: Str,
    /// The partition.
    #[field(versions = "0+")]
    pub partition_index: i32,
}
