//! Who waits for a partition's high watermark to move: fetches that want more bytes, produces that want replicas.
//! Kafka's purgatory, without its polling and without a timer wheel: a waiter says how much it needs, and the append
//! that completes it wakes it. An append to a partition that nobody waits for costs one atomic load.
//!
//! The order that makes this sound: a waiter registers first and looks at the partition afterwards; an append moves the
//! high watermark first and looks for waiters afterwards. One of the two always sees the other.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::Notify;

/// A request that waits until enough bytes have become readable, over all of its partitions together.
#[derive(Debug)]
pub struct Waiter {
    missing_bytes: AtomicI64,
    wake: Notify,
}

impl Waiter {
    /// Wakes when `missing_bytes` more can be read. Anything but a plain append wakes it at once.
    pub fn new(missing_bytes: i64) -> Arc<Waiter> {
        Arc::new(Waiter { missing_bytes: AtomicI64::new(missing_bytes), wake: Notify::new() })
    }

    /// Waits for the wake-up. One that came earlier counts.
    pub async fn woken(&self) {
        self.wake.notified().await;
    }

    fn readable(&self, bytes: i64) {
        if self.missing_bytes.fetch_sub(bytes, Ordering::AcqRel) <= bytes {
            self.wake.notify_one();
        }
    }
}

/// The waiters of one partition.
#[derive(Debug, Default)]
pub struct Waiters {
    count: AtomicUsize,
    list: Mutex<List>,
}

#[derive(Debug, Default)]
struct List {
    next_id: u64,
    by_id: HashMap<u64, Arc<Waiter>>,
}

impl Waiters {
    /// Registers; until the answer is dropped.
    pub fn register(self: &Arc<Self>, waiter: &Arc<Waiter>) -> Registered {
        let mut list = self.lock();
        let id = list.next_id;
        list.next_id += 1;
        list.by_id.insert(id, waiter.clone());
        self.count.store(list.by_id.len(), Ordering::SeqCst);
        Registered { waiters: self.clone(), id }
    }

    /// `bytes` more can be read.
    pub fn readable(&self, bytes: i64) {
        self.each(|waiter| waiter.readable(bytes));
    }

    /// Something else changed (leadership, deletion, log start offset): everybody looks again.
    pub fn wake_all(&self) {
        self.each(|waiter| waiter.wake.notify_one());
    }

    fn each(&self, act: impl Fn(&Waiter)) {
        // The fence pairs with the store in `register`: see the order in the head of this file.
        std::sync::atomic::fence(Ordering::SeqCst);
        if self.count.load(Ordering::SeqCst) > 0 {
            self.lock().by_id.values().for_each(|waiter| act(waiter));
        }
    }

    fn lock(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// A registration; leaves the list when dropped.
#[derive(Debug)]
pub struct Registered {
    waiters: Arc<Waiters>,
    id: u64,
}

impl Drop for Registered {
    fn drop(&mut self) {
        let mut list = self.waiters.lock();
        list.by_id.remove(&self.id);
        self.waiters.count.store(list.by_id.len(), Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::poll;

    use super::*;

    #[tokio::test]
    async fn a_waiter_wakes_when_its_bytes_are_there_and_not_before() {
        let (one, two) = (Arc::new(Waiters::default()), Arc::new(Waiters::default()));
        let waiter = Waiter::new(100);
        let registered = [one.register(&waiter), two.register(&waiter)];
        let mut woken = Box::pin(waiter.woken());
        one.readable(60);
        assert!(poll!(&mut woken).is_pending());
        two.readable(40);
        assert!(poll!(&mut woken).is_ready());
        drop(registered);
        assert!(one.lock().by_id.is_empty() && two.lock().by_id.is_empty());
        assert_eq!(one.count.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn a_wake_up_before_the_wait_counts() {
        let partition = Arc::new(Waiters::default());
        let waiter = Waiter::new(1_000_000);
        let _registered = partition.register(&waiter);
        partition.wake_all();
        assert!(poll!(Box::pin(waiter.woken())).is_ready());
    }
}
