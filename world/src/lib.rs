//! What the rest may ask of the machine, behind small traits: the time ([`Clock`]) and files ([`Disk`]).
//!
//! The real ones are [`clock::SystemClock`] and [`real::RealDisk`]; [`mem::MemDisk`] keeps files in memory and can be
//! crashed after any operation, with unsynced bytes kept or lost. Nothing here is asynchronous and nothing knows Kafka.
//! These files are the only ones that may read the clock or touch `std::fs` (`clippy.toml` holds the line).

pub mod clock;
pub mod disk;
pub mod mem;
pub mod real;

pub use clock::{Clock, SystemClock};
pub use disk::{DirLock, Disk, DiskFile, Entry, Metadata, Space};
pub use mem::{MemDisk, Unsynced};
pub use real::RealDisk;
