//! Things that are dear to make and are used again: a small, bounded shelf of each kind, shared by all threads.

use std::sync::{Mutex, PoisonError};

/// What lies here is ready for the next use.
#[derive(Debug)]
pub(super) struct Spare<T> {
    shelf: Mutex<Vec<T>>,
    most: usize,
}

impl<T> Spare<T> {
    /// An empty shelf for at most `most` things.
    pub(super) const fn new(most: usize) -> Spare<T> {
        Spare { shelf: Mutex::new(Vec::new()), most }
    }

    pub(super) fn take(&self) -> Option<T> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// Puts it back, unless there are enough.
    pub(super) fn give(&self, thing: T) {
        let mut shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        if shelf.len() < self.most {
            shelf.push(thing);
        }
    }
}
