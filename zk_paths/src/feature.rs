//! `/feature`: the cluster's finalized features (KIP-584). Version 1 (IBP 2.7 to 3.2) has a minimum and a maximum
//! level per feature, version 2 (IBP 3.3 and later) only the maximum.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{MalformedZnode, json};

/// The node's path; every broker watches it.
pub const PATH: &str = "/feature";

/// Which encoding to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeatureFormat {
    /// With minimum levels.
    V1,
    /// Only maximum levels.
    V2,
}

/// The document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinalizedFeatures {
    /// Whether feature versioning is on (status 1) or off (status 0).
    pub enabled: bool,
    /// The finalized level of each feature.
    pub features: BTreeMap<String, i16>,
}

impl FinalizedFeatures {
    /// The document.
    pub fn encode(&self, format: FeatureFormat) -> Vec<u8> {
        let levels = |level: &i16| match format {
            FeatureFormat::V1 => json!({"min_version_level": level, "max_version_level": level}),
            FeatureFormat::V2 => json!({"max_version_level": level}),
        };
        let features: serde_json::Map<String, Value> =
            self.features.iter().map(|(name, level)| (name.clone(), levels(level))).collect();
        let version = match format {
            FeatureFormat::V1 => 1,
            FeatureFormat::V2 => 2,
        };
        json::to_bytes(&json!({"version": version, "status": i32::from(self.enabled), "features": features}))
    }

    /// Reads either version. Unlike elsewhere an unknown version is refused: it could mean anything.
    pub fn decode(bytes: &[u8]) -> Result<FinalizedFeatures, MalformedZnode> {
        #[derive(Deserialize)]
        struct Document {
            version: i32,
            status: i32,
            features: BTreeMap<String, Levels>,
        }
        let Document { version, status, features } = json::parse(PATH, bytes)?;
        if !(1..=2).contains(&version) {
            return Err(MalformedZnode::new(PATH, format!("version {version} is not supported")));
        }
        let enabled = match status {
            0 => false,
            1 => true,
            other => return Err(MalformedZnode::new(PATH, format!("{other} is no status"))),
        };
        let features =
            features.into_iter().map(|(name, levels)| levels.check(version, &name).map(|level| (name, level)));
        Ok(FinalizedFeatures { enabled, features: features.collect::<Result<_, _>>()? })
    }
}

#[derive(Deserialize)]
struct Levels {
    min_version_level: Option<i16>,
    max_version_level: i16,
}

impl Levels {
    fn check(&self, version: i32, feature: &str) -> Result<i16, MalformedZnode> {
        let min = match (version, self.min_version_level) {
            (1, None) => return Err(MalformedZnode::new(PATH, format!("{feature} has no min_version_level"))),
            (1, Some(min)) => min,
            _ => 1,
        };
        if min < 1 || self.max_version_level < min {
            let problem = format!("{feature} cannot have levels {min} to {}", self.max_version_level);
            return Err(MalformedZnode::new(PATH, problem));
        }
        Ok(self.max_version_level)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_survive() {
        let captured = &include_bytes!("../testdata/kafka_3_9_2/feature")[..];
        for (format, text) in [
            (FeatureFormat::V2, captured),
            (FeatureFormat::V2, br#"{"version":2,"status":0,"features":{"f":{"max_version_level":2}}}"#),
            (
                FeatureFormat::V1,
                br#"{"version":1,"status":1,"features":{"f":{"min_version_level":2,"max_version_level":2}}}"#,
            ),
        ] {
            json::check_same_value(text, &FinalizedFeatures::decode(text).unwrap().encode(format));
        }
    }

    #[test]
    fn what_kafka_refuses_is_refused() {
        for bad in [
            r#"{"version":3,"status":1,"features":{}}"#,
            r#"{"version":2,"status":2,"features":{}}"#,
            r#"{"version":2,"features":{}}"#,
            r#"{"version":2,"status":1}"#,
            r#"{"version":1,"status":1,"features":{"f":{"max_version_level":2}}}"#,
            r#"{"version":1,"status":1,"features":{"f":{"min_version_level":3,"max_version_level":2}}}"#,
            r#"{"version":2,"status":1,"features":{"f":{"max_version_level":0}}}"#,
        ] {
            assert!(FinalizedFeatures::decode(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
