//! Batches on their way into a log of any format and codec, and out of it for old consumers.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| storage::convert::fuzz(bytes));
