//! FindCoordinator (key 10) finds the coordinator of a group or transactional id.
//! One key up to version 3, many from 4 on.

use wire_derive::{Message, Struct};

use crate::Str;

/// Asks who coordinates a group or transactional id.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 10, versions = "0-6", flexible = "3+", response = FindCoordinatorResponse)]
pub struct FindCoordinatorRequest {
    /// The group or transactional id.
    #[field(versions = "0-3")]
    pub key: Str,
    /// 0 for a group, 1 for a transactional id, 2 for a share group.
    #[field(versions = "1+", default = "0")]
    pub key_type: i8,
    /// The groups or transactional ids.
    #[field(versions = "4+")]
    pub coordinator_keys: Vec<Str>,
}

/// Answers [`FindCoordinatorRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 10, versions = "0-6", flexible = "3+")]
pub struct FindCoordinatorResponse {
    /// How long a quota makes the client wait, in milliseconds.
    #[field(versions = "1+", ignorable)]
    pub throttle_time_ms: i32,
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0-3")]
    pub error_code: i16,
    /// What went wrong, for people; null when there is nothing to add.
    #[field(versions = "1-3", nullable = "1-3", ignorable)]
    pub error_message: Option<Str>,
    /// The coordinator's broker id; -1 on failure.
    #[field(versions = "0-3")]
    pub node_id: i32,
    /// The host name to connect to.
    #[field(versions = "0-3")]
    pub host: Str,
    /// The port to connect to.
    #[field(versions = "0-3")]
    pub port: i32,
    /// One entry per key.
    #[field(versions = "4+")]
    pub coordinators: Vec<Coordinator>,
}

/// A key and its coordinator.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct Coordinator {
    /// The group or transactional id.
    #[field(versions = "4+")]
    pub key: Str,
    /// The coordinator's broker id; -1 on failure.
    #[field(versions = "4+")]
    pub node_id: i32,
    /// The host name to connect to.
    #[field(versions = "4+")]
    pub host: Str,
    /// The port to connect to.
    #[field(versions = "4+")]
    pub port: i32,
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "4+")]
    pub error_code: i16,
    /// What went wrong, for people; null when there is nothing to add.
    #[field(versions = "4+", nullable = "4+", ignorable)]
    pub error_message: Option<Str>,
}
