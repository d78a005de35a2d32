//! ApiVersions (key 18) tells which APIs and versions a broker serves.
//! Its response header is always version 0 (KIP-511).

use wire_derive::{Message, Struct};

use crate::Str;

/// Asks which APIs and versions a broker serves.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 18, versions = "0-4", flexible = "3+", response = ApiVersionsResponse)]
pub struct ApiVersionsRequest {
    /// The client library's name.
    #[field(versions = "3+", ignorable)]
    pub client_software_name: Str,
    /// The client library's version.
    #[field(versions = "3+", ignorable)]
    pub client_software_version: Str,
}

/// Answers [`ApiVersionsRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 18, versions = "0-4", flexible = "3+")]
pub struct ApiVersionsResponse {
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The APIs and their versions.
    #[field(versions = "0+")]
    pub api_keys: Vec<ApiVersion>,
    /// How long a quota makes the client wait, in milliseconds.
    #[field(versions = "1+", ignorable)]
    pub throttle_time_ms: i32,
    /// The features the broker could use.
    #[field(versions = "3+", tagged = "3+", tag = 0, ignorable)]
    pub supported_features: Vec<SupportedFeatureKey>,
    /// The ZooKeeper version of `/feature`; -1 when there is none.
    #[field(versions = "3+", tagged = "3+", tag = 1, default = "-1", ignorable)]
    pub finalized_features_epoch: i64,
    /// The features the cluster uses.
    #[field(versions = "3+", tagged = "3+", tag = 2, ignorable)]
    pub finalized_features: Vec<FinalizedFeatureKey>,
    /// Only for KRaft controllers.
    #[field(versions = "3+", tagged = "3+", tag = 3, default = "false", ignorable)]
    pub zk_migration_ready: bool,
}

/// The versions of one API.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct ApiVersion {
    /// The API's number.
    #[field(versions = "0+")]
    pub api_key: i16,
    /// The lowest version.
    #[field(versions = "0+")]
    pub min_version: i16,
    /// The highest version.
    #[field(versions = "0+")]
    pub max_version: i16,
}

/// A feature the broker could use.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct SupportedFeatureKey {
    /// The feature's name.
    #[field(versions = "3+")]
    pub name: Str,
    /// The lowest version.
    #[field(versions = "3+")]
    pub min_version: i16,
    /// The highest version.
    #[field(versions = "3+")]
    pub max_version: i16,
}

/// A feature the cluster uses.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct FinalizedFeatureKey {
    /// The feature's name.
    #[field(versions = "3+")]
    pub name: Str,
    /// The highest level.
    #[field(versions = "3+")]
    pub max_version_level: i16,
    /// The lowest level.
    #[field(versions = "3+")]
    pub min_version_level: i16,
}
