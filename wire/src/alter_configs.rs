//! AlterConfigs (key 33).

use wire_derive::{Message, Struct};

use crate::Str;

/// Asks for AlterConfigs.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 33, versions = "0-2", flexible = "2+", response = AlterConfigsResponse)]
pub struct AlterConfigsRequest {
    /// The resources.
    #[field(versions = "0+")]
    pub resources: Vec<AlterConfigsResource>,
    /// The validate only.
    #[field(versions = "0+")]
    pub validate_only: bool,
}

/// One of `resources` of [`AlterConfigsRequest`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct AlterConfigsResource {
    /// The resource type.
    #[field(versions = "0+")]
    pub resource_type: i8,
    /// The resource name.
    #[field(versions = "0+")]
    pub resource_name: Str,
    /// The configs.
    #[field(versions = "0+")]
    pub configs: Vec<AlterableConfig>,
}

/// One of `configs` of [`AlterConfigsResource`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct AlterableConfig {
    /// The name.
    #[field(versions = "0+")]
    pub name: Str,
    /// The value.
    #[field(versions = "0+", nullable = "0+")]
    pub value: Option<Str>,
}

/// Answers [`AlterConfigsRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 33, versions = "0-2", flexible = "2+")]
pub struct AlterConfigsResponse {
    /// The throttle time, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// The responses.
    #[field(versions = "0+")]
    pub responses: Vec<AlterConfigsResourceResponse>,
}

/// One of `responses` of [`AlterConfigsResponse`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct AlterConfigsResourceResponse {
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The error message.
    #[field(versions = "0+", nullable = "0+")]
    pub error_message: Option<Str>,
    /// The resource type.
    #[field(versions = "0+")]
    pub resource_type: i8,
    /// The resource name.
    #[field(versions = "0+")]
    pub resource_name: Str,
}
