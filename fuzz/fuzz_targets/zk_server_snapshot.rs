//! A snapshot of the embedded server.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| zk_server::snapshot::fuzz(bytes));
