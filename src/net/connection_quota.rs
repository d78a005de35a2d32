//! How many connections there may be (KIP-308, KIP-402). At `max.connections`, or at a listener's own limit, the listener
//! stops accepting until somebody leaves; over `max.connections.per.ip`, or its override, a connection is closed at once.
//!
//! The listener that brokers use among themselves is protected when there are others: it accepts beyond
//! `max.connections`, and for each connection too many the one that was idle longest on another listener is closed.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::locks::lock;

/// The limits, from the configuration.
#[derive(Debug, Clone, Default)]
pub struct ConnectionLimits {
    /// `max.connections`, of all listeners together.
    pub total: usize,
    /// `listener.name.<listener>.max.connections`.
    pub per_listener: HashMap<Arc<str>, usize>,
    /// The inter-broker listener, when it is not the only one.
    pub protected: Option<Arc<str>>,
    /// `max.connections.per.ip`.
    pub per_address: usize,
    /// `max.connections.per.ip.overrides`, resolved to addresses.
    pub overrides: HashMap<IpAddr, usize>,
}

/// Counts the connections of a broker.
#[derive(Debug)]
pub struct ConnectionQuota {
    limits: ConnectionLimits,
    counts: Mutex<Counts>,
    left: Notify,
}

#[derive(Debug, Default)]
struct Counts {
    total: usize,
    by_listener: HashMap<Arc<str>, usize>,
    by_address: HashMap<IpAddr, usize>,
    /// Those that may have to make room, by number.
    seats: HashMap<u64, Arc<Seat>>,
    next_seat: u64,
}

#[derive(Debug)]
struct Seat {
    used: Mutex<Instant>,
    wanted: Notify,
}

/// The address has its share already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("max.connections.per.ip allows {0} connections from this address")]
pub struct TooMany(pub usize);

impl ConnectionQuota {
    /// Starts counting from none.
    pub fn new(limits: ConnectionLimits) -> Arc<ConnectionQuota> {
        Arc::new(ConnectionQuota { limits, counts: Mutex::default(), left: Notify::new() })
    }

    /// Waits while there is no room for one more connection of `listener`.
    pub async fn room(self: &Arc<Self>, listener: &Arc<str>) -> Room {
        loop {
            // Made before the look, so that nobody leaves unnoticed in between.
            let left = self.left.notified();
            if self.take_room(listener) {
                return Room { quota: self.clone(), listener: listener.clone() };
            }
            left.await;
        }
    }

    fn take_room(&self, listener: &Arc<str>) -> bool {
        let own_limit = self.limits.per_listener.get(listener).copied().unwrap_or(usize::MAX);
        let mut counts = lock(&self.counts);
        let own = counts.by_listener.get(listener).copied().unwrap_or(0);
        if own >= own_limit || (counts.total >= self.limits.total && !self.is_protected(listener)) {
            return false;
        }
        counts.total += 1;
        counts.by_listener.insert(listener.clone(), own + 1);
        true
    }

    /// Counts a connection in, until the answer is dropped.
    pub fn admit(&self, address: IpAddr, room: Room) -> Result<Admitted, TooMany> {
        let address = address.to_canonical();
        let limit = self.limits.overrides.get(&address).copied().unwrap_or(self.limits.per_address);
        let mut counts = lock(&self.counts);
        let of_address = counts.by_address.get(&address).copied().unwrap_or(0);
        if of_address >= limit {
            drop(counts);
            return Err(TooMany(limit));
        }
        counts.by_address.insert(address, of_address + 1);
        let number = counts.next_seat;
        counts.next_seat += 1;
        let seat = Arc::new(Seat { used: Mutex::new(Instant::now()), wanted: Notify::new() });
        if self.is_protected(&room.listener) {
            self.make_room(&mut counts);
        } else if self.limits.protected.is_some() {
            counts.seats.insert(number, seat.clone());
        }
        Ok(Admitted { address, number, seat, room })
    }

    fn is_protected(&self, listener: &str) -> bool {
        self.limits.protected.as_deref() == Some(listener)
    }

    /// Asks the connection that was idle longest to go, if there are too many.
    fn make_room(&self, counts: &mut Counts) {
        if counts.total <= self.limits.total {
            return;
        }
        let idle_longest = counts.seats.iter().min_by_key(|(_, seat)| *lock(&seat.used)).map(|(number, _)| *number);
        if let Some(seat) = idle_longest.and_then(|number| counts.seats.remove(&number)) {
            seat.wanted.notify_one();
        }
    }
}

/// Room for one connection, until it is dropped.
#[derive(Debug)]
pub struct Room {
    quota: Arc<ConnectionQuota>,
    listener: Arc<str>,
}

impl Drop for Room {
    fn drop(&mut self) {
        let mut counts = lock(&self.quota.counts);
        counts.total -= 1;
        take_one(&mut counts.by_listener, &self.listener);
        drop(counts);
        self.quota.left.notify_waiters();
    }
}

/// A counted connection.
#[derive(Debug)]
pub struct Admitted {
    address: IpAddr,
    number: u64,
    seat: Arc<Seat>,
    room: Room,
}

impl Admitted {
    /// Notes that the connection is not idle.
    pub fn touch(&self) {
        *lock(&self.seat.used) = Instant::now();
    }

    /// Waits until this connection has to make room for another broker's.
    pub async fn must_go(&self) {
        self.seat.wanted.notified().await;
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut counts = lock(&self.room.quota.counts);
        counts.seats.remove(&self.number);
        take_one(&mut counts.by_address, &self.address);
    }
}

fn take_one<K: std::hash::Hash + Eq>(counts: &mut HashMap<K, usize>, key: &K) {
    match counts.get_mut(key) {
        Some(1) | None => drop(counts.remove(key)),
        Some(count) => *count -= 1,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([127, 0, 0, last])
    }

    fn limits(total: usize, per_address: usize) -> ConnectionLimits {
        ConnectionLimits { total, per_address, ..ConnectionLimits::default() }
    }

    async fn room(quota: &Arc<ConnectionQuota>, listener: &str) -> Room {
        quota.room(&listener.into()).await
    }

    async fn is_full(quota: &Arc<ConnectionQuota>, listener: &str) -> bool {
        futures_util::poll!(std::pin::pin!(room(quota, listener))).is_pending()
    }

    async fn enter(quota: &Arc<ConnectionQuota>, listener: &str) -> Admitted {
        quota.admit(address(1), room(quota, listener).await).unwrap()
    }

    #[tokio::test]
    async fn each_limit_holds_and_leaving_makes_room() {
        let overrides = HashMap::from([(address(9), 3)]);
        let quota = ConnectionQuota::new(ConnectionLimits { overrides, ..limits(5, 2) });
        let mut held = Vec::new();
        for last in [1, 1, 9, 9] {
            held.push(quota.admit(address(last), room(&quota, "L").await).unwrap());
        }
        assert_eq!(quota.admit(address(1), room(&quota, "L").await).unwrap_err(), TooMany(2));
        held.push(quota.admit(address(9), room(&quota, "L").await).unwrap());
        let mut waiting = Box::pin(room(&quota, "L"));
        assert!(futures_util::poll!(&mut waiting).is_pending(), "the sixth waits");
        drop(held.remove(0));
        assert_eq!(quota.admit(address(9), waiting.await).unwrap_err(), TooMany(3));
        held.clear();
        let counts = lock(&quota.counts);
        assert_eq!((counts.total, counts.by_listener.len(), counts.by_address.len(), counts.seats.len()), (0, 0, 0, 0));
    }

    #[tokio::test]
    async fn a_listener_has_a_limit_of_its_own() {
        let per_listener = HashMap::from([("A".into(), 1)]);
        let quota = ConnectionQuota::new(ConnectionLimits { per_listener, ..limits(3, 9) });
        let first = enter(&quota, "A").await;
        assert!(is_full(&quota, "A").await && !is_full(&quota, "B").await);
        let _others = (enter(&quota, "B").await, enter(&quota, "B").await);
        assert!(is_full(&quota, "B").await, "max.connections counts all");
        drop(first);
        assert!(!is_full(&quota, "A").await && !is_full(&quota, "B").await);
    }

    #[tokio::test(start_paused = true)]
    async fn brokers_find_room_and_who_was_idle_longest_makes_it() {
        let quota = ConnectionQuota::new(ConnectionLimits { protected: Some("B".into()), ..limits(2, 9) });
        let busy = enter(&quota, "C").await;
        tokio::time::advance(Duration::from_secs(1)).await;
        let idle = enter(&quota, "C").await;
        tokio::time::advance(Duration::from_secs(1)).await;
        busy.touch();
        assert!(is_full(&quota, "C").await);
        let _broker = enter(&quota, "B").await;
        idle.must_go().await;
        assert!(futures_util::poll!(std::pin::pin!(busy.must_go())).is_pending());
        let _second = enter(&quota, "B").await;
        busy.must_go().await;
        drop((idle, busy));
        assert!(is_full(&quota, "C").await, "two brokers are the limit already");
    }

    #[tokio::test]
    async fn an_ipv4_address_counts_the_same_through_an_ipv6_listener() {
        let quota = ConnectionQuota::new(limits(10, 1));
        let _held = enter(&quota, "L").await;
        let mapped = IpAddr::from(std::net::Ipv4Addr::new(127, 0, 0, 1).to_ipv6_mapped());
        assert!(quota.admit(mapped, room(&quota, "L").await).is_err());
    }
}
