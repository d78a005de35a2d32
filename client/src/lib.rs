//! A connection to one broker, and admin, producer and consumer clients for our own tools.
//!
//! Reading order: [`transport`] is the network behind a trait, shared with the broker's own listeners; [`connection`]
//! one connection to one broker.

pub mod connection;
pub mod error;
pub mod transport;

#[cfg(test)]
mod testing;

pub use connection::{Call, Connection, ConnectionOptions};
pub use error::{ClientError, Refusal};
