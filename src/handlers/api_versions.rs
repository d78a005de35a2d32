//! ApiVersions, v0–4: what is served, in Kafka 3.9's version ranges; what is not built is left out.
//!
//! - An unsupported version is answered in version 0 with UNSUPPORTED_VERSION and the full list (KIP-511), never with a
//!   closed connection: it is how clients find a common version. The answer's header is always version 0.
//! - v3+: the client's software name and version must look like one, or INVALID_REQUEST.
//! - Klamm supports no features (there are none in ZooKeeper mode); those that are finalized are told with their epoch, the
//!   version of `/feature`.

use std::sync::Arc;

use wire::api_versions::{ApiVersion, FinalizedFeatureKey};
use wire::{ApiVersionsRequest, ApiVersionsResponse, ErrorCode};

use super::{Context, SERVED};
use crate::broker::Broker;
use crate::net::Reply;

/// Answers an ApiVersions request.
pub async fn handle(broker: &Arc<Broker>, context: &Context<'_>, request: ApiVersionsRequest) -> ApiVersionsResponse {
    let named = is_name(&request.client_software_name) && is_name(&request.client_software_version);
    if context.api_version >= 3 && !named {
        return ApiVersionsResponse { error_code: ErrorCode::InvalidRequest.code(), ..Default::default() };
    }
    let features = broker.finalized_features.known();
    let finalized = features.levels.iter().map(|(name, level)| FinalizedFeatureKey {
        name: name.as_str().into(),
        max_version_level: *level,
        min_version_level: *level,
    });
    ApiVersionsResponse {
        api_keys: served(),
        finalized_features_epoch: features.epoch.unwrap_or(-1),
        finalized_features: finalized.collect(),
        ..Default::default()
    }
}

/// Answers a version that nobody knows.
pub fn unsupported(context: &Context<'_>) -> Reply {
    let error_code = ErrorCode::UnsupportedVersion.code();
    let response = ApiVersionsResponse { error_code, api_keys: served(), ..Default::default() };
    let version_0 = Context { api_version: 0, client_id: None, ..*context };
    version_0.reply(&response, Vec::new())
}

fn served() -> Vec<ApiVersion> {
    let mut served: Vec<ApiVersion> = SERVED
        .iter()
        .map(|key| {
            let versions = key.versions();
            ApiVersion { api_key: key.code(), min_version: versions.min, max_version: versions.max }
        })
        .collect();
    served.sort_by_key(|version| version.api_key);
    served
}

/// `[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?`
fn is_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return false };
    first.is_ascii_alphanumeric()
        && last.is_ascii_alphanumeric()
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn software_names() {
        for good in ["a", "apache-kafka-java", "3.9.2", "0", "a-.b"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "-a", "a-", ".", "a b", "a/b", "ä"] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
