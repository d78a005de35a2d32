//! The memory that large records take while packed batches are looked at, shared by everything that does so.
//!
//! Packed records are read through windows of a fixed size. Only a record that does not fit its window needs room of its
//! own, and takes it from here: a small request may claim records of any size. Who finds no room is refused, not kept
//! waiting: the threads that look at batches serve everybody.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What all conversions of a broker may take together, bytes.
pub const CONVERSION_BYTES: usize = 256 << 20;

/// Why there is no room.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
pub enum NoRoom {
    /// There never will be.
    #[error("a record of {need} bytes, at most {capacity} are unpacked")]
    Never {
        /// Of the record.
        need: usize,
        /// Of the memory.
        capacity: usize,
    },
    /// Others have it for the moment.
    #[error("a record of {need} bytes is to be unpacked, other requests have the memory for that")]
    Now {
        /// Of the record.
        need: usize,
    },
}

/// The memory. Clones share it.
#[derive(Debug, Clone)]
pub struct ConversionMemory {
    capacity: usize,
    used: Arc<AtomicUsize>,
}

impl Default for ConversionMemory {
    fn default() -> Self {
        ConversionMemory::new(CONVERSION_BYTES)
    }
}

impl ConversionMemory {
    /// This many bytes.
    pub fn new(capacity: usize) -> ConversionMemory {
        ConversionMemory { capacity, used: Arc::default() }
    }

    /// Takes `need` bytes until the reservation is dropped.
    pub fn reserve(&self, need: usize) -> Result<Reservation, NoRoom> {
        if need > self.capacity {
            return Err(NoRoom::Never { need, capacity: self.capacity });
        }
        let left = |used: usize| used.checked_add(need).filter(|total| *total <= self.capacity);
        match self.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, left) {
            Ok(_) => Ok(Reservation { bytes: need, used: self.used.clone() }),
            Err(_) => Err(NoRoom::Now { need }),
        }
    }
}

/// Memory that somebody has.
#[derive(Debug)]
pub struct Reservation {
    bytes: usize,
    used: Arc<AtomicUsize>,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.used.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_reserved_is_there_again_when_it_is_dropped() {
        let memory = ConversionMemory::new(100);
        assert_eq!(memory.reserve(101).unwrap_err(), NoRoom::Never { need: 101, capacity: 100 });
        let first = memory.reserve(60).unwrap();
        assert_eq!(memory.clone().reserve(41).unwrap_err(), NoRoom::Now { need: 41 });
        let second = memory.reserve(40).unwrap();
        drop(first);
        assert!(memory.reserve(60).is_ok());
        drop(second);
        assert!(memory.reserve(100).is_ok());
    }
}
