//! Proof that wire's bytes are Kafka's: against `kafka-protocol` and against the message definitions of kafka-clients.
//!
//! Everything lives in `tests/`. A crate of its own, because compiling `kafka-protocol` takes half a minute that only
//! these tests should pay.
