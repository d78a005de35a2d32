//! The controller's decisions: partition and replica state machines, election, deletion.
//!
//! Plain data and functions: no socket, no ZooKeeper, no clock, no randomness. A shell takes one [`Event`] at a time and
//! carries it through to its end:
//!
//! ```text
//! progress = controller.begin(event)            read → plan: the event brings what the shell has read
//! loop:
//!     carry out progress.actions, in order      requests to brokers, answers, problems to log
//!     progress.is_end(): done
//!     progress.reads: read these state nodes; progress = controller.refresh(what is there)
//!     outcomes = ZooKeeper takes or refuses progress.writes, each checked against /controller_epoch
//!     progress = controller.conclude(outcomes)  only what ZooKeeper took is believed, and sent to brokers
//! ```
//!
//! A write refused for its version comes back with what is there now and is planned again from that. A write refused for
//! the controller epoch never comes back: the shell drops the whole [`Controller`], we were deposed.
//!
//! In reading order: [`cluster`] is what the controller knows, [`phases`] the two state machines, [`election`] who leads,
//! [`event`], [`write`](mod@write) and [`action`] the borders, [`controller`] the engine that runs an event's stages;
//! then one file per subject, and [`assignment`], where the replicas of new partitions are placed.
//!
//! Absent: reassignment. Requests for it are left alone and reported; partitions in the middle of one keep all replicas.

pub mod action;
mod alter_partition;
pub mod assignment;
mod balance;
mod brokers;
pub mod cluster;
pub mod controller;
mod deletion;
pub mod election;
pub mod event;
pub mod phases;
mod replicas;
mod requests;
mod shutdown;
mod startup;
mod topics;
pub mod write;

pub use action::Action;
pub use cluster::{ClusterState, Settings};
pub use controller::{Controller, Progress};
pub use event::Event;
pub use startup::Snapshot;
pub use write::{Outcome, Write};
