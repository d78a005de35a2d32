//! ControlledShutdown (key 7).

use wire_derive::{Message, Struct};

use crate::Str;

/// Asks for ControlledShutdown.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 7, versions = "0-3", flexible = "3+", response = ControlledShutdownResponse)]
pub struct ControlledShutdownRequest {
    /// The broker id.
    #[field(versions = "0+")]
    pub broker_id: i32,
    /// The broker epoch.
    #[field(versions = "2+", default = "-1", ignorable)]
    pub broker_epoch: i64,
}

/// Answers [`ControlledShutdownRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 7, versions = "0-3", flexible = "3+")]
pub struct ControlledShutdownResponse {
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The remaining partitions.
    #[field(versions = "0+")]
    pub remaining_partitions: Vec<RemainingPartition>,
}

/// One of `remaining_partitions` of [`ControlledShutdownResponse`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct RemainingPartition {
    /// The topic name.
    #[field(versions = "0+")]
    pub topic_name: Str,
    /// The partition index.
    #[field(versions = "0+")]
    pub partition_index: i32,
}
