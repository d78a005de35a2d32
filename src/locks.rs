//! Short locks. A thread that panicked while it held one has left the data as it was between two whole steps (nothing
//! here updates in halves), so that the others go on: one request's panic must not take the broker's state with it.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks, also after somebody else's panic. Never to be held across an await.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
