//! A transaction from the log of the embedded server.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| zk_server::txn::fuzz(bytes));
