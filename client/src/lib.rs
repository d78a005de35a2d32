//! A connection to one broker, and admin, producer and consumer clients for our own tools.
//!
//! [`transport`] is the network behind a trait, shared with the broker's own listeners.

pub mod transport;
