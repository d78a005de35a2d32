//! `/config/changes/config_change_<seq>`: says that an entity's configuration changed; every broker reads it and then
//! the entity's node. Version 1 could name topics and clients only; version 2 carries the entity's path.

use serde::Deserialize;
use serde_json::json;

use crate::config_entity::ConfigEntity;
use crate::{MalformedZnode, json};

/// The parent; every broker watches its children.
pub const PATH: &str = "/config/changes";
/// What a child's name starts with.
pub const PREFIX: &str = "config_change_";
/// Entries older than this are deleted by any broker that handles the list.
pub const EXPIRATION_MS: i64 = 15 * 60 * 1000;

/// Where an entry is created (persistent, sequential).
pub fn create_path() -> String {
    child_path(PREFIX)
}

/// One entry.
pub fn child_path(child: &str) -> String {
    format!("{PATH}/{child}")
}

/// The version 2 document.
pub fn encode(entity: &ConfigEntity) -> Vec<u8> {
    json::to_bytes(&json!({"version": 2, "entity_path": entity.to_string()}))
}

/// The entity that changed, from either version.
pub fn decode(child: &str, bytes: &[u8]) -> Result<ConfigEntity, MalformedZnode> {
    #[derive(Deserialize)]
    struct Document {
        version: i32,
        entity_path: Option<String>,
        entity_type: Option<String>,
        entity_name: Option<String>,
    }
    let malformed = |problem: String| MalformedZnode::new(child_path(child), problem);
    let document: Document = json::parse(&child_path(child), bytes)?;
    let entity_path = match (document.version, document.entity_path, document.entity_type, document.entity_name) {
        (2, Some(path), ..) => path,
        (1, _, Some(kind), Some(name)) if kind == "topics" || kind == "clients" => format!("{kind}/{name}"),
        (1 | 2, ..) => return Err(malformed("the changed entity is missing".into())),
        (version, ..) => return Err(malformed(format!("version {version} is not supported"))),
    };
    ConfigEntity::parse(&entity_path).ok_or_else(|| malformed(format!("'{entity_path}' names no configuration")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captured_entries_survive() {
        for captured in [
            &include_bytes!("../testdata/kafka_3_9_2/config.changes.config_change_0000000000")[..],
            include_bytes!("../testdata/kafka_3_9_2/config.changes.config_change_0000000001"),
            include_bytes!("../testdata/kafka_2_4_1/config.changes.config_change_0000000000"),
        ] {
            json::check_same_value(captured, &encode(&decode("config_change_0000000000", captured).unwrap()));
        }
    }

    #[test]
    fn version_one_names_topics_and_clients_only() {
        let decode = |text: &str| decode("config_change_0000000000", text.as_bytes());
        let topic = decode(r#"{"version":1,"entity_type":"topics","entity_name":"orders"}"#).unwrap();
        assert_eq!(topic, ConfigEntity::Topic("orders".into()));
        for bad in [
            r#"{"version":1,"entity_type":"users","entity_name":"alice"}"#,
            r#"{"version":1,"entity_type":"topics"}"#,
            r#"{"version":2}"#,
            r#"{"version":2,"entity_path":"groups/g"}"#,
            r#"{"version":3,"entity_path":"topics/orders"}"#,
        ] {
            assert!(decode(bad).is_err(), "{bad}");
        }
    }
}
