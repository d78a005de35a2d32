//! Klamm, the broker for Kafka clusters that live on ZooKeeper.

pub mod assembly;
mod background;
pub mod broker;
mod by_topic;
pub mod cli;
pub mod controller_runner;
pub mod error_mapping;
pub mod finalized_features;
pub mod group;
pub mod handlers;
pub mod identity;
pub mod links;
pub mod local_broker;
mod locks;
pub mod logging;
pub mod metadata_cache;
pub mod net;
mod open_files;
pub mod producer_ids;
pub mod quickstart;
pub mod replica;
pub mod server;
pub mod topic_admin;
pub mod topic_configs;
pub mod topic_names;
pub mod topic_settings;
pub mod zk;
