//! The end of offsets and groups: deletion on request, expiry, topics that are gone. All of it is tombstones first, and
//! memory when they are written.
//!
//! | group | its offsets expire |
//! |---|---|
//! | never had members | `offsets.retention.minutes` after the commit |
//! | Empty | that long after it became so (after the commit, when that is not known) |
//! | Stable, type `consumer` | of topics that no member reads: that long after the commit |
//! | other | not |
//!
//! An expiry time that came with the commit (OffsetCommit 2 to 4) wins over all of it. KIP-211, KIP-496.

use std::collections::{BTreeSet, HashMap};

use zk_paths::ids::{TopicName, TopicPartition};

use super::answer::{AppendFailure, Refusal, Reply};
use super::group::{Committed, Group};
use super::offsets::Outcomes;
use super::record::Record;
use super::state::State;
use super::{GroupId, Then, Token, Turn};

/// DeleteGroups, one group: with all of its offsets, if it has no members.
pub(super) fn delete_group(turn: &mut Turn<'_>, groups: &mut HashMap<GroupId, Group>, token: Token, id: &GroupId) {
    let refusal = match groups.get_mut(id) {
        None => Refusal::GroupIdNotFound,
        Some(group) => match group.state {
            State::Dead => Refusal::GroupIdNotFound,
            State::Stable | State::PreparingRebalance | State::CompletingRebalance => Refusal::NonEmptyGroup,
            State::Empty => {
                // Those on their way are written before the tombstones.
                let doomed = group.offsets.keys().chain(group.pending_commits.keys()).cloned().collect();
                let records = bury(turn, group, doomed);
                turn.note(format!("group {id}: deleted on request"));
                if records.is_empty() {
                    groups.remove(id);
                    return turn.reply(token, Reply::DeleteGroup(Ok(())));
                }
                return turn.append(records, Then::DeleteGroup { token, group: id.clone() });
            }
        },
    };
    turn.reply(token, Reply::DeleteGroup(Err(refusal)));
}

/// The tombstones of a deleted group were written, or not.
pub(super) fn group_deleted(
    turn: &mut Turn<'_>,
    groups: &mut HashMap<GroupId, Group>,
    token: Token,
    id: &GroupId,
    outcome: Result<(), AppendFailure>,
) {
    forgotten(turn, groups, id, outcome);
    turn.reply(token, Reply::DeleteGroup(outcome.map_err(AppendFailure::for_commit)));
}

/// OffsetDelete: offsets of topics that no member reads.
pub(super) fn delete_offsets(
    turn: &mut Turn<'_>,
    groups: &mut HashMap<GroupId, Group>,
    token: Token,
    id: &GroupId,
    partitions: BTreeSet<TopicPartition>,
) {
    let Some(group) = groups.get_mut(id).filter(|group| group.state != State::Dead) else {
        return turn.reply(token, Reply::DeleteOffsets(Err(Refusal::GroupIdNotFound)));
    };
    if group.state != State::Empty && !group.is_consumer_group() {
        return turn.reply(token, Reply::DeleteOffsets(Err(Refusal::NonEmptyGroup)));
    }
    let is_read = |topic: &TopicName| group.state != State::Empty && group.is_subscribed_to(topic);
    let outcome = |partition: &TopicPartition| {
        if is_read(&partition.topic) { Err(Refusal::GroupSubscribedToTopic) } else { Ok(()) }
    };
    let outcomes = partitions.iter().map(|partition| (partition.clone(), outcome(partition))).collect::<Outcomes>();
    let doomed =
        partitions.into_iter().filter(|partition| has(group, partition) && !is_read(&partition.topic)).collect();
    let records = bury(turn, group, doomed);
    if records.is_empty() {
        drop_if_dead(groups, id);
        return turn.reply(token, Reply::DeleteOffsets(Ok(outcomes)));
    }
    turn.append(records, Then::DeleteOffsets { token, group: id.clone(), outcomes });
}

/// The tombstones of deleted offsets were written, or not.
pub(super) fn offsets_deleted(
    turn: &mut Turn<'_>,
    groups: &mut HashMap<GroupId, Group>,
    token: Token,
    id: &GroupId,
    mut outcomes: Outcomes,
    outcome: Result<(), AppendFailure>,
) {
    forgotten(turn, groups, id, outcome);
    if let Err(failure) = outcome {
        outcomes.values_mut().filter(|one| one.is_ok()).for_each(|one| *one = Err(failure.for_commit()));
    }
    turn.reply(token, Reply::DeleteOffsets(Ok(outcomes)));
}

/// Partitions were deleted from the cluster: nobody can go on reading them.
pub(super) fn forget_partitions(
    turn: &mut Turn<'_>,
    groups: &mut HashMap<GroupId, Group>,
    partitions: &BTreeSet<TopicPartition>,
) {
    forget(turn, groups, |_, group| partitions.iter().filter(|partition| has(group, partition)).cloned().collect());
}

/// Buries what has expired.
pub(super) fn expire(turn: &mut Turn<'_>, groups: &mut HashMap<GroupId, Group>) {
    forget(turn, groups, |turn, group| {
        let is_due =
            |(partition, committed): &(&TopicPartition, &Committed)| has_expired(turn, group, partition, committed);
        group.offsets.iter().filter(is_due).map(|(partition, _)| partition.clone()).collect()
    });
}

fn has_expired(turn: &Turn<'_>, group: &Group, partition: &TopicPartition, committed: &Committed) -> bool {
    let committed_ms = committed.value.commit_timestamp_ms;
    let since_ms = match (&group.protocol_type, group.state) {
        (Some(_), State::Empty) => group.state_since_ms.unwrap_or(committed_ms),
        (Some(_), State::Stable) if group.is_consumer_group() && !group.is_subscribed_to(&partition.topic) => {
            committed_ms
        }
        (None, _) => committed_ms,
        _ => return false,
    };
    let is_over = match committed.value.expire_timestamp_ms {
        Some(expire_ms) => turn.now.wall_ms >= expire_ms,
        None => turn.now.wall_ms.saturating_sub(since_ms) >= turn.settings.offsets_retention_ms,
    };
    is_over && !group.pending_commits.contains_key(partition)
}

fn forget(
    turn: &mut Turn<'_>,
    groups: &mut HashMap<GroupId, Group>,
    doomed: impl Fn(&Turn<'_>, &Group) -> BTreeSet<TopicPartition>,
) {
    for group in groups.values_mut().filter(|group| group.state != State::Dead) {
        let doomed = doomed(turn, group);
        let count = doomed.len();
        let records = bury(turn, group, doomed);
        if !records.is_empty() {
            turn.note(format!("group {}: {count} offsets expired or lost their partition", group.id));
            turn.append(records, Then::Forget { group: group.id.clone() });
        }
    }
    // What never was in the log needs no tombstone.
    groups.retain(|_, group| group.state != State::Dead || needs_tombstones(group));
}

/// The tombstones of offsets, and of the group if nothing is left of it; a group that only committed (generation 0) has
/// no record of its own.
fn bury(turn: &mut Turn<'_>, group: &mut Group, doomed: BTreeSet<TopicPartition>) -> Vec<Record> {
    let survives = |partition: &TopicPartition| !doomed.contains(partition);
    let is_left = group.offsets.keys().any(survives) || group.pending_commits.keys().any(survives);
    let tombstone = |partition| Record::OffsetCommit { group: group.id.clone(), partition, value: None };
    let mut records = doomed.iter().cloned().map(tombstone).collect::<Vec<_>>();
    if group.state == State::Empty && !is_left {
        group.become_state(State::Dead, turn.now);
        if group.generation_id > 0 {
            records.push(Record::GroupMetadata { group: group.id.clone(), value: None });
        }
    }
    records
}

/// Tombstones came back. Replaying them has removed the group if they were written; if not, it lives on.
pub(super) fn forgotten(
    turn: &mut Turn<'_>,
    groups: &mut HashMap<GroupId, Group>,
    id: &GroupId,
    outcome: Result<(), AppendFailure>,
) {
    let Some(group) = groups.get_mut(id).filter(|group| group.state == State::Dead) else { return };
    if outcome.is_err() || needs_tombstones(group) {
        group.become_state(State::Empty, turn.now);
    } else {
        groups.remove(id);
    }
}

fn drop_if_dead(groups: &mut HashMap<GroupId, Group>, id: &GroupId) {
    if groups.get(id).is_some_and(|group| group.state == State::Dead) {
        groups.remove(id);
    }
}

fn has(group: &Group, partition: &TopicPartition) -> bool {
    group.offsets.contains_key(partition) || group.pending_commits.contains_key(partition)
}

fn needs_tombstones(group: &Group) -> bool {
    group.generation_id > 0 || !group.offsets.is_empty() || !group.pending_commits.is_empty()
}
