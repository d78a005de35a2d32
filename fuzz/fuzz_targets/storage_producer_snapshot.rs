//! Snapshots of producer state.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| storage::producer_snapshot::fuzz(bytes));
