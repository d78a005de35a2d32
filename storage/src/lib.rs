//! Record batches, segments, indexes, logs: Kafka's data directory.

mod be;
mod entry_file;

pub mod batch;
pub mod checkpoint;
pub mod clean_shutdown;
pub mod compression;
pub mod error;
pub mod file_name;
mod leader_epoch_cache;
mod legacy;
pub mod log_config;
pub mod meta_properties;
mod offset_index;
pub mod partition_metadata;
pub mod producer_snapshot;
pub mod producer_state;
mod time_index;
pub mod txn_index;
