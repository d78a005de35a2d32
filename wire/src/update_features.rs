//! UpdateFeatures (key 57).

use wire_derive::{Message, Struct};

use crate::Str;

/// Asks for UpdateFeatures.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 57, versions = "0-1", flexible = "0+", response = UpdateFeaturesResponse)]
pub struct UpdateFeaturesRequest {
    /// The timeout, in milliseconds.
    #[field(versions = "0+", default = "60000")]
    pub timeout_ms: i32,
    /// The feature updates.
    #[field(versions = "0+")]
    pub feature_updates: Vec<FeatureUpdateKey>,
    /// The validate only.
    #[field(versions = "1+", default = "false")]
    pub validate_only: bool,
}

/// One of `feature_updates` of [`UpdateFeaturesRequest`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct FeatureUpdateKey {
    /// The feature.
    #[field(versions = "0+")]
    pub feature: Str,
    /// The max version level.
    #[field(versions = "0+")]
    pub max_version_level: i16,
    /// The allow downgrade.
    #[field(versions = "0")]
    pub allow_downgrade: bool,
    /// The upgrade type.
    #[field(versions = "1+", default = "1")]
    pub upgrade_type: i8,
}

/// Answers [`UpdateFeaturesRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 57, versions = "0-1", flexible = "0+")]
pub struct UpdateFeaturesResponse {
    /// The throttle time, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The error message.
    #[field(versions = "0+", nullable = "0+")]
    pub error_message: Option<Str>,
    /// The results.
    #[field(versions = "0+")]
    pub results: Vec<UpdatableFeatureResult>,
}

/// One of `results` of [`UpdateFeaturesResponse`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct UpdatableFeatureResult {
    /// The feature.
    #[field(versions = "0+")]
    pub feature: Str,
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The error message.
    #[field(versions = "0+", nullable = "0+")]
    pub error_message: Option<Str>,
}
