//! Files in memory that a test can crash.

/// A disk in memory.
#[derive(Debug, Default)]
pub struct MemDisk;
