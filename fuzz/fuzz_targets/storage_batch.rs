//! Record batches of every format, as they come in Produce requests and from segments.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| storage::batch::fuzz(bytes));
