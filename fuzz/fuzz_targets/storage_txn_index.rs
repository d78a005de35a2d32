//! The index of aborted transactions.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| storage::txn_index::fuzz(bytes));
