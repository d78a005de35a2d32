//! A client's answer to the embedded server's DIGEST-MD5 challenge.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| zk_server::sasl::fuzz(bytes));
