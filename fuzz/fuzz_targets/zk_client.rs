//! A frame from a ZooKeeper server, as the broker reads it.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| klamm::zk::fuzz(bytes));
