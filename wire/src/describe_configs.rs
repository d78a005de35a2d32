//! DescribeConfigs (key 32).

use wire_derive::{Message, Struct};

use crate::Str;

/// Asks for DescribeConfigs.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 32, versions = "0-4", flexible = "4+", response = DescribeConfigsResponse)]
pub struct DescribeConfigsRequest {
    /// The resources.
    #[field(versions = "0+")]
    pub resources: Vec<DescribeConfigsResource>,
    /// The include synonyms.
    #[field(versions = "1+", default = "false")]
    pub include_synonyms: bool,
    /// The include documentation.
    #[field(versions = "3+", default = "false")]
    pub include_documentation: bool,
}

/// One of `resources` of [`DescribeConfigsRequest`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct DescribeConfigsResource {
    /// The resource type.
    #[field(versions = "0+")]
    pub resource_type: i8,
    /// The resource name.
    #[field(versions = "0+")]
    pub resource_name: Str,
    /// The configuration keys.
    #[field(versions = "0+", nullable = "0+")]
    pub configuration_keys: Option<Vec<Str>>,
}

/// Answers [`DescribeConfigsRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 32, versions = "0-4", flexible = "4+")]
pub struct DescribeConfigsResponse {
    /// The throttle time, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// The results.
    #[field(versions = "0+")]
    pub results: Vec<DescribeConfigsResult>,
}

/// One of `results` of [`DescribeConfigsResponse`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct DescribeConfigsResult {
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
    /// The configs.
    #[field(versions = "0+")]
    pub configs: Vec<DescribeConfigsResourceResult>,
}

/// One of `configs` of [`DescribeConfigsResult`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct DescribeConfigsResourceResult {
    /// The name.
    #[field(versions = "0+")]
    pub name: Str,
    /// The value.
    #[field(versions = "0+", nullable = "0+")]
    pub value: Option<Str>,
    /// The read only.
    #[field(versions = "0+")]
    pub read_only: bool,
    /// The is default.
    #[field(versions = "0")]
    pub is_default: bool,
    /// The config source.
    #[field(versions = "1+", default = "-1", ignorable)]
    pub config_source: i8,
    /// The is sensitive.
    #[field(versions = "0+")]
    pub is_sensitive: bool,
    /// The synonyms.
    #[field(versions = "1+", ignorable)]
    pub synonyms: Vec<DescribeConfigsSynonym>,
    /// The config type.
    #[field(versions = "3+", default = "0", ignorable)]
    pub config_type: i8,
    /// The documentation.
    #[field(versions = "3+", nullable = "0+", ignorable)]
    pub documentation: Option<Str>,
}

/// One of `synonyms` of [`DescribeConfigsResourceResult`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct DescribeConfigsSynonym {
    /// The name.
    #[field(versions = "1+")]
    pub name: Str,
    /// The value.
    #[field(versions = "1+", nullable = "0+")]
    pub value: Option<Str>,
    /// The source.
    #[field(versions = "1+")]
    pub source: i8,
}
