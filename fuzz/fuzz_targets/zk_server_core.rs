//! A sequence of frames, as the embedded server carries them out.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| zk_server::core::fuzz(bytes));
