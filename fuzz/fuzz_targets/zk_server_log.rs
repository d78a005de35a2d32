//! A log file of the embedded server.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| zk_server::txn_log::fuzz(bytes));
