//! OffsetCommit and the reading of committed offsets.
//!
//! A commit is in memory when it is in the log, not before. While it is on its way its partition counts as unstable for
//! those who ask for stable offsets (OffsetFetch 7 and newer).

use std::collections::{BTreeMap, HashMap};

use zk_paths::ids::TopicPartition;

use super::answer::{AppendFailure, Fetched, FetchedOffsets, Refusal, Reply};
use super::group::Group;
use super::record::{OffsetValue, Record};
use super::state::State;
use super::{Caller, GroupId, Shard, Then, Token, Turn};

/// What became of each partition of a request.
pub type Outcomes = BTreeMap<TopicPartition, Result<(), Refusal>>;

/// An OffsetCommit request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Who commits.
    pub caller: Caller,
    /// What.
    pub offsets: BTreeMap<TopicPartition, OffsetValue>,
}

/// Takes an OffsetCommit.
pub(super) fn commit(turn: &mut Turn<'_>, groups: &mut HashMap<GroupId, Group>, token: Token, commit: Commit) {
    let Commit { caller, offsets } = commit;
    if !groups.contains_key(&caller.group) {
        if caller.generation_id >= 0 {
            return refuse(turn, token, &offsets, Refusal::IllegalGeneration);
        }
        // Kafka keeps the offsets of consumers that assign their partitions themselves, too.
        groups.insert(caller.group.clone(), Group::new(caller.group.clone(), turn.now));
    }
    let Some(group) = groups.get_mut(&caller.group) else { return };
    if let Err(refusal) = check(group, &caller) {
        return refuse(turn, token, &offsets, refusal);
    }
    if !group.members.is_empty() {
        turn.arm_session(group, &caller.member_id);
    }
    store(turn, group, token, offsets);
}

fn check(group: &Group, caller: &Caller) -> Result<(), Refusal> {
    if group.state == State::Dead {
        return Err(Refusal::CoordinatorNotAvailable);
    }
    if caller.generation_id < 0 && group.state == State::Empty {
        return Ok(());
    }
    let says_who = caller.generation_id >= 0 || !caller.member_id.is_empty() || caller.group_instance_id.is_some();
    if !says_who {
        return Err(Refusal::UnknownMemberId);
    }
    caller.check(group)?;
    match group.state {
        // The member knows the new generation and has no assignment of it yet: what it commits is of the old one.
        State::CompletingRebalance => Err(Refusal::RebalanceInProgress),
        // A commit is still welcome while members are collected: their heartbeats tell them to join.
        State::PreparingRebalance | State::Stable | State::Empty | State::Dead => Ok(()),
    }
}

fn store(turn: &mut Turn<'_>, group: &mut Group, token: Token, offsets: BTreeMap<TopicPartition, OffsetValue>) {
    let limit = turn.settings.offset_metadata_max_length;
    let mut outcomes = Outcomes::new();
    let mut records = Vec::new();
    for (partition, value) in offsets {
        if value.metadata.encode_utf16().count() > limit {
            outcomes.insert(partition, Err(Refusal::OffsetMetadataTooLarge));
            continue;
        }
        outcomes.insert(partition.clone(), Ok(()));
        *group.pending_commits.entry(partition.clone()).or_default() += 1;
        records.push(Record::OffsetCommit { group: group.id.clone(), partition, value: Some(value) });
    }
    if records.is_empty() {
        return turn.reply(token, Reply::Commit(outcomes));
    }
    turn.append(records, Then::Commit { token, group: group.id.clone(), outcomes });
}

/// The append of a commit has come back, whatever came of it.
pub(super) fn no_longer_pending(groups: &mut HashMap<GroupId, Group>, group: &GroupId, records: &[Record]) {
    let Some(group) = groups.get_mut(group) else { return };
    for record in records {
        let Record::OffsetCommit { partition, .. } = record else { continue };
        if let Some(count) = group.pending_commits.get_mut(partition) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                group.pending_commits.remove(partition);
            }
        }
    }
}

/// Answers a commit whose append has come back.
pub(super) fn committed(turn: &mut Turn<'_>, token: Token, mut outcomes: Outcomes, outcome: Result<(), AppendFailure>) {
    if let Err(failure) = outcome {
        outcomes.values_mut().filter(|one| one.is_ok()).for_each(|one| *one = Err(failure.for_commit()));
    }
    turn.reply(token, Reply::Commit(outcomes));
}

fn refuse(turn: &mut Turn<'_>, token: Token, offsets: &BTreeMap<TopicPartition, OffsetValue>, refusal: Refusal) {
    let outcomes = offsets.keys().map(|partition| (partition.clone(), Err(refusal))).collect();
    turn.reply(token, Reply::Commit(outcomes));
}

impl Shard {
    /// The committed offsets of these partitions, or of all. Any group, whatever its state.
    pub fn fetch(&self, group: &str, require_stable: bool, partitions: Option<&[TopicPartition]>) -> FetchedOffsets {
        let group = self.groups.get(group).filter(|group| group.state != State::Dead);
        let all = || group.iter().flat_map(|group| group.offsets.keys()).cloned().collect();
        let partitions = partitions.map_or_else(all, <[_]>::to_vec);
        let fetched = |partition: TopicPartition| {
            let fetched = group.map_or(Fetched::None, |group| self.fetch_one(group, require_stable, &partition));
            (partition, fetched)
        };
        partitions.into_iter().map(fetched).collect()
    }

    fn fetch_one(&self, group: &Group, require_stable: bool, partition: &TopicPartition) -> Fetched {
        if require_stable && (group.pending_commits.contains_key(partition) || self.is_transactional(group, partition))
        {
            return Fetched::Unstable;
        }
        group.offsets.get(partition).map_or(Fetched::None, |committed| Fetched::Offset(committed.value.clone()))
    }

    fn is_transactional(&self, group: &Group, partition: &TopicPartition) -> bool {
        !self.transactional.is_empty() && {
            let key = (group.id.clone(), partition.clone());
            self.transactional.values().any(|pending| pending.contains_key(&key))
        }
    }
}
