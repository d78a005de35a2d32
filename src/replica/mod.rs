//! The partitions that this broker hosts, and those who wait for them. In reading order:

pub mod manager;

pub mod partition;

pub mod waiters;

pub mod fetch_session;

pub mod shared_flush;

pub mod offsets_log;

pub mod log_dirs;

pub mod moves;

pub mod throttle;

pub mod move_rate;

pub mod background;
pub mod cleaner;

pub mod failed_dirs;

pub mod core;
