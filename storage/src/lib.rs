//! Record batches, segments, indexes, logs: Kafka's data directory.
//!
//! Synchronous: nothing here awaits, starts a thread or keeps time by itself (loading and the clean stop excepted, which
//! use threads that end with the call). What has to happen in the background is a function that a shell calls.
//! Nothing that is read from disk is believed without a check, and nothing read from disk can panic.
//!
//! In reading order: [`batch`] and [`compression`], what a segment holds; [`log`], one partition; [`log_manager`],
//! all of them in their directories; [`recovery`], how they are opened; then the small files.

mod access;
mod be;
mod crc;

pub mod batch;
pub mod compression;
mod legacy;
pub mod memory;

mod entry_file;
mod offset_index;
pub mod scan;
mod segment;
mod time_index;
pub mod txn_index;

pub mod cleaner;
pub mod convert;
pub mod log;
pub mod log_config;
pub mod log_manager;
mod log_path;
pub mod producer_state;
mod ready;
pub mod retention;
mod tail;
pub mod validate;

pub mod recovery;

pub mod checkpoint;
pub mod clean_shutdown;
pub mod error;
pub mod file_name;
pub mod fuzz;
pub mod health;
mod leader_epoch_cache;
pub mod meta_properties;
pub mod partition_metadata;
pub mod producer_snapshot;

pub use error::StorageError;
pub use log::LogStartError;
pub use log::{DueFlush, FetchSlice, Fetched, LoadHints, Log, LogAppendInfo, LogContext, ReadError, TimestampOffset};
pub use log_config::{LogConfig, TopicCompression};
pub use log_manager::{LogManager, LogManagerConfig, StartError};
pub use producer_state::AppendOrigin;
pub use recovery::LoadProgress;
pub use validate::{AppendError, RecordError};
