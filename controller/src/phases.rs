//! The two state machines: in which phase a partition and a replica of it can be, and what may follow what.
//!
//! ```text
//! partition      from                       | replica              from
//! NonExistent    Offline                    | New                  NonExistent
//! New            NonExistent                | Online               New Online Offline DeletionIneligible
//! Online         New Online Offline         | Offline              New Online Offline DeletionIneligible
//! Offline        New Online Offline         | DeletionStarted      Offline
//!                                           | DeletionSuccessful   DeletionStarted
//!                                           | DeletionIneligible   Offline DeletionStarted
//!                                           | NonExistent          DeletionSuccessful
//! ```
//!
//! The tables are Kafka's (`PartitionStateMachine`, `ReplicaStateMachine`). Phases live in memory only; a new controller
//! derives them from znodes and live brokers.

/// Where a partition stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PartitionPhase {
    /// Not there yet, or its topic's deletion has begun.
    NonExistent,
    /// Has replicas, but never had a leader.
    New,
    /// Has a leader.
    Online,
    /// Its leader died and no other was found yet.
    Offline,
}

impl PartitionPhase {
    /// All phases.
    pub const ALL: [PartitionPhase; 4] = [Self::NonExistent, Self::New, Self::Online, Self::Offline];

    /// Whether a partition in this phase may become `next`.
    pub fn may_become(self, next: PartitionPhase) -> bool {
        use PartitionPhase::*;
        match next {
            NonExistent => matches!(self, Offline),
            New => matches!(self, NonExistent),
            Online | Offline => matches!(self, New | Online | Offline),
        }
    }
}

/// Where one replica stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ReplicaPhase {
    /// Not there.
    NonExistent,
    /// Just created; may only follow.
    New,
    /// Its broker is alive and was told about it.
    Online,
    /// Its broker or its log directory is gone, or it was told to stop.
    Offline,
    /// Its broker was told to delete it.
    DeletionStarted,
    /// Its broker has deleted it.
    DeletionSuccessful,
    /// It could not be deleted for now.
    DeletionIneligible,
}

impl ReplicaPhase {
    /// All phases.
    pub const ALL: [ReplicaPhase; 7] = [
        Self::NonExistent,
        Self::New,
        Self::Online,
        Self::Offline,
        Self::DeletionStarted,
        Self::DeletionSuccessful,
        Self::DeletionIneligible,
    ];

    /// Whether a replica in this phase may become `next`.
    pub fn may_become(self, next: ReplicaPhase) -> bool {
        use ReplicaPhase::*;
        match next {
            New => matches!(self, NonExistent),
            Online | Offline => matches!(self, New | Online | Offline | DeletionIneligible),
            DeletionStarted => matches!(self, Offline),
            DeletionSuccessful => matches!(self, DeletionStarted),
            DeletionIneligible => matches!(self, Offline | DeletionStarted),
            NonExistent => matches!(self, DeletionSuccessful),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows: from; columns: to, both in the order of `ALL`.
    const PARTITION: [&str; 4] = [
        ".x..", // NonExistent
        "..xx", // New
        "..xx", // Online
        "x.xx", // Offline
    ];
    const REPLICA: [&str; 7] = [
        ".x.....", // NonExistent
        "..xx...", // New
        "..xx...", // Online
        "..xxx.x", // Offline
        ".....xx", // DeletionStarted
        "x......", // DeletionSuccessful
        "..xx...", // DeletionIneligible
    ];

    fn check<P: Copy + std::fmt::Debug>(all: &[P], table: &[&str], may_become: impl Fn(P, P) -> bool) {
        assert_eq!(all.len(), table.len());
        for (from, row) in all.iter().zip(table) {
            for (to, cell) in all.iter().zip(row.chars()) {
                assert_eq!(may_become(*from, *to), cell == 'x', "{from:?} to {to:?}");
            }
        }
    }

    #[test]
    fn every_pair_of_phases_follows_the_table() {
        check(&PartitionPhase::ALL, &PARTITION, PartitionPhase::may_become);
        check(&ReplicaPhase::ALL, &REPLICA, ReplicaPhase::may_become);
    }
}
