//! DescribeConfigs (key 32) describes configurations.

use wire_derive::{Message, Struct};

use crate::Str;

/// Asks for the configuration of resources.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 32, versions = "0-4", flexible = "4+", response = DescribeConfigsResponse)]
pub struct DescribeConfigsRequest {
    /// One entry per resource.
    #[field(versions = "0+")]
    pub resources: Vec<DescribeConfigsResource>,
    /// Whether to answer where the values come from.
    #[field(versions = "1+", default = "false")]
    pub include_synonyms: bool,
    /// Whether to answer what the keys mean.
    #[field(versions = "3+", default = "false")]
    pub include_documentation: bool,
}

/// A resource to describe.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct DescribeConfigsResource {
    /// The kind of resource (`ResourceType` for ACLs, `ConfigResource.Type` for configurations).
    #[field(versions = "0+")]
    pub resource_type: i8,
    /// The resource's name.
    #[field(versions = "0+")]
    pub resource_name: Str,
    /// The keys to describe; null for all.
    #[field(versions = "0+", nullable = "0+")]
    pub configuration_keys: Option<Vec<Str>>,
}

/// Answers [`DescribeConfigsRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 32, versions = "0-4", flexible = "4+")]
pub struct DescribeConfigsResponse {
    /// How long a quota makes the client wait, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// One entry per item of the request.
    #[field(versions = "0+")]
    pub results: Vec<DescribeConfigsResult>,
}

/// A described resource.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct DescribeConfigsResult {
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
    /// One entry per configuration key.
    #[field(versions = "0+")]
    pub configs: Vec<DescribeConfigsResourceResult>,
}

/// A configuration key of a described resource.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct DescribeConfigsResourceResult {
    /// The configuration key.
    #[field(versions = "0+")]
    pub name: Str,
    /// The value; null when it is unset or secret.
    #[field(versions = "0+", nullable = "0+")]
    pub value: Option<Str>,
    /// Whether the key cannot be altered dynamically.
    #[field(versions = "0+")]
    pub read_only: bool,
    /// Whether nothing set the value.
    #[field(versions = "0")]
    pub is_default: bool,
    /// Where the value comes from (`ConfigSource`).
    #[field(versions = "1+", default = "-1", ignorable)]
    pub config_source: i8,
    /// Whether the value is kept secret, and null here.
    #[field(versions = "0+")]
    pub is_sensitive: bool,
    /// The settings that could supply the value, the winning one first.
    #[field(versions = "1+", ignorable)]
    pub synonyms: Vec<DescribeConfigsSynonym>,
    /// The value's type (`ConfigDef.Type`).
    #[field(versions = "3+", default = "0", ignorable)]
    pub config_type: i8,
    /// What the key means; null when not asked.
    #[field(versions = "3+", nullable = "0+", ignorable)]
    pub documentation: Option<Str>,
}

/// A setting that could supply a value.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct DescribeConfigsSynonym {
    /// The configuration key.
    #[field(versions = "1+")]
    pub name: Str,
    /// The value; null when it is unset or secret.
    #[field(versions = "1+", nullable = "0+")]
    pub value: Option<Str>,
    /// Where the value comes from (`ConfigSource`).
    #[field(versions = "1+")]
    pub source: i8,
}
