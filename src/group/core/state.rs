//! The five states of a group and which may follow which. Kafka: `GroupMetadata.scala`, `GroupState`.
//!
//! | from ↓ to → | Empty | PreparingRebalance | CompletingRebalance | Stable | Dead |
//! |---|---|---|---|---|---|
//! | Empty | | a member joins | | | deleted, or its last offset expires |
//! | PreparingRebalance | everybody left | | all joined, or the time is up | | |
//! | CompletingRebalance | | a member joins, leaves or fails | | the leader's assignment is stored | |
//! | Stable | | a member joins anew, leaves or fails | | | |
//! | Dead | the tombstones were not stored | | | | |
//!
//! One difference from Kafka: there a group is dead at once and stays so; here it is dead while its tombstones are being
//! written, vanishes when they are, and is what it was before when they could not be.

use std::fmt;

/// What a group is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// No members; it lingers until its offsets have expired. Groups that only commit offsets are always here.
    Empty,
    /// Joins are collected until all known members have sent theirs.
    PreparingRebalance,
    /// The generation is settled and waits for the assignment of its leader.
    CompletingRebalance,
    /// Every member can have its assignment.
    Stable,
    /// Its tombstones are being written.
    Dead,
}

impl State {
    /// All of them.
    pub const ALL: [State; 5] =
        [State::Empty, State::PreparingRebalance, State::CompletingRebalance, State::Stable, State::Dead];

    /// The table above.
    pub fn may_become(self, next: State) -> bool {
        use State::*;
        matches!(
            (self, next),
            (Empty, PreparingRebalance | Dead)
                | (PreparingRebalance, Empty | CompletingRebalance)
                | (CompletingRebalance, PreparingRebalance | Stable)
                | (Stable, PreparingRebalance)
                | (Dead, Empty)
        )
    }

    /// The name that ListGroups and DescribeGroups show.
    pub fn name(self) -> &'static str {
        match self {
            State::Empty => "Empty",
            State::PreparingRebalance => "PreparingRebalance",
            State::CompletingRebalance => "CompletingRebalance",
            State::Stable => "Stable",
            State::Dead => "Dead",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
