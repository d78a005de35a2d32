//! AlterConfigs (key 33) replaces dynamic configurations.
//! Keys that are not named lose their values.

use wire_derive::{Message, Struct};

use crate::Str;

/// Replaces the dynamic configuration of resources.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 33, versions = "0-2", flexible = "2+", response = AlterConfigsResponse)]
pub struct AlterConfigsRequest {
    /// One entry per resource.
    #[field(versions = "0+")]
    pub resources: Vec<AlterConfigsResource>,
    /// Whether only to check, and change nothing.
    #[field(versions = "0+")]
    pub validate_only: bool,
}

/// A resource and what to change.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct AlterConfigsResource {
    /// The kind of resource (`ResourceType` for ACLs, `ConfigResource.Type` for configurations).
    #[field(versions = "0+")]
    pub resource_type: i8,
    /// The resource's name.
    #[field(versions = "0+")]
    pub resource_name: Str,
    /// One entry per configuration key.
    #[field(versions = "0+")]
    pub configs: Vec<AlterableConfig>,
}

/// A configuration key to change.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct AlterableConfig {
    /// The configuration key.
    #[field(versions = "0+")]
    pub name: Str,
    /// The value; null where the operation needs none.
    #[field(versions = "0+", nullable = "0+")]
    pub value: Option<Str>,
}

/// Answers [`AlterConfigsRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 33, versions = "0-2", flexible = "2+")]
pub struct AlterConfigsResponse {
    /// How long a quota makes the client wait, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// One entry per item of the request.
    #[field(versions = "0+")]
    pub responses: Vec<AlterConfigsResourceResponse>,
}

/// A resource and how its change went.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct AlterConfigsResourceResponse {
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// What went wrong, for people; null when there is nothing to add.
    #[field(versions = "0+", nullable = "0+")]
    pub error_message: Option<Str>,
    /// The kind of resource (`ResourceType` for ACLs, `ConfigResource.Type` for configurations).
    #[field(versions = "0+")]
    pub resource_type: i8,
    /// The resource's name.
    #[field(versions = "0+")]
    pub resource_name: Str,
}
