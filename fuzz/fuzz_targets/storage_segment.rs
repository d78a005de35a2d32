//! Segments, whole files: loaded after clean and unclean stops, read, appended to, truncated.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| storage::fuzz::segment(bytes));
