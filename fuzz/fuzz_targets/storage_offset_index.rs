//! Offset indexes, whole files: looked up, cut, extended.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| storage::fuzz::offset_index(bytes));
