//! Settings that Kafka knows and Klamm does not honour yet. A start with one of them is refused: a broker that quietly
//! ignored `authorizer.class.name` would be an open one. Settings at their defaults are always fine, and so are those
//! that could not have an effect (`ssl.*` without an SSL listener).

use std::fmt;

use super::BrokerConfig;
use super::settings::Values;
use crate::broker_keys;
use crate::definition::Applies;
use crate::listener::SecurityProtocol;

/// A setting that cannot be honoured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsupported {
    /// The key.
    pub key: String,
    /// Its value.
    pub value: String,
    /// What is missing.
    pub why: &'static str,
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={} is not supported: {}", self.key, self.value, self.why)
    }
}

const PLUGIN: &str = "Klamm cannot load Java classes";
const NOT_BUILT: &str = "not built yet";

/// Keys that are refused with any value but their default (and but the one that means the same).
const REFUSED: &[(&str, &str, &str)] = &[
    ("alter.config.policy.class.name", "", PLUGIN),
    ("authorizer.class.name", "", "authorizers are not built yet"),
    ("client.quota.callback.class", "", PLUGIN),
    ("control.plane.listener.name", "", "a separate listener for the controller is not built yet"),
    ("create.topic.policy.class.name", "", PLUGIN),
    ("delegation.token.master.key", "", "delegation tokens are not built yet"),
    ("delegation.token.secret.key", "", "delegation tokens are not built yet"),
    ("kafka.metrics.reporters", "", PLUGIN),
    ("max.connection.creation.rate", "", NOT_BUILT),
    ("metric.reporters", "org.apache.kafka.common.metrics.JmxReporter", PLUGIN),
    ("principal.builder.class", "", PLUGIN),
    ("remote.log.storage.system.enable", "", "tiered storage is not built yet"),
    (
        "replica.selector.class",
        "org.apache.kafka.common.replica.LeaderSelector",
        "fetching from followers is not built yet",
    ),
    ("security.providers", "", PLUGIN),
    ("unstable.api.versions.enable", "", "no unfinished request versions are offered"),
    ("unstable.feature.versions.enable", "", "no unfinished feature versions are offered"),
    (
        "zookeeper.clientCnxnSocket",
        "org.apache.zookeeper.ClientCnxnSocketNIO",
        "TLS towards ZooKeeper is not built yet",
    ),
    ("zookeeper.metadata.migration.enable", "", "migration to KRaft is not built"),
    ("zookeeper.set.acl", "", "protecting znodes is not built yet"),
    ("zookeeper.ssl.client.enable", "", "TLS towards ZooKeeper is not built yet"),
];

impl BrokerConfig {
    /// All settings that cannot be honoured. Not empty: refuse the start and print each.
    pub fn unsupported(&self) -> Vec<Unsupported> {
        let texts = self.settings().effective();
        let Ok(values) = self.settings().values() else { return Vec::new() };
        let mut found: Vec<Unsupported> =
            REFUSED.iter().filter_map(|(name, harmless, why)| refused(&values, name, harmless, why)).collect();
        found.extend(texts.iter().filter_map(|(name, value)| refused_for_a_listener(name, value)));
        if let Some(value) = texts.get("config.providers").filter(|value| !value.trim().is_empty()) {
            let why = "configuration providers are not built yet";
            found.push(Unsupported { key: "config.providers".to_owned(), value: (*value).to_owned(), why });
        }
        found.extend(self.secured_listeners());
        found
    }

    /// Keys that are set and, as in Kafka, mean nothing in ZooKeeper mode; the caller warns about them once.
    pub fn without_effect(&self) -> Vec<&str> {
        let kraft = |name: &str| broker_keys::find(name).is_some_and(|key| key.applies == Applies::Kraft);
        self.settings().statics.iter().map(|(name, _)| name).filter(|name| kraft(name)).collect()
    }

    /// What to tell of a `log.message.format.version` that counts for nothing, in Kafka's words.
    pub fn message_format_warning(&self) -> Option<String> {
        let texts = self.settings().effective();
        let (text, between) = (texts.get("log.message.format.version")?, self.replication.protocol_version);
        let is_old = text.parse().is_ok_and(|version: crate::MetadataVersion| version.record_version() < 2);
        (is_old && between.ignores_message_format()).then(|| {
            format!(
                "Broker configuration log.message.format.version with value {text} is ignored because the inter-broker \
                 protocol version `{between}` is greater or equal than 3.0. This configuration is deprecated and it will be \
                 removed in Apache Kafka 4.0."
            )
        })
    }

    fn secured_listeners(&self) -> impl Iterator<Item = Unsupported> {
        let secured = self.network.listeners.iter().filter(|each| each.protocol != SecurityProtocol::Plaintext);
        secured.map(|listener| Unsupported {
            key: "listeners".to_owned(),
            value: listener.to_string(),
            why: match listener.protocol {
                SecurityProtocol::Ssl => "SSL listeners are not built yet",
                _ => "SASL listeners are not built yet",
            },
        })
    }
}

fn refused(values: &Values, name: &str, harmless: &str, why: &'static str) -> Option<Unsupported> {
    let value = values.get(name)?.to_string();
    let default = broker_keys::find(name).and_then(|key| key.default).unwrap_or("");
    let fine = value == default || value == harmless || value.is_empty();
    (!fine).then(|| Unsupported { key: name.to_owned(), value, why })
}

/// The same keys with the prefix of a listener.
fn refused_for_a_listener(name: &str, value: &str) -> Option<Unsupported> {
    let key = broker_keys::base_name(name)?;
    let (_, harmless, why) = REFUSED.iter().find(|(refused, ..)| *refused == key)?;
    let default = broker_keys::find(key).and_then(|key| key.default).unwrap_or("");
    let fine = [default, harmless, ""].contains(&value);
    (!fine).then(|| Unsupported { key: name.to_owned(), value: value.to_owned(), why })
}
