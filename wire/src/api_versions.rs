//! ApiVersions (key 18).

use wire_derive::{Message, Struct};

use crate::Str;

/// Asks for ApiVersions.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 18, versions = "0-4", flexible = "3+", response = ApiVersionsResponse)]
pub struct ApiVersionsRequest {
    /// The client software name.
    #[field(versions = "3+", ignorable)]
    pub client_software_name: Str,
    /// The client software version.
    #[field(versions = "3+", ignorable)]
    pub client_software_version: Str,
}

/// Answers [`ApiVersionsRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 18, versions = "0-4", flexible = "3+")]
pub struct ApiVersionsResponse {
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The api keys.
    #[field(versions = "0+")]
    pub api_keys: Vec<ApiVersion>,
    /// The throttle time, in milliseconds.
    #[field(versions = "1+", ignorable)]
    pub throttle_time_ms: i32,
    /// The supported features.
    #[field(versions = "3+", tagged = "3+", tag = 0, ignorable)]
    pub supported_features: Vec<SupportedFeatureKey>,
    /// The finalized features epoch.
    #[field(versions = "3+", tagged = "3+", tag = 1, default = "-1", ignorable)]
    pub finalized_features_epoch: i64,
    /// The finalized features.
    #[field(versions = "3+", tagged = "3+", tag = 2, ignorable)]
    pub finalized_features: Vec<FinalizedFeatureKey>,
    /// The zk migration ready.
    #[field(versions = "3+", tagged = "3+", tag = 3, default = "false", ignorable)]
    pub zk_migration_ready: bool,
}

/// One of `api_keys` of [`ApiVersionsResponse`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct ApiVersion {
    /// The api key.
    #[field(versions = "0+")]
    pub api_key: i16,
    /// The min version.
    #[field(versions = "0+")]
    pub min_version: i16,
    /// The max version.
    #[field(versions = "0+")]
    pub max_version: i16,
}

/// One of `supported_features` of [`ApiVersionsResponse`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct SupportedFeatureKey {
    /// The name.
    #[field(versions = "3+")]
    pub name: Str,
    /// The min version.
    #[field(versions = "3+")]
    pub min_version: i16,
    /// The max version.
    #[field(versions = "3+")]
    pub max_version: i16,
}

/// One of `finalized_features` of [`ApiVersionsResponse`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct FinalizedFeatureKey {
    /// The name.
    #[field(versions = "3+")]
    pub name: Str,
    /// The max version level.
    #[field(versions = "3+")]
    pub max_version_level: i16,
    /// The min version level.
    #[field(versions = "3+")]
    pub min_version_level: i16,
}
