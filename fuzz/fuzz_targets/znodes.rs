//! The data of each znode.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| zk_paths::fuzz(bytes));
