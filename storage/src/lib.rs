//! Record batches, segments, indexes, logs: Kafka's data directory.

mod be;

pub mod batch;
pub mod compression;
mod legacy;
