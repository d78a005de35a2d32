//! What is wrong with a configuration, in Kafka's words (`ConfigException`).

use std::fmt;

use thiserror::Error;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// The text of a file is not in the properties format.
    #[error("{origin}: {reason}")]
    Syntax {
        /// File and line.
        origin: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An `--override` is not `key=value`.
    #[error("Invalid override '{0}': expected key=value")]
    Override(String),
    /// A value that its key does not allow.
    #[error("Invalid value {value} for configuration {key}: {reason}")]
    Value {
        /// The key.
        key: String,
        /// What was given; hidden for passwords.
        value: String,
        /// What is allowed.
        reason: String,
    },
    /// A topic key that does not exist.
    #[error("Unknown topic config name: {0}")]
    UnknownTopicKey(String),
    /// A feature that is off on this broker.
    #[error("{0}")]
    Disabled(String),
    /// Values that are fine one by one and not together.
    #[error("{0}")]
    Conflict(String),
}

/// All that is wrong, one per line when printed. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

impl From<ConfigError> for ConfigErrors {
    fn from(error: ConfigError) -> ConfigErrors {
        ConfigErrors(vec![error])
    }
}
