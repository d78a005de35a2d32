//! Who leads: one pure function per occasion (apis.md 3.11; Kafka's `Election`, `PartitionLeaderElectionAlgorithms`).
//!
//! | occasion | leader | in-sync replicas after |
//! |---|---|---|
//! | new | first online replica | all online replicas |
//! | offline | first replica that is online and in sync; unclean: first online one | online ones; unclean: only the leader |
//! | preferred | first replica, if online and in sync | unchanged |
//! | controlled shutdown | first in-sync replica that is online and not leaving | without the leaving ones |
//!
//! Every outcome raises the leader epoch by one. Order is always that of the assignment.

use std::fmt;

use zk_paths::ids::{BrokerId, ControllerEpoch, LeaderEpoch};
use zk_paths::partition_state::{LeaderRecoveryState, PartitionState};

/// Why a leader is looked for in a partition that had one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// There is none; `allow_unclean` overrides the topic's configuration.
    Offline {
        /// An operator asked for an unclean election.
        allow_unclean: bool,
    },
    /// The preferred replica shall lead again.
    Preferred,
    /// Its broker wants to leave.
    ControlledShutdown,
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Strategy::Offline { allow_unclean: false } => "in place of the one that is gone",
            Strategy::Offline { allow_unclean: true } => {
                "in place of the one that is gone, although unclean election is allowed"
            }
            Strategy::Preferred => "to prefer",
            Strategy::ControlledShutdown => "in place of the one that shuts down",
        })
    }
}

/// What an election looks at.
#[derive(Debug, Clone, Copy)]
pub struct Candidates<'a> {
    /// All replicas, the preferred one first.
    pub replicas: &'a [BrokerId],
    /// Those whose broker lives and is not leaving, and whose log directory works.
    pub online: &'a [BrokerId],
    /// Brokers in a controlled shutdown.
    pub leaving: &'a [BrokerId],
    /// The state before; an election never starts from nothing (see [`initial_state`]).
    pub current: &'a PartitionState,
}

/// What the cluster allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Written into the new state.
    pub controller_epoch: ControllerEpoch,
    /// The topic's `unclean.leader.election.enable`.
    pub unclean_allowed: bool,
    /// IBP 3.2 and later: an unclean leader starts as recovering (KIP-704).
    pub leader_recovery: bool,
}

/// A state to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elected {
    /// Leader, epoch and in-sync replicas.
    pub state: PartitionState,
    /// The leader was not in sync: records may be lost.
    pub unclean: bool,
}

/// The first state of a new partition; `None` while no replica is online.
pub fn initial_state(online: &[BrokerId], controller_epoch: ControllerEpoch) -> Option<PartitionState> {
    Some(PartitionState {
        leader: *online.first()?,
        leader_epoch: LeaderEpoch(0),
        isr: online.to_vec(),
        leader_recovery_state: LeaderRecoveryState::Recovered,
        controller_epoch,
    })
}

/// Looks for a leader; `None` leaves everything as it is.
pub fn elect(strategy: Strategy, candidates: Candidates<'_>, rules: Rules) -> Option<Elected> {
    match strategy {
        Strategy::Offline { allow_unclean } => elect_offline(candidates, rules, allow_unclean),
        Strategy::Preferred => {
            let preferred = candidates.replicas.first().filter(|replica| candidates.is_eligible(**replica))?;
            Some(clean(candidates.current.isr.clone(), *preferred, candidates.current, rules))
        }
        Strategy::ControlledShutdown => {
            let leader = candidates.replicas.iter().find(|replica| candidates.is_eligible(**replica))?;
            let stays = |replica: &BrokerId| !candidates.leaving.contains(replica);
            let isr = candidates.current.isr.iter().copied().filter(stays).collect();
            Some(clean(isr, *leader, candidates.current, rules))
        }
    }
}

/// The state after these replicas left the in-sync set: without a leader if it was one of them. `None` when none of them
/// is in the set. A set that would become empty stays as it is: whoever of it returns first has every acknowledged
/// record. (Kafka removes one broker at a time and so keeps the last one only.)
pub fn remove_from_isr(
    removed: &[BrokerId],
    current: &PartitionState,
    controller_epoch: ControllerEpoch,
) -> Option<PartitionState> {
    if !current.isr.iter().any(|replica| removed.contains(replica)) {
        return None;
    }
    let remaining: Vec<_> = current.isr.iter().copied().filter(|replica| !removed.contains(replica)).collect();
    let isr = if remaining.is_empty() { current.isr.clone() } else { remaining };
    let leader = if removed.contains(&current.leader) { BrokerId::NONE } else { current.leader };
    Some(PartitionState { leader, isr, ..raised(current, controller_epoch) })
}

fn elect_offline(candidates: Candidates<'_>, rules: Rules, allow_unclean: bool) -> Option<Elected> {
    let current = candidates.current;
    if let Some(leader) = candidates.replicas.iter().find(|replica| candidates.is_eligible(**replica)) {
        let online = |replica: &BrokerId| candidates.online.contains(replica);
        let isr = current.isr.iter().copied().filter(online).collect();
        return Some(clean(isr, *leader, current, rules));
    }
    if !(allow_unclean || rules.unclean_allowed) {
        return None;
    }
    let leader = *candidates.replicas.iter().find(|replica| candidates.online.contains(replica))?;
    let mut state = PartitionState { leader, isr: vec![leader], ..raised(current, rules.controller_epoch) };
    if rules.leader_recovery {
        state.leader_recovery_state = LeaderRecoveryState::Recovering;
    }
    Some(Elected { state, unclean: true })
}

fn clean(isr: Vec<BrokerId>, leader: BrokerId, current: &PartitionState, rules: Rules) -> Elected {
    Elected { state: PartitionState { leader, isr, ..raised(current, rules.controller_epoch) }, unclean: false }
}

fn raised(current: &PartitionState, controller_epoch: ControllerEpoch) -> PartitionState {
    let leader_epoch = LeaderEpoch(current.leader_epoch.0.saturating_add(1));
    PartitionState { leader_epoch, controller_epoch, ..current.clone() }
}

impl Candidates<'_> {
    /// Online and in sync.
    fn is_eligible(&self, replica: BrokerId) -> bool {
        self.online.contains(&replica) && self.current.isr.contains(&replica)
    }
}

#[cfg(test)]
mod tests {
    use super::Strategy::*;
    use super::*;

    const OFFLINE: Strategy = Offline { allow_unclean: false };

    fn brokers(text: &str, key: &str) -> Vec<BrokerId> {
        let value = text.split(' ').find_map(|part| part.strip_prefix(key)).unwrap_or_default();
        value.split(',').filter(|id| !id.is_empty()).map(|id| BrokerId(id.parse().unwrap())).collect()
    }

    fn state(text: &str) -> PartitionState {
        PartitionState {
            leader: brokers(text, "leader=").first().copied().unwrap_or(BrokerId::NONE),
            leader_epoch: LeaderEpoch(4),
            isr: brokers(text, "isr="),
            leader_recovery_state: LeaderRecoveryState::Recovered,
            controller_epoch: ControllerEpoch(1),
        }
    }

    fn describe(state: &PartitionState) -> String {
        assert_eq!((state.leader_epoch, state.controller_epoch), (LeaderEpoch(5), ControllerEpoch(2)));
        let isr: Vec<_> = state.isr.iter().map(BrokerId::to_string).collect();
        let recovering =
            if state.leader_recovery_state == LeaderRecoveryState::Recovering { " recovering" } else { "" };
        format!("leader={} isr={}{recovering}", state.leader, isr.join(","))
    }

    fn check(strategy: Strategy, before: &str, expected: &str) {
        let candidates = Candidates {
            replicas: &brokers(before, "replicas="),
            online: &brokers(before, "live="),
            leaving: &brokers(before, "leaving="),
            current: &state(before),
        };
        let rules = Rules {
            controller_epoch: ControllerEpoch(2),
            unclean_allowed: before.contains("unclean"),
            leader_recovery: !before.contains("old-ibp"),
        };
        let after = elect(strategy, candidates, rules);
        let after = after.map_or("no change".into(), |elected| {
            format!("{}{}", describe(&elected.state), if elected.unclean { " unclean" } else { "" })
        });
        assert_eq!(after, expected, "{strategy:?} {before}");
    }

    #[test]
    fn an_offline_partition_gets_the_first_live_in_sync_replica() {
        check(OFFLINE, "replicas=1,2,3 isr=3,2 live=2,3 leader=1", "leader=2 isr=3,2");
        check(OFFLINE, "replicas=1,2,3 isr=1,3 live=2,3 leader=1", "leader=3 isr=3");
        check(OFFLINE, "replicas=1,2,3 isr=1 live=2,3 leader=1", "no change");
        check(OFFLINE, "replicas=1,2 isr=1,2 live= leader=1", "no change");
    }

    #[test]
    fn an_unclean_leader_is_alone_and_recovers() {
        check(OFFLINE, "replicas=1,2,3 isr=1 live=3,2 unclean", "leader=2 isr=2 recovering unclean");
        check(OFFLINE, "replicas=1,2,3 isr=1 live=2 unclean old-ibp", "leader=2 isr=2 unclean");
        check(OFFLINE, "replicas=1,2,3 isr=1,3 live=2,3 unclean", "leader=3 isr=3");
        check(OFFLINE, "replicas=1,2,3 isr=1 live= unclean", "no change");
        check(Offline { allow_unclean: true }, "replicas=1,2 isr=1 live=2", "leader=2 isr=2 recovering unclean");
    }

    #[test]
    fn preferred_replica_outside_the_isr_is_not_elected() {
        check(Preferred, "replicas=1,2,3 isr=2,3 live=1,2,3 leader=2", "no change");
        check(Preferred, "replicas=1,2,3 isr=2,1 live=2,3 leader=2", "no change");
        check(Preferred, "replicas=1,2,3 isr=2,1 live=1,2,3 leader=2", "leader=1 isr=2,1");
    }

    #[test]
    fn a_leaving_broker_hands_over_to_one_that_stays() {
        check(ControlledShutdown, "replicas=1,2,3 isr=1,2,3 live=2,3 leaving=1 leader=1", "leader=2 isr=2,3");
        check(ControlledShutdown, "replicas=1,2,3 isr=1,2,3 live=3 leaving=1,2 leader=1", "leader=3 isr=3");
        check(ControlledShutdown, "replicas=1,2 isr=1 live=2 leaving=1 leader=1", "no change");
    }

    #[test]
    fn the_in_sync_set_never_becomes_empty() {
        let removed = |ids: &str, before: &str| {
            let after = remove_from_isr(&brokers(ids, ""), &state(before), ControllerEpoch(2));
            after.map_or("no change".into(), |state| describe(&state))
        };
        assert_eq!(removed("2", "isr=1,2,3 leader=1"), "leader=1 isr=1,3");
        assert_eq!(removed("1", "isr=1,2 leader=1"), "leader=-1 isr=2");
        assert_eq!(removed("1", "isr=1 leader=1"), "leader=-1 isr=1");
        assert_eq!(removed("1,2", "isr=1,2 leader=1"), "leader=-1 isr=1,2");
        assert_eq!(removed("3", "isr=1,2 leader=1"), "no change");
    }

    #[test]
    fn a_new_partition_waits_for_its_first_live_replica() {
        assert_eq!(initial_state(&[], ControllerEpoch(2)), None);
        let state = initial_state(&[BrokerId(2), BrokerId(3)], ControllerEpoch(2)).unwrap();
        assert_eq!((state.leader, state.isr.len(), state.leader_epoch), (BrokerId(2), 2, LeaderEpoch(0)));
    }
}
