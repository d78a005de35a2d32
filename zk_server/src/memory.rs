//! How much all connections together keep in memory: requests that are arriving or waiting, and answers and events that
//! were not sent yet. Each connection has bounds of its own ([`crate::outbox`]); this is the one for all of them.
//!
//! Always: when they hold more than the limit, whoever holds the most has to go, until the rest is within it. So a client
//! that neither reads nor finishes its requests is the one to pay, however many of its kind there are.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::core::ConnId;

/// The memory of all connections.
#[derive(Debug)]
pub struct Memory {
    limit: usize,
    /// What all hold; those that have to go count until they are gone.
    held: AtomicUsize,
    shares: Mutex<HashMap<ConnId, Arc<Held>>>,
}

#[derive(Debug, Default)]
struct Held {
    bytes: AtomicUsize,
    evicted: AtomicBool,
    told: Notify,
}

/// The part of one connection; what it holds is free again when this is dropped.
#[derive(Debug)]
pub struct Share {
    memory: Arc<Memory>,
    conn: ConnId,
    held: Arc<Held>,
}

impl Memory {
    /// Nobody holds anything.
    pub fn new(limit: usize) -> Arc<Memory> {
        Arc::new(Memory { limit, held: AtomicUsize::new(0), shares: Mutex::default() })
    }

    /// A part for a connection.
    pub fn share(self: &Arc<Memory>, conn: ConnId) -> Share {
        let held = Arc::new(Held::default());
        self.shares.lock().unwrap_or_else(PoisonError::into_inner).insert(conn, held.clone());
        Share { memory: self.clone(), conn, held }
    }

    /// What may be held in all, in bytes.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Tells those with the most to go until the others are within the limit.
    fn relieve(&self) {
        let shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        let mut staying: Vec<(usize, &Arc<Held>)> = shares
            .values()
            .filter(|held| !held.evicted.load(Ordering::Relaxed))
            .map(|held| (held.bytes.load(Ordering::Relaxed), held))
            .collect();
        let mut total: usize = staying.iter().map(|(bytes, _)| bytes).sum();
        if total > self.limit {
            staying.sort_unstable_by_key(|(bytes, _)| *bytes);
        }
        while let Some((bytes, largest)) = staying.pop().filter(|_| total > self.limit) {
            total -= bytes;
            largest.evicted.store(true, Ordering::Relaxed);
            largest.told.notify_one();
        }
    }
}

impl Share {
    /// Notes that so many bytes more are held.
    pub fn grow(&self, bytes: usize) {
        self.held.bytes.fetch_add(bytes, Ordering::Relaxed);
        if self.memory.held.fetch_add(bytes, Ordering::Relaxed) + bytes > self.memory.limit {
            self.memory.relieve();
        }
    }

    /// Notes that so many of them are free again.
    pub fn shrink(&self, bytes: usize) {
        self.held.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.memory.held.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Waits until this connection has to go.
    pub async fn evicted(&self) {
        while !self.held.evicted.load(Ordering::Relaxed) {
            self.held.told.notified().await;
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.memory.shares.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.conn);
        self.memory.held.fetch_sub(self.held.bytes.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evicted(shares: &[Share]) -> Vec<u64> {
        shares.iter().filter(|share| share.held.evicted.load(Ordering::Relaxed)).map(|share| share.conn.0).collect()
    }

    #[tokio::test]
    async fn who_holds_most_goes_first_and_only_as_many_as_must() {
        let memory = Memory::new(100);
        let mut shares: Vec<Share> = (0..4).map(|conn| memory.share(ConnId(conn))).collect();
        for (share, bytes) in shares.iter().zip([10, 50, 30, 5]) {
            share.grow(bytes);
        }
        assert_eq!(evicted(&shares), [0u64; 0]);
        shares[0].grow(5);
        assert_eq!(evicted(&shares), [0u64; 0], "exactly the limit is within it");
        shares[3].grow(1);
        assert_eq!(evicted(&shares), [1]);
        shares[1].evicted().await;
        shares[3].grow(40);
        assert_eq!(evicted(&shares), [1], "who has to go counts no more");
        shares[2].shrink(20);
        shares[0].grow(60);
        assert_eq!(evicted(&shares), [0, 1]);
        shares.clear();
        assert_eq!(memory.held.load(Ordering::Relaxed), 0);
        assert!(memory.shares.lock().unwrap().is_empty());
    }
}
