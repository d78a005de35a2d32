//! FindCoordinator (key 10).

use wire_derive::{Message, Struct};

use crate::Str;

/// Asks for FindCoordinator.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 10, versions = "0-6", flexible = "3+", response = FindCoordinatorResponse)]
pub struct FindCoordinatorRequest {
    /// The key.
    #[field(versions = "0-3")]
    pub key: Str,
    /// The key type.
    #[field(versions = "1+", default = "0")]
    pub key_type: i8,
    /// The coordinator keys.
    #[field(versions = "4+")]
    pub coordinator_keys: Vec<Str>,
}

/// Answers [`FindCoordinatorRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 10, versions = "0-6", flexible = "3+")]
pub struct FindCoordinatorResponse {
    /// The throttle time, in milliseconds.
    #[field(versions = "1+", ignorable)]
    pub throttle_time_ms: i32,
    /// The error code.
    #[field(versions = "0-3")]
    pub error_code: i16,
    /// The error message.
    #[field(versions = "1-3", nullable = "1-3", ignorable)]
    pub error_message: Option<Str>,
    /// The node id.
    #[field(versions = "0-3")]
    pub node_id: i32,
    /// The host.
    #[field(versions = "0-3")]
    pub host: Str,
    /// The port.
    #[field(versions = "0-3")]
    pub port: i32,
    /// The coordinators.
    #[field(versions = "4+")]
    pub coordinators: Vec<Coordinator>,
}

/// One of `coordinators` of [`FindCoordinatorResponse`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct Coordinator {
    /// The key.
    #[field(versions = "4+")]
    pub key: Str,
    /// The node id.
    #[field(versions = "4+")]
    pub node_id: i32,
    /// The host.
    #[field(versions = "4+")]
    pub host: Str,
    /// The port.
    #[field(versions = "4+")]
    pub port: i32,
    /// The error code.
    #[field(versions = "4+")]
    pub error_code: i16,
    /// The error message.
    #[field(versions = "4+", nullable = "4+", ignorable)]
    pub error_message: Option<Str>,
}
