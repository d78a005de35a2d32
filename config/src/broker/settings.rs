//! The texts behind a broker's configuration in their layers, and what they parse to.
//!
//! Order: dynamic for this broker > dynamic for all > static > default. A value set in a higher layer hides its synonyms
//! in lower ones (`log.retention.ms` set dynamically wins over `log.retention.hours` in the file).

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use crate::broker_keys::{self, BROKER_KEYS};
use crate::error::ConfigError;
use crate::properties::Properties;
use crate::value::{Secret, Value};

/// The layers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// The file with its overrides.
    pub statics: Properties,
    /// `/config/brokers/<default>`.
    pub dynamic_default: Properties,
    /// `/config/brokers/<id>`.
    pub dynamic_broker: Properties,
}

impl Settings {
    /// Starts with the static layer. `broker.id` and `node.id` are one setting under two names.
    pub fn new(mut statics: Properties) -> Settings {
        for (name, other) in [("broker.id", "node.id"), ("node.id", "broker.id")] {
            if statics.get(name).is_none() && statics.get(other).is_some() {
                statics.copy(other, name);
            }
        }
        Settings { statics, ..Settings::default() }
    }

    /// All texts that are in force, by key.
    pub fn effective(&self) -> BTreeMap<&str, &str> {
        let mut texts: BTreeMap<&str, &str> = self.statics.iter().collect();
        for layer in [&self.dynamic_default, &self.dynamic_broker] {
            for (name, text) in layer.iter() {
                for synonym in broker_keys::synonyms(name) {
                    texts.remove(synonym);
                }
                texts.insert(name, text);
            }
        }
        texts
    }

    /// Keys in the static layer that no table knows. Plugins may read such keys, so that they are no error; the caller
    /// warns about them once.
    pub fn unknown(&self) -> Vec<&str> {
        let known = |name: &str| broker_keys::find(broker_keys::base_name(name).unwrap_or(name)).is_some();
        self.statics.iter().map(|(name, _)| name).filter(|name| !known(name)).collect()
    }

    /// Parses every known key; all errors at once, each with the place that the value came from.
    pub fn values(&self) -> Result<Values, Vec<ConfigError>> {
        let texts = self.effective();
        let mut values = HashMap::new();
        let mut errors = Vec::new();
        for key in BROKER_KEYS {
            let Some(text) = texts.get(key.name).copied().or(key.default) else { continue };
            match Value::parse(key, text) {
                Ok(value) => drop(values.insert(key.name, value)),
                Err(error) => errors.push(self.with_origin(error)),
            }
        }
        for (name, text) in &texts {
            if let Some(key) = broker_keys::base_name(name).and_then(broker_keys::find)
                && let Err(ConfigError::Value { value, reason, .. }) = Value::parse(key, text)
            {
                errors.push(self.with_origin(ConfigError::Value { key: (*name).to_owned(), value, reason }));
            }
        }
        if errors.is_empty() { Ok(Values(values)) } else { Err(errors) }
    }

    fn with_origin(&self, error: ConfigError) -> ConfigError {
        match error {
            ConfigError::Value { key, value, reason } => {
                let reason = match self.statics.origin(&key) {
                    Some(origin) => format!("{reason} ({origin})"),
                    None => reason,
                };
                ConfigError::Value { key, value, reason }
            }
            other => other,
        }
    }
}

/// Parsed values by key; a key whose value is Kafka's `null` is absent.
///
/// Asking for a name or a type that the table does not have is a mistake in this crate and panics; building one
/// [`crate::BrokerConfig`] from defaults asks for all of them, so that a test finds such a mistake.
#[derive(Debug, Clone)]
pub struct Values(HashMap<&'static str, Value>);

impl Values {
    /// The value, `None` for `null`.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// A flag.
    pub fn bool(&self, name: &str) -> bool {
        match self.get(name) {
            Some(Value::Bool(value)) => *value,
            _ => panic!("no boolean {name} in the table"),
        }
    }

    /// An int, a short or a long.
    pub fn number(&self, name: &str) -> i64 {
        self.optional_number(name).unwrap_or_else(|| panic!("no number {name} in the table"))
    }

    /// As [`Values::number`], `None` for `null`.
    pub fn optional_number(&self, name: &str) -> Option<i64> {
        match self.get(name) {
            Some(Value::Int(value)) => Some(i64::from(*value)),
            Some(Value::Long(value)) => Some(*value),
            _ => None,
        }
    }

    /// An int that may be negative.
    pub fn int(&self, name: &str) -> i32 {
        match self.get(name) {
            Some(Value::Int(value)) => *value,
            _ => panic!("no int {name} in the table"),
        }
    }

    /// A count or a size that fits 32 bits; a negative one counts as 0.
    pub fn u32(&self, name: &str) -> u32 {
        self.int(name).max(0) as u32
    }

    /// A count; a negative one counts as 0.
    pub fn usize(&self, name: &str) -> usize {
        self.number(name).max(0) as usize
    }

    /// A size in bytes; a negative one counts as 0.
    pub fn bytes(&self, name: &str) -> u64 {
        self.number(name).max(0) as u64
    }

    /// A size in bytes; a negative one means "no limit".
    pub fn limit(&self, name: &str) -> Option<u64> {
        u64::try_from(self.number(name)).ok()
    }

    /// A double.
    pub fn double(&self, name: &str) -> f64 {
        match self.get(name) {
            Some(Value::Double(value)) => *value,
            _ => panic!("no double {name} in the table"),
        }
    }

    /// Milliseconds; a negative time counts as 0.
    pub fn millis(&self, name: &str) -> Duration {
        Duration::from_millis(self.bytes(name))
    }

    /// Seconds; a negative time counts as 0.
    pub fn seconds(&self, name: &str) -> Duration {
        Duration::from_secs(self.bytes(name))
    }

    /// A text; `None` for `null`.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Some(Value::Text(value)) => Some(value),
            _ => None,
        }
    }

    /// A list; `null` counts as empty.
    pub fn list(&self, name: &str) -> &[String] {
        match self.get(name) {
            Some(Value::List(values)) => values,
            _ => &[],
        }
    }

    /// A password; `None` for `null`.
    pub fn password(&self, name: &str) -> Option<&Secret> {
        match self.get(name) {
            Some(Value::Password(secret)) => Some(secret),
            _ => None,
        }
    }
}
