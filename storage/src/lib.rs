//! Record batches, segments, indexes, logs: Kafka's data directory.

mod be;
mod entry_file;

pub mod batch;
pub mod compression;
pub mod error;
pub mod file_name;
mod legacy;
mod offset_index;
mod time_index;
pub mod txn_index;
