//! partition.metadata of a log.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| storage::partition_metadata::fuzz(bytes));
