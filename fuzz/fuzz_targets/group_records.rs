//! Records of `__consumer_offsets`, and subscriptions of consumers.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| klamm::group::records::fuzz(bytes));
