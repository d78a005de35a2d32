//! Who wants to hear of a partition: fetches that wait for more bytes, and fetch sessions, which keep a list of their
//! partitions with news. Kafka's purgatory, without its polling and without a timer wheel: a waiter says how much it
//! needs, and the append that completes it wakes it. An append to a partition that nobody watches costs one atomic load.
//!
//! The order that makes this sound: a watcher registers first and looks at the partition afterwards; an append moves the
//! high watermark first and looks for watchers afterwards. One of the two always sees the other.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use crate::locks::lock;

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

/// The partitions of one fetch session that have news, by the session's own numbers for them.
#[derive(Debug, Default)]
pub struct News {
    numbers: Mutex<Vec<u64>>,
    waiter: Mutex<Option<Arc<Waiter>>>,
}

impl News {
    /// Takes the numbers out. Whoever does must clear their [`SessionWatch`]es before looking at the partitions.
    pub fn take(&self) -> Vec<u64> {
        std::mem::take(&mut lock(&self.numbers))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        lock(&self.numbers).is_empty()
    }

    /// Who is woken by news from now on.
    pub fn wake(&self, waiter: Option<Arc<Waiter>>) {
        *lock(&self.waiter) = waiter;
    }
}

/// One partition of a fetch session, as the partition knows it.
#[derive(Debug)]
pub struct SessionWatch {
    number: u64,
    told: AtomicBool,
    news: Arc<News>,
}

impl SessionWatch {
    /// The session's partition of this number tells `news`.
    pub fn new(number: u64, news: Arc<News>) -> Arc<SessionWatch> {
        Arc::new(SessionWatch { number, told: AtomicBool::new(false), news })
    }

    /// The news has been taken: tell again. Everything that happened before is seen by a look at the partition now.
    pub fn clear(&self) {
        self.told.swap(false, Ordering::AcqRel);
    }

    fn tell(&self, wake: impl Fn(&Waiter)) {
        if !self.told.swap(true, Ordering::AcqRel) {
            lock(&self.news.numbers).push(self.number);
        }
        if let Some(waiter) = lock(&self.news.waiter).as_ref() {
            wake(waiter);
        }
    }
}

/// Who hears of a partition.
#[derive(Debug, Clone)]
enum Watcher {
    Request(Arc<Waiter>),
    Session(Arc<SessionWatch>),
}

impl Watcher {
    fn tell(&self, wake: impl Fn(&Waiter)) {
        match self {
            Watcher::Request(waiter) => wake(waiter),
            Watcher::Session(watch) => watch.tell(wake),
        }
    }
}

/// The watchers of one partition.
#[derive(Debug, Default)]
pub struct Waiters {
    count: AtomicUsize,
    list: Mutex<List>,
}

#[derive(Debug, Default)]
struct List {
    next_id: u64,
    by_id: HashMap<u64, Watcher>,
}

impl Waiters {
    /// Registers a request; until the answer is dropped.
    pub fn register(self: &Arc<Self>, waiter: &Arc<Waiter>) -> Registered {
        self.add(Watcher::Request(waiter.clone()))
    }

    /// Registers a partition of a session; until the answer is dropped.
    pub fn register_session(self: &Arc<Self>, watch: &Arc<SessionWatch>) -> Registered {
        self.add(Watcher::Session(watch.clone()))
    }

    fn add(self: &Arc<Self>, watcher: Watcher) -> Registered {
        let mut list = lock(&self.list);
        let id = list.next_id;
        list.next_id += 1;
        list.by_id.insert(id, watcher);
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

    fn each(&self, wake: impl Fn(&Waiter)) {
        // The fence pairs with the store in `add`: see the order in the head of this file.
        std::sync::atomic::fence(Ordering::SeqCst);
        if self.count.load(Ordering::SeqCst) > 0 {
            lock(&self.list).by_id.values().for_each(|watcher| watcher.tell(&wake));
        }
    }
}

/// A registration; leaves the list when dropped.
#[derive(Debug)]
pub struct Registered {
    waiters: Arc<Waiters>,
    id: u64,
}

impl Registered {
    /// Whether it is a registration with these.
    pub fn is_with(&self, waiters: &Arc<Waiters>) -> bool {
        Arc::ptr_eq(&self.waiters, waiters)
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let mut list = lock(&self.waiters.list);
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
        assert!(lock(&one.list).by_id.is_empty() && lock(&two.list).by_id.is_empty());
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

    #[tokio::test]
    async fn a_session_hears_once_until_it_has_looked() {
        let (partition, news) = (Arc::new(Waiters::default()), Arc::new(News::default()));
        let watch = SessionWatch::new(7, news.clone());
        let registered = partition.register_session(&watch);
        partition.readable(10);
        partition.readable(10);
        assert_eq!(news.take(), [7]);
        watch.clear();
        let waiter = Waiter::new(15);
        news.wake(Some(waiter.clone()));
        let mut woken = Box::pin(waiter.woken());
        partition.readable(10);
        assert!(poll!(&mut woken).is_pending());
        partition.readable(10);
        assert!(poll!(&mut woken).is_ready());
        assert_eq!(news.take(), [7]);
        drop(registered);
        watch.clear();
        partition.wake_all();
        assert!(news.is_empty());
    }
}
