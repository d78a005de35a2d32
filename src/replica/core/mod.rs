//! The decisions of replication, apart from logs and sockets.

pub mod leader;
