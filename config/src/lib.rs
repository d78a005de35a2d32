//! Kafka's configuration: one table row per key, and typed views of it.
//!
//! Reading order: [`definition`] says what a row is, [`broker_keys`], [`topic_keys`] and [`quota_keys`] are the tables,
//! [`value`] parses and checks one value against its row. [`properties`] reads files and overrides, [`broker`] is what a
//! broker runs with, [`topic`] what a log runs with, [`describe`] what DescribeConfigs answers and [`mod@reference`] the page
//! `docs/configuration.md`. All of them work from the tables; no default is written down anywhere else.
//!
//! Nothing here reads a file or a clock, and nothing decides what a setting does: only what it may be.

pub mod broker;
pub mod broker_keys;
pub mod definition;
pub mod describe;
pub mod error;
mod fuzz;
pub mod listener;
pub mod metadata_version;
pub mod properties;
pub mod quota_keys;
pub mod reference;
pub mod topic;
pub mod topic_keys;
pub mod value;

pub use broker::BrokerConfig;
pub use error::{ConfigError, ConfigErrors};
pub use fuzz::fuzz;
pub use listener::{Listener, SecurityProtocol};
pub use metadata_version::MetadataVersion;
pub use properties::Properties;
pub use topic::{TopicConfig, TopicDefaults};
