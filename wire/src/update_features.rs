//! UpdateFeatures (key 57) changes finalized features.

use wire_derive::{Message, Struct};

use crate::Str;

/// Changes finalized features; for the controller.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 57, versions = "0-1", flexible = "0+", response = UpdateFeaturesResponse)]
pub struct UpdateFeaturesRequest {
    /// How long the broker may take, in milliseconds.
    #[field(versions = "0+", default = "60000")]
    pub timeout_ms: i32,
    /// One entry per feature.
    #[field(versions = "0+")]
    pub feature_updates: Vec<FeatureUpdateKey>,
    /// Whether only to check, and change nothing.
    #[field(versions = "1+", default = "false")]
    pub validate_only: bool,
}

/// A feature to change.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct FeatureUpdateKey {
    /// The feature's name.
    #[field(versions = "0+")]
    pub feature: Str,
    /// The highest level.
    #[field(versions = "0+")]
    pub max_version_level: i16,
    /// Whether the level may sink.
    #[field(versions = "0")]
    pub allow_downgrade: bool,
    /// 1 upgrade, 2 safe downgrade, 3 unsafe downgrade.
    #[field(versions = "1+", default = "1")]
    pub upgrade_type: i8,
}

/// Answers [`UpdateFeaturesRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 57, versions = "0-1", flexible = "0+")]
pub struct UpdateFeaturesResponse {
    /// How long a quota makes the client wait, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// What went wrong, for people; null when there is nothing to add.
    #[field(versions = "0+", nullable = "0+")]
    pub error_message: Option<Str>,
    /// One entry per item of the request.
    #[field(versions = "0+")]
    pub results: Vec<UpdatableFeatureResult>,
}

/// How changing one feature went.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct UpdatableFeatureResult {
    /// The feature's name.
    #[field(versions = "0+")]
    pub feature: Str,
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// What went wrong, for people; null when there is nothing to add.
    #[field(versions = "0+", nullable = "0+")]
    pub error_message: Option<Str>,
}
