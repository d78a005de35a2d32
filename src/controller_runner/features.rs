//! `/feature` (KIP-584): a new controller makes it fit its inter-broker protocol version.
//! From 2.7 on it is enabled and keeps its features; below it is disabled and has none. Klamm knows no features.

use config::MetadataVersion;
use tracing::warn;
use zk_paths::feature::{self, FeatureFormat, FinalizedFeatures};

use super::End;
use super::writing::{Fate, Guarded};
use crate::zk::{CreateMode, Op, Zk, ZkError};

/// Creates or changes the node where needed.
pub(super) async fn set_up(zk: &dyn Zk, guarded: &Guarded, protocol: MetadataVersion) -> Result<(), End> {
    loop {
        let node = match zk.get(feature::PATH).await {
            Ok(node) => Some(node),
            Err(ZkError::NoNode { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let known = match node.as_ref().map(|node| FinalizedFeatures::decode(&node.data)) {
            None => None,
            Some(Ok(known)) => Some(known),
            Some(Err(malformed)) => {
                warn!("{malformed}; left alone");
                return Ok(());
            }
        };
        let data = wanted(known.as_ref(), protocol);
        let op = match &node {
            None => Op::Create { path: feature::PATH.into(), data: Some(data.into()), mode: CreateMode::Persistent },
            Some(node) if same_document(&node.data, &data) => return Ok(()),
            Some(node) => Op::Set { path: feature::PATH.into(), data: data.into(), expected: node.stat.version },
        };
        match guarded.multi(vec![op]).await? {
            Fate::Done(_) => return Ok(()),
            Fate::Refused { error: ZkError::NodeExists { .. } | ZkError::BadVersion { .. }, .. } | Fate::Unknown => {}
            Fate::Refused { error, .. } => return Err(error.into()),
        }
    }
}

fn wanted(known: Option<&FinalizedFeatures>, protocol: MetadataVersion) -> Vec<u8> {
    let enabled = protocol.has_feature_versioning();
    let kept = known.filter(|known| enabled && known.enabled).map(|known| known.features.clone());
    let format = if protocol >= MetadataVersion::V3_3_IV0 { FeatureFormat::V2 } else { FeatureFormat::V1 };
    FinalizedFeatures { enabled, features: kept.unwrap_or_default() }.encode(format)
}

fn same_document(one: &[u8], other: &[u8]) -> bool {
    let value = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).ok();
    value(one) == value(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(protocol: &str, known: Option<&str>, expected: &str) {
        let known = known.map(|text| FinalizedFeatures::decode(text.as_bytes()).unwrap());
        let wanted = wanted(known.as_ref(), protocol.parse().unwrap());
        assert!(same_document(&wanted, expected.as_bytes()), "{}", String::from_utf8_lossy(&wanted));
    }

    #[test]
    fn the_protocol_version_decides() {
        let enabled = r#"{"version":2,"status":1,"features":{"f":{"max_version_level":2}}}"#;
        check("3.9", None, r#"{"version":2,"status":1,"features":{}}"#);
        check("2.7", None, r#"{"version":1,"status":1,"features":{}}"#);
        check("2.4", None, r#"{"version":1,"status":0,"features":{}}"#);
        check("3.9", Some(enabled), enabled);
        check("2.4", Some(enabled), r#"{"version":1,"status":0,"features":{}}"#);
        check(
            "3.9",
            Some(&enabled.replace("\"status\":1", "\"status\":0")),
            r#"{"version":2,"status":1,"features":{}}"#,
        );
    }
}
