//! A request frame, of any API and version, as the broker reads it.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| wire::fuzz_request(bytes));
