//! Kafka's znodes: one file per path with its typed record and each version's encoding, and [`ids`], the words that
//! all crates share.
//!
//! Nothing here talks to ZooKeeper: a record goes to bytes and back, and that is all. Readers ignore unknown keys and
//! never panic; a znode that cannot be read is a [`MalformedZnode`], which names the path and what is wrong with it.
//! Paths are below the chroot. Absent here: ACL and delegation token nodes (they come with their features).

pub mod broker_ids;
pub mod broker_registration;
pub mod broker_sequence_id;
pub mod cluster_id;
pub mod config_change;
pub mod config_entity;
pub mod consumer_offset;
pub mod controller;
pub mod controller_epoch;
pub mod delete_topics;
pub mod entity_name;
pub mod feature;
mod fuzz;
pub mod ids;
pub mod isr_change_notification;
mod json;
pub mod log_dir_event_notification;
pub mod partition_state;
pub mod persistent_paths;
pub mod preferred_replica_election;
pub mod producer_id_block;
pub mod reassign_partitions;
pub mod sequence_node;
pub mod topic;

pub use fuzz::fuzz;

/// A znode holds what Kafka never writes there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("znode {path} cannot be read: {problem}")]
pub struct MalformedZnode {
    /// The path below the chroot.
    pub path: String,
    /// What is wrong, in words.
    pub problem: String,
}

impl MalformedZnode {
    /// Says what is wrong with the data at `path`.
    pub fn new(path: impl Into<String>, problem: impl ToString) -> MalformedZnode {
        MalformedZnode { path: path.into(), problem: problem.to_string() }
    }
}
