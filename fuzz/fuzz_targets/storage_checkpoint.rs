//! The checkpoint files: recovery points, high watermarks, leader epochs.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| storage::checkpoint::fuzz(bytes));
