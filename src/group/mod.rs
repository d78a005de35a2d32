//! The group coordinator: consumer groups (the classic protocol) and their offsets in `__consumer_offsets`.
//!
//! A group belongs to one partition of that topic, and to the broker that leads it. Everything about it is decided by
//! [`core`], under the lock of its partition's [`slot`], and is answered when it is durable.
//!
//! In reading order: [`core`] decides, [`records`] gives its records their bytes, [`log`] is what it needs of the log,
//! [`load`] reads a partition back, [`writer`] appends, [`slot`] ties these together for one partition. The files
//! [`membership`], [`offsets`] and [`admin`] translate between requests and the core; [`config`] has the settings.
//!
//! Absent: TxnOffsetCommit (comes with transactions), offsets in ZooKeeper (version 0 of OffsetCommit and OffsetFetch
//! answers UNSUPPORTED_VERSION), the consumer protocol of KIP-848 (not in ZooKeeper mode).

pub mod core;

pub mod records;

pub mod log;

pub mod load;

pub mod writer;

pub mod slot;

pub mod membership;

pub mod offsets;

pub mod admin;

pub mod config;

mod errors;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Semaphore;
use tracing::warn;
use world::Clock;
use zk_paths::ids::{LeaderEpoch, TopicPartition};

use self::config::GroupConfig;
use self::core::Event;
use self::core::answer::Refusal;
use self::log::OffsetsLog;
use self::slot::{Shared, Slot};

/// The group coordinator of this broker.
pub struct GroupCoordinator {
    slots: Box<[Arc<Slot>]>,
    shared: Arc<Shared>,
    has_static_membership: bool,
    is_active: AtomicBool,
    new_uuid: Box<dyn Fn() -> u128 + Send + Sync>,
}

/// Which groups an API takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum GroupIds {
    /// Those with a name: they have members.
    Named,
    /// Also the one without: old clients could commit under it.
    Any,
}

impl GroupCoordinator {
    /// A coordinator that owns no partition yet. `new_uuid` yields random bits for member ids.
    pub fn new(
        config: GroupConfig,
        log: Arc<dyn OffsetsLog>,
        clock: Arc<dyn Clock>,
        new_uuid: impl Fn() -> u128 + Send + Sync + 'static,
    ) -> GroupCoordinator {
        let shared = Arc::new(Shared {
            log,
            clock,
            settings: config.settings,
            format: config.format,
            load_buffer_bytes: config.load_buffer_bytes,
            load_permit: Semaphore::new(1),
            expiry_check_ms: config.expiry_check_ms,
        });
        let slots = (0..config.partitions.max(1)).map(|partition| Arc::new(Slot::new(partition, Arc::clone(&shared))));
        GroupCoordinator {
            slots: slots.collect(),
            shared,
            has_static_membership: config.has_static_membership,
            is_active: AtomicBool::new(true),
            new_uuid: Box::new(new_uuid),
        }
    }

    /// The partition of `__consumer_offsets` that a group belongs to: Java's hash of its name, as
    /// `GroupMetadataManager.partitionFor` has it.
    pub fn partition_for(&self, group: &str) -> i32 {
        let hash = group.encode_utf16().fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
        let count = i32::try_from(self.slots.len()).unwrap_or(i32::MAX);
        // Kafka's absolute value of the smallest number is 0.
        hash.checked_abs().unwrap_or(0) % count
    }

    /// This broker leads a partition of `__consumer_offsets` in this leader epoch: its groups are loaded in the
    /// background. To be called on the runtime.
    pub fn on_election(&self, partition: i32, leader_epoch: LeaderEpoch) {
        match self.at(partition) {
            Some(slot) => slot.elected(leader_epoch),
            None => {
                warn!("__consumer_offsets-{partition} is beyond the {} partitions known at start", self.slots.len())
            }
        }
    }

    /// This broker leads a partition no longer; without an epoch, whatever was known of it is void (it is deleted, or
    /// its directory failed).
    pub fn on_resignation(&self, partition: i32, leader_epoch: Option<LeaderEpoch>) {
        if let Some(slot) = self.at(partition) {
            slot.resigned(leader_epoch);
        }
    }

    /// Partitions are gone from the cluster: so are the offsets that groups have in them.
    pub fn on_partitions_deleted(&self, partitions: &[TopicPartition]) {
        for slot in &self.slots {
            // Slots of other brokers hear of it there.
            let _ = slot.tell(Event::PartitionsDeleted(partitions.iter().cloned().collect()));
        }
    }

    /// The broker goes down: everybody is told to look elsewhere.
    pub fn shut_down(&self) {
        self.is_active.store(false, Ordering::Release);
        for slot in &self.slots {
            slot.resigned(None);
        }
    }

    /// The slot of a group, if the group may be asked for and this coordinator is up.
    fn slot(&self, group: &str, ids: GroupIds) -> Result<&Slot, Refusal> {
        if group.is_empty() && ids == GroupIds::Named {
            return Err(Refusal::InvalidGroupId);
        }
        self.check_active()?;
        self.at(self.partition_for(group)).map(|slot| &**slot).ok_or(Refusal::NotCoordinator)
    }

    fn check_active(&self) -> Result<(), Refusal> {
        if self.is_active.load(Ordering::Acquire) { Ok(()) } else { Err(Refusal::CoordinatorNotAvailable) }
    }

    fn at(&self, partition: i32) -> Option<&Arc<Slot>> {
        self.slots.get(usize::try_from(partition).ok()?)
    }
}

impl fmt::Debug for GroupCoordinator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupCoordinator").field("partitions", &self.slots.len()).finish_non_exhaustive()
    }
}
