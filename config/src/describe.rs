//! What DescribeConfigs says about a broker or a topic (`ConfigHelper`): every key with its value, where that comes
//! from, and the other settings that would step in, the strongest first.

use std::collections::{BTreeMap, BTreeSet};

use crate::BrokerConfig;
use crate::broker::settings::Settings;
use crate::broker_keys::{self, BROKER_KEYS};
use crate::definition::{Key, Scope};
use crate::error::ConfigErrors;
use crate::quota_keys::{self, Entity};
use crate::topic::TopicDefaults;
use crate::topic_keys::{self, TOPIC_KEYS, TopicKey};
use crate::value::Value;

/// One key as it is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// The key.
    pub name: String,
    /// The value; `None` for Kafka's `null` and for anything sensitive.
    pub value: Option<String>,
    /// Where it comes from.
    pub source: Source,
    /// Whether the value is hidden.
    pub sensitive: bool,
    /// Whether it can change only with a restart.
    pub read_only: bool,
    /// All settings that decide it, the strongest first.
    pub synonyms: Vec<Synonym>,
    /// Kafka's number for the type; 0 for a key that no table knows.
    pub config_type: i8,
    /// One line; empty for a key that no table knows.
    pub documentation: &'static str,
}

/// A setting that decides a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Synonym {
    /// The key.
    pub name: String,
    /// Its text; `None` when sensitive.
    pub value: Option<String>,
    /// Where it comes from.
    pub source: Source,
}

/// Where a value comes from, with Kafka's numbers (`DescribeConfigsResponse.ConfigSource`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i8)]
pub enum Source {
    /// DYNAMIC_TOPIC_CONFIG: the topic's own.
    Topic = 1,
    /// DYNAMIC_BROKER_CONFIG.
    DynamicBroker = 2,
    /// DYNAMIC_DEFAULT_BROKER_CONFIG.
    DynamicDefaultBroker = 3,
    /// STATIC_BROKER_CONFIG: `server.properties`.
    StaticBroker = 4,
    /// DEFAULT_CONFIG.
    Default = 5,
}

impl Source {
    /// Kafka's number, as on the wire.
    pub fn id(self) -> i8 {
        self as i8
    }
}

impl BrokerConfig {
    /// Describes this broker: every key that is not internal, and everything that is set. Sorted by name.
    pub fn describe(&self) -> Vec<Described> {
        let texts = self.settings().effective();
        let listed = BROKER_KEYS.iter().filter(|key| !key.internal).map(|key| key.name);
        let names: BTreeSet<&str> = listed.chain(texts.keys().copied()).collect();
        let text_of = |name: &str| texts.get(name).copied().or_else(|| row(name).and_then(|key| key.default));
        names.into_iter().map(|name| describe_broker_key(self.settings(), name, text_of(name))).collect()
    }

    /// Describes the dynamic defaults of all brokers: what `/config/brokers/<default>` holds, and no more.
    pub fn describe_dynamic_default(&self) -> Vec<Described> {
        let described = |(name, text)| {
            let mut entry = describe_broker_key(self.settings(), name, Some(text));
            entry.synonyms.retain(|synonym| synonym.source == Source::DynamicDefaultBroker);
            entry.source = entry.synonyms.first().map_or(Source::Default, |synonym| synonym.source);
            entry
        };
        self.settings().dynamic_default.iter().map(described).collect()
    }

    /// Describes a topic with these settings of its own. Sorted by name. An error when one of them is wrong.
    pub fn describe_topic(&self, overrides: &BTreeMap<String, String>) -> Result<Vec<Described>, ConfigErrors> {
        let mut entries = BTreeMap::new();
        for row in TOPIC_KEYS {
            let entry = describe_topic_key(self.settings(), &self.topic_defaults, row, overrides.get(row.key.name))?;
            entries.insert(row.key.name, entry);
        }
        let custom = overrides.keys().filter(|name| topic_keys::find(name).is_none());
        let custom = custom.map(|name| unknown_key(name, Source::Topic));
        let mut entries: Vec<Described> = entries.into_values().chain(custom).collect();
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(entries)
    }
}

/// A key that no table knows: its value might be a secret, so that it is never shown.
fn unknown_key(name: &str, source: Source) -> Described {
    Described {
        name: name.to_owned(),
        value: None,
        source,
        sensitive: true,
        read_only: false,
        synonyms: vec![Synonym { name: name.to_owned(), value: None, source }],
        config_type: 0,
        documentation: "",
    }
}

fn row(name: &str) -> Option<&'static Key> {
    let base = broker_keys::base_name(name).unwrap_or(name);
    broker_keys::find(base).or_else(|| quota_keys::find(Entity::Broker, name))
}

fn describe_broker_key(settings: &Settings, name: &str, text: Option<&str>) -> Described {
    let key = row(name);
    let sensitive = key.is_none_or(Key::is_sensitive);
    let synonyms = broker_synonyms(settings, name, sensitive);
    // Names with a listener prefix count as read-only there, although they can be changed (ConfigHelper).
    let read_only = broker_keys::find(name).is_none_or(|key| key.scope == Scope::ReadOnly);
    Described {
        name: name.to_owned(),
        value: if sensitive { None } else { text.map(|text| printed(key, text)) },
        source: synonyms.first().map_or(Source::Default, |synonym| synonym.source),
        sensitive,
        read_only,
        synonyms,
        config_type: key.map_or(0, |key| key.kind.config_type()),
        documentation: key.map_or("", |key| key.doc),
    }
}

/// A text as its parsed value prints.
fn printed(key: Option<&'static Key>, text: &str) -> String {
    key.and_then(|key| Value::parse(key, text).ok()).map_or_else(|| text.to_owned(), |value| value.to_string())
}

/// All settings that decide a broker key, the strongest first. Those before the key's own first appearance are left out:
/// they belong to a listener or to a finer unit (`configSynonyms`).
fn broker_synonyms(settings: &Settings, name: &str, sensitive: bool) -> Vec<Synonym> {
    let mut names = broker_keys::synonyms(name).to_vec();
    if names.is_empty() {
        names.push(name);
        names.extend(broker_keys::base_name(name));
    }
    let layers = [
        (Source::DynamicBroker, &settings.dynamic_broker),
        (Source::DynamicDefaultBroker, &settings.dynamic_default),
        (Source::StaticBroker, &settings.statics),
    ];
    let entry = |name: &str, text: &str, source| Synonym {
        name: name.to_owned(),
        value: (!sensitive).then(|| text.to_owned()),
        source,
    };
    let set = layers.iter().flat_map(|(source, layer)| {
        names.iter().filter_map(|name| layer.get(name).map(|text| entry(name, text, *source)))
    });
    let defaults =
        names.iter().filter_map(|name| Some(entry(name, broker_keys::find(name)?.default?, Source::Default)));
    set.chain(defaults).skip_while(|synonym| synonym.name != name).collect()
}

fn describe_topic_key(
    settings: &Settings,
    defaults: &TopicDefaults,
    row: &TopicKey,
    own: Option<&String>,
) -> Result<Described, ConfigErrors> {
    let value = match own {
        Some(text) => Value::parse(&row.key, text)?.to_string(),
        None => defaults.text(row.key.name),
    };
    let of_broker = row.server_defaults.first().map(|name| broker_synonyms(settings, name, false));
    let mut synonyms = of_broker.unwrap_or_default();
    if own.is_some() {
        let own = Synonym { name: row.key.name.to_owned(), value: Some(value.clone()), source: Source::Topic };
        synonyms.insert(0, own);
    }
    Ok(Described {
        name: row.key.name.to_owned(),
        value: Some(value),
        source: synonyms.first().map_or(Source::Default, |synonym| synonym.source),
        sensitive: false,
        read_only: false,
        synonyms,
        config_type: row.key.kind.config_type(),
        documentation: row.key.doc,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Properties;

    fn broker(settings: &[(&str, &str)]) -> BrokerConfig {
        let base = [("zookeeper.connect", "localhost:2181")];
        BrokerConfig::new(base.iter().chain(settings).copied().collect::<Properties>()).unwrap()
    }

    /// `value source | synonym=value:source …` of one key.
    fn line(entries: &[Described], name: &str) -> String {
        let entry = entries.iter().find(|entry| entry.name == name).unwrap();
        let synonyms: Vec<String> = entry
            .synonyms
            .iter()
            .map(|each| format!("{}={}:{}", each.name, each.value.as_deref().unwrap_or("null"), each.source.id()))
            .collect();
        let value = entry.value.as_deref().unwrap_or("null");
        format!("{value} {} | {}", entry.source.id(), synonyms.join(" "))
    }

    #[test]
    fn brokers_are_described_as_kafka_does() {
        let config = broker(&[
            ("broker.id", "3"),
            ("log.retention.hours", "24"),
            ("ssl.key.password", "hunter2"),
            ("my.plugin.secret", "x"),
            ("advertised.listeners", " PLAINTEXT://h:1 "),
        ]);
        let dynamic = config
            .with_dynamic(
                [("num.io.threads", "9")].into_iter().collect(),
                [("num.io.threads", "10")].into_iter().collect(),
            )
            .unwrap();
        let entries = dynamic.describe();
        for (name, want) in [
            ("num.io.threads", "10 2 | num.io.threads=10:2 num.io.threads=9:3 num.io.threads=8:5"),
            ("broker.id", "3 4 | broker.id=3:4 broker.id=-1:5"),
            ("node.id", "3 4 | node.id=3:4 node.id=-1:5"),
            ("log.retention.ms", "null 5 | "),
            ("log.retention.hours", "24 4 | log.retention.hours=24:4 log.retention.hours=168:5"),
            ("ssl.key.password", "null 4 | ssl.key.password=null:4"),
            ("my.plugin.secret", "null 4 | my.plugin.secret=null:4"),
            ("log.cleanup.policy", "delete 5 | log.cleanup.policy=delete:5"),
        ] {
            assert_eq!(line(&entries, name), want, "{name}");
        }
        assert!(!entries.iter().any(|entry| entry.name == "unstable.api.versions.enable"), "internal");
        assert_eq!(entries.iter().filter(|entry| !entry.read_only).count(), 52 + 37);
        let defaults = dynamic.describe_dynamic_default();
        assert_eq!(defaults.len(), 1);
        assert_eq!(line(&defaults, "num.io.threads"), "9 3 | num.io.threads=9:3");
    }

    #[test]
    fn topics_are_described_as_kafka_does() {
        let config = broker(&[("log.retention.hours", "24"), ("log.segment.bytes", "1000")]);
        let own = [("retention.ms", "5"), ("strange", "1")];
        let own = own.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        let entries = config.describe_topic(&own).unwrap();
        for (name, want) in [
            ("retention.ms", "5 1 | retention.ms=5:1"),
            ("segment.bytes", "1000 4 | log.segment.bytes=1000:4 log.segment.bytes=1073741824:5"),
            ("segment.ms", "604800000 5 | "),
            ("leader.replication.throttled.replicas", " 5 | "),
            ("message.format.version", "3.0-IV1 5 | log.message.format.version=3.0-IV1:5"),
            ("min.cleanable.dirty.ratio", "0.5 5 | log.cleaner.min.cleanable.ratio=0.5:5"),
            ("strange", "null 1 | strange=null:1"),
        ] {
            assert_eq!(line(&entries, name), want, "{name}");
        }
        assert_eq!(line(&config.describe_topic(&BTreeMap::new()).unwrap(), "retention.ms"), "86400000 5 | ");
    }
}
