//! What a leader knows of its replicas, and what follows for the high watermark and the ISR. Pure.
//!
//! The high watermark is the smallest log end offset of the ISR (and of replicas about to join it, whose admission is
//! under way: KIP-497), and it never goes back. The low watermark is the smallest log start offset of all live replicas.

use std::collections::BTreeMap;

use zk_paths::ids::{BrokerId, Offset};

const UNHEARD: Follower = Follower { end: Offset::NONE, start: Offset::NONE };

/// A leader's view of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leader {
    me: BrokerId,
    isr: Vec<i32>,
    followers: BTreeMap<i32, Follower>,
}

/// How far a follower is; unknown, [`Offset::NONE`], until it has fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Follower {
    end: Offset,
    start: Offset,
}

impl Leader {
    /// Takes over: `replicas` is the assignment, `isr` as the controller gave it. Followers start unknown.
    pub fn new(me: BrokerId, replicas: &[i32], isr: &[i32]) -> Leader {
        let followers = replicas.iter().filter(|id| **id != me.0).map(|id| (*id, UNHEARD)).collect();
        Leader { me, isr: isr.to_vec(), followers }
    }

    /// In-sync replicas, this broker included.
    pub fn isr(&self) -> &[i32] {
        &self.isr
    }

    /// Where the high watermark may move to, given this broker's own log end offset.
    pub fn high_watermark(&self, log_end_offset: Offset) -> Offset {
        let others = self.isr.iter().filter(|id| **id != self.me.0);
        others.map(|id| self.followers.get(id).unwrap_or(&UNHEARD).end).fold(log_end_offset, Offset::min)
    }

    /// Below this no live replica has records any more, given where this broker's own log starts. A follower that has not
    /// been heard of yet holds it back, one that is dead does not (`Partition.lowWatermarkIfLeader`).
    pub fn low_watermark(&self, log_start_offset: Offset, is_alive: impl Fn(BrokerId) -> bool) -> Offset {
        let live = self.followers.iter().filter(|(id, _)| is_alive(BrokerId(**id)));
        live.map(|(_, follower)| follower.start).fold(log_start_offset, Offset::min)
    }

    /// Whether `min.insync.replicas` lets a produce with acks=all begin (and, after the append, succeed). It never asks for
    /// more replicas than the partition has (`Partition.effectiveMinIsr`).
    pub fn enough_replicas(&self, min_insync_replicas: usize) -> bool {
        self.isr.len() >= min_insync_replicas.min(self.followers.len() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_high_watermark_is_the_slowest_in_sync_replica() {
        let alone = Leader::new(BrokerId(1), &[1, 2, 3], &[1]);
        assert_eq!(alone.high_watermark(Offset(42)), Offset(42));
        let unknown = Leader::new(BrokerId(1), &[1, 2, 3], &[1, 2]);
        assert_eq!(unknown.high_watermark(Offset(42)), Offset::NONE, "an unheard follower holds it back");
    }

    #[test]
    fn the_low_watermark_waits_for_live_followers() {
        let leader = Leader::new(BrokerId(1), &[1, 2, 3], &[1]);
        assert_eq!(leader.low_watermark(Offset(7), |_| false), Offset(7));
        assert_eq!(leader.low_watermark(Offset(7), |id| id == BrokerId(2)), Offset::NONE);
    }

    #[test]
    fn acks_all_needs_enough_replicas_in_sync() {
        let leader = Leader::new(BrokerId(1), &[1, 2], &[1]);
        assert!(leader.enough_replicas(1));
        assert!(!leader.enough_replicas(2));
        let only = Leader::new(BrokerId(1), &[1], &[1]);
        assert!(only.enough_replicas(2), "a partition with one replica needs no second one");
    }
}
