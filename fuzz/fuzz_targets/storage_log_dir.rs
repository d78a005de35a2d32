//! All files of a partition's directory at once: loaded, read, appended to, truncated.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| storage::fuzz::log_dir(bytes));
