//! The embedded single-node ZooKeeper for the quickstart and the tests: ZooKeeper 3.8's protocol for any client, the
//! data in a directory of its own. Single-node by design; production uses a real ensemble.
//!
//! [`core`] decides (no socket, no file, no clock); [`engine`] is the one thread that runs it, and makes durable what
//! it decided before anybody hears of it; [`server`] and [`connection`] are tokio's side. In reading order: [`proto`],
//! [`tree`], [`session`], [`watches`], [`core`], [`txn`], [`txn_log`], [`snapshot`], [`store`], [`engine`], [`server`].
//!
//! Absent: ensembles, reconfiguration, TLS, Kerberos, an admin server, quotas (kept as nodes, not enforced).

pub mod acl;
pub mod auth;
pub mod config;
pub mod connection;
pub mod core;
pub mod engine;
pub mod four_letter;
pub mod jaas;
pub mod jute;
pub mod login;
pub mod memory;
pub mod outbox;
pub mod proto;
pub mod sasl;
pub mod server;
pub mod session;
pub mod snapshot;
pub mod state;
pub mod stats;
pub mod store;
pub mod system_properties;
pub mod tree;
pub mod txn;
pub mod txn_log;
pub mod watches;
mod window;

pub use config::{Config, ConfigError};
pub use server::{Server, StartError, start};
