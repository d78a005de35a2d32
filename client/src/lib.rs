//! A connection to one broker, and admin, producer and consumer clients for our own tools.
//!
//! Reading order: [`transport`] is the network behind a trait, shared with the broker's own listeners; [`connection`]
//! one connection to one broker; [`cluster`] finds brokers, the controller and coordinators; [`admin`],
//! [`producer`] and [`consumer`] are built on it.

pub mod admin;
pub mod cluster;
pub mod connection;
pub mod consumer;
pub mod error;
pub mod producer;
pub mod transport;

#[cfg(test)]
mod testing;

pub use admin::Admin;
pub use cluster::{Cluster, ClusterOptions};
pub use connection::{Call, Connection, ConnectionOptions};
pub use consumer::{Consumer, ConsumerOptions, ConsumerRecord};
pub use error::{ClientError, Refusal};
pub use producer::{Producer, ProducerOptions, ProducerRecord};
