//! A response frame, of any API and version, as our clients and the controller read it.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| wire::fuzz_response(bytes));
