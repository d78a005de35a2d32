//! Klamm, the broker for Kafka clusters that live on ZooKeeper.

pub mod controller_runner;
pub mod group;
pub mod identity;
pub mod metadata_cache;
pub mod net;
pub mod producer_ids;
pub mod topic_admin;
pub mod topic_configs;
pub mod topic_names;
pub mod zk;
