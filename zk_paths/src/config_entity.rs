//! `/config/<type>/<name>`: dynamic configuration of topics, brokers, users, clients and ips.
//!
//! A user's and a client's name is percent-encoded in the path, the default entity is literally `<default>`. The data
//! is a map of strings; a missing node and null data mean "nothing set".

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::entity_name::{desanitize, sanitize};
use crate::ids::BrokerId;
use crate::{MalformedZnode, json};

/// How the default entity is spelled in paths.
pub const DEFAULT: &str = "<default>";

/// One user, client or ip, or the default for those without an entry of their own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Entity {
    /// The default entity.
    Default,
    /// The decoded name.
    Named(String),
}

/// Whose configuration a node holds. Prints as the part of the path below `/config/`, which is what change entries carry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConfigEntity {
    /// `topics/<name>`
    Topic(String),
    /// `brokers/<id>`; `None` is the cluster-wide default.
    Broker(Option<BrokerId>),
    /// `clients/<client>`
    Client(Entity),
    /// `users/<user>`
    User(Entity),
    /// `users/<user>/clients/<client>`
    UserClient(Entity, Entity),
    /// `ips/<ip>`, since 2.8
    Ip(Entity),
}

impl Entity {
    fn encode(&self) -> String {
        match self {
            Entity::Default => DEFAULT.into(),
            Entity::Named(name) => sanitize(name),
        }
    }

    fn decode(text: &str) -> Option<Entity> {
        match text {
            "" => None,
            DEFAULT => Some(Entity::Default),
            other => desanitize(other).map(Entity::Named),
        }
    }
}

impl fmt::Display for ConfigEntity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigEntity::Topic(topic) => write!(f, "topics/{topic}"),
            ConfigEntity::Broker(None) => write!(f, "brokers/{DEFAULT}"),
            ConfigEntity::Broker(Some(id)) => write!(f, "brokers/{id}"),
            ConfigEntity::Client(client) => write!(f, "clients/{}", client.encode()),
            ConfigEntity::User(user) => write!(f, "users/{}", user.encode()),
            ConfigEntity::UserClient(user, client) => write!(f, "users/{}/clients/{}", user.encode(), client.encode()),
            ConfigEntity::Ip(ip) => write!(f, "ips/{}", ip.encode()),
        }
    }
}

impl ConfigEntity {
    /// The node's path.
    pub fn path(&self) -> String {
        format!("/config/{self}")
    }

    /// Reads what [`ConfigEntity`] prints; `None` for anything else.
    pub fn parse(entity_path: &str) -> Option<ConfigEntity> {
        let parts: Vec<&str> = entity_path.split('/').collect();
        Some(match parts[..] {
            ["topics", topic] if !topic.is_empty() => ConfigEntity::Topic(topic.into()),
            ["brokers", DEFAULT] => ConfigEntity::Broker(None),
            ["brokers", id] => ConfigEntity::Broker(Some(BrokerId(id.parse().ok()?))),
            ["clients", client] => ConfigEntity::Client(Entity::decode(client)?),
            ["users", user] => ConfigEntity::User(Entity::decode(user)?),
            ["users", user, "clients", client] => {
                ConfigEntity::UserClient(Entity::decode(user)?, Entity::decode(client)?)
            }
            ["ips", ip] => ConfigEntity::Ip(Entity::decode(ip)?),
            _ => return None,
        })
    }
}

/// The document for a set of values.
pub fn encode(config: &BTreeMap<String, String>) -> Vec<u8> {
    json::to_bytes(&json!({"version": 1, "config": config}))
}

/// The values in the node of `entity`. Null data, or a document without `config`, is an empty configuration, as in Kafka.
pub fn decode(entity: &ConfigEntity, bytes: &[u8]) -> Result<BTreeMap<String, String>, MalformedZnode> {
    #[derive(Deserialize)]
    struct Document {
        #[serde(default)]
        config: BTreeMap<String, Value>,
    }
    if bytes.is_empty() {
        return Ok(BTreeMap::new());
    }
    let document: Document = json::parse(&entity.path(), bytes)?;
    let strings = document.config.into_iter().map(|(key, value)| match value {
        Value::String(text) => Ok((key, text)),
        other => Err(MalformedZnode::new(entity.path(), format!("{key} is {other}, not a string"))),
    });
    strings.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Entity {
        Entity::Named(name.into())
    }

    #[test]
    fn paths_lead_to_entities_and_back() {
        for (entity, path) in [
            (ConfigEntity::Topic("orders".into()), "/config/topics/orders"),
            (ConfigEntity::Broker(None), "/config/brokers/<default>"),
            (ConfigEntity::Broker(Some(BrokerId(7))), "/config/brokers/7"),
            (ConfigEntity::Client(named("a b")), "/config/clients/a%20b"),
            (ConfigEntity::User(Entity::Default), "/config/users/<default>"),
            (ConfigEntity::User(named("<default>")), "/config/users/%3Cdefault%3E"),
            (
                ConfigEntity::UserClient(named("User with blank*"), named("c/1")),
                "/config/users/User%20with%20blank%2A/clients/c%2F1",
            ),
            (ConfigEntity::Ip(named("10.0.0.1")), "/config/ips/10.0.0.1"),
        ] {
            assert_eq!(entity.path(), path);
            assert_eq!(ConfigEntity::parse(&entity.to_string()), Some(entity));
        }
        for bad in ["", "topics", "topics/", "brokers/x", "users/a/b", "users/%", "groups/g", "topics/a/b"] {
            assert_eq!(ConfigEntity::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn captured_configs_survive() {
        for (entity, captured) in [
            ("topics/orders", &include_bytes!("../testdata/kafka_3_9_2/config.topics.orders")[..]),
            ("topics/orders", include_bytes!("../testdata/kafka_2_4_1/config.topics.orders")),
            ("brokers/<default>", include_bytes!("../testdata/kafka_3_9_2/config.brokers._default_")),
            ("users/<default>", include_bytes!("../testdata/kafka_3_9_2/config.users._default_")),
            ("users/x/clients/y", include_bytes!("../testdata/kafka_3_9_2/config.users.User_with_blank_.clients.c_1")),
            ("clients/a%20b", include_bytes!("../testdata/kafka_2_4_1/config.clients.a_b")),
        ] {
            let entity = ConfigEntity::parse(entity).unwrap();
            let config = decode(&entity, captured).unwrap();
            assert_eq!(config.len(), 1);
            json::check_same_value(captured, &encode(&config));
        }
    }

    #[test]
    fn nothing_set_is_an_empty_map_and_numbers_are_refused() {
        let topic = ConfigEntity::Topic("orders".into());
        assert!(decode(&topic, b"").unwrap().is_empty());
        assert!(decode(&topic, br#"{"version":1}"#).unwrap().is_empty());
        let err = decode(&topic, br#"{"version":1,"config":{"retention.ms":5}}"#).unwrap_err();
        assert_eq!(err.to_string(), "znode /config/topics/orders cannot be read: retention.ms is 5, not a string");
    }
}
