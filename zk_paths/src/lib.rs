//! Kafka's znodes: one file per path with its typed record and each version's encoding, and [`ids`], the words that
//! all crates share.
//!
//! Nothing here talks to ZooKeeper: a record goes to bytes and back, and that is all.

pub mod ids;
