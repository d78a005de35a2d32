//! How many connections there may be (KIP-308). At `max.connections` the listener stops accepting until somebody
//! leaves; over `max.connections.per.ip`, or its override, a connection is closed at once.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::locks::lock;

/// The limits, from the configuration.
#[derive(Debug, Clone)]
pub struct ConnectionLimits {
    /// `max.connections`, of all listeners together.
    pub total: usize,
    /// `max.connections.per.ip`.
    pub per_address: usize,
    /// `max.connections.per.ip.overrides`, resolved to addresses.
    pub overrides: HashMap<IpAddr, usize>,
}

/// Counts the connections of a broker.
#[derive(Debug)]
pub struct ConnectionQuota {
    limits: ConnectionLimits,
    room: Arc<Semaphore>,
    by_address: Mutex<HashMap<IpAddr, usize>>,
}

/// The address has its share already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("max.connections.per.ip allows {0} connections from this address")]
pub struct TooMany(pub usize);

impl ConnectionQuota {
    /// Starts counting from none.
    pub fn new(limits: ConnectionLimits) -> Arc<ConnectionQuota> {
        let room = Arc::new(Semaphore::new(limits.total.min(Semaphore::MAX_PERMITS)));
        Arc::new(ConnectionQuota { limits, room, by_address: Mutex::default() })
    }

    /// Waits while `max.connections` is reached.
    pub async fn room(&self) -> Option<OwnedSemaphorePermit> {
        self.room.clone().acquire_owned().await.ok()
    }

    /// Counts a connection in, until the answer is dropped.
    pub fn admit(self: &Arc<Self>, address: IpAddr, room: Option<OwnedSemaphorePermit>) -> Result<Admitted, TooMany> {
        let address = address.to_canonical();
        let limit = self.limits.overrides.get(&address).copied().unwrap_or(self.limits.per_address);
        let mut by_address = lock(&self.by_address);
        let of_address = by_address.entry(address).or_default();
        if *of_address >= limit {
            if *of_address == 0 {
                by_address.remove(&address);
            }
            return Err(TooMany(limit));
        }
        *of_address += 1;
        Ok(Admitted { quota: self.clone(), address, _room: room })
    }

    fn leave(&self, address: IpAddr) {
        let mut by_address = lock(&self.by_address);
        match by_address.get_mut(&address) {
            Some(1) | None => drop(by_address.remove(&address)),
            Some(count) => *count -= 1,
        }
    }
}

/// A counted connection.
#[derive(Debug)]
pub struct Admitted {
    quota: Arc<ConnectionQuota>,
    address: IpAddr,
    _room: Option<OwnedSemaphorePermit>,
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.quota.leave(self.address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([127, 0, 0, last])
    }

    #[tokio::test]
    async fn each_limit_holds_and_leaving_makes_room() {
        let limits = ConnectionLimits { total: 4, per_address: 2, overrides: HashMap::from([(address(9), 3)]) };
        let quota = ConnectionQuota::new(limits);
        let mut held = Vec::new();
        for last in [1, 1, 9, 9] {
            held.push(quota.admit(address(last), quota.room().await).unwrap());
        }
        assert_eq!(quota.admit(address(1), None).unwrap_err(), TooMany(2));
        let mut waiting = Box::pin(quota.room());
        assert!(futures_util::poll!(&mut waiting).is_pending(), "the fifth waits");
        drop(held.remove(0));
        let room = waiting.await;
        held.push(quota.admit(address(9), room).unwrap());
        assert_eq!(quota.admit(address(9), None).unwrap_err(), TooMany(3));
        held.clear();
        assert!(lock(&quota.by_address).is_empty());
    }

    #[test]
    fn an_ipv4_address_counts_the_same_through_an_ipv6_listener() {
        let limits = ConnectionLimits { total: 10, per_address: 1, overrides: HashMap::default() };
        let quota = ConnectionQuota::new(limits);
        let _held = quota.admit(address(1), None).unwrap();
        let mapped = IpAddr::from(std::net::Ipv4Addr::new(127, 0, 0, 1).to_ipv6_mapped());
        assert!(quota.admit(mapped, None).is_err());
    }
}
