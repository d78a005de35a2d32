//! A server.properties, from its syntax to its values.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| config::fuzz(bytes));
