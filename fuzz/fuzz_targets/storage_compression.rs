//! Compressed records, in every codec and framing.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| storage::compression::fuzz(bytes));
