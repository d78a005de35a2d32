//! meta.properties of a log directory.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| storage::meta_properties::fuzz(bytes));
