//! One frame from a ZooKeeper client, as the embedded server decodes it.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| zk_server::proto::fuzz(bytes));
