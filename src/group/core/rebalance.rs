//! A rebalance from its beginning to the new generation: Stable → PreparingRebalance → CompletingRebalance, with the
//! deadlines that keep it going when members do not come.

use std::collections::BTreeMap;

use super::answer::{JoinReply, Refusal, Reply};
use super::deadlines::Due;
use super::group::{Group, JoinRound};
use super::state::State;
use super::{MemberId, Then, Turn, join, sync};

/// Starts a rebalance unless one is collecting members already.
pub(super) fn maybe_prepare(turn: &mut Turn<'_>, group: &mut Group, reason: &str) {
    if group.state.may_become(State::PreparingRebalance) {
        prepare(turn, group, reason);
    }
}

/// Starts a rebalance: whoever waits for an assignment must join again.
pub(super) fn prepare(turn: &mut Turn<'_>, group: &mut Group, reason: &str) {
    if group.state == State::CompletingRebalance {
        sync::propagate_refusal(turn, group, Refusal::RebalanceInProgress);
    }
    group.pending_sync.clear();
    turn.deadlines.clear(&Due::Sync(group.id.clone()));
    let was_empty = group.state == State::Empty;
    turn.note(format!(
        "group {}: preparing to rebalance in state {} with old generation {}: {reason}",
        group.id, group.state, group.generation_id
    ));
    group.become_state(State::PreparingRebalance, turn.now);
    if was_empty {
        let delay_ms = turn.settings.initial_rebalance_delay_ms;
        let remaining_ms = group.rebalance_timeout_ms().saturating_sub(delay_ms);
        group.join_round = JoinRound::Initial { delay_ms, remaining_ms };
        turn.set(Due::Join(group.id.clone()), delay_ms);
    } else {
        open_round(turn, group);
        try_complete_join(turn, group);
    }
}

fn open_round(turn: &mut Turn<'_>, group: &mut Group) {
    group.join_round = JoinRound::Open;
    turn.set(Due::Join(group.id.clone()), group.rebalance_timeout_ms());
}

/// Ends the collecting of members if all are there.
pub(super) fn try_complete_join(turn: &mut Turn<'_>, group: &mut Group) {
    if group.state == State::PreparingRebalance && group.join_round == JoinRound::Open && group.all_joined() {
        complete_join(turn, group);
    }
}

/// The time for joining is up.
pub(super) fn join_deadline(turn: &mut Turn<'_>, group: &mut Group) {
    if group.state != State::PreparingRebalance {
        return;
    }
    match group.join_round {
        JoinRound::Initial { delay_ms, remaining_ms } if group.new_member_added && remaining_ms != 0 => {
            group.new_member_added = false;
            let next_ms = turn.settings.initial_rebalance_delay_ms.min(remaining_ms);
            let remaining_ms = remaining_ms.saturating_sub(delay_ms);
            group.join_round = JoinRound::Initial { delay_ms: next_ms, remaining_ms };
            turn.set(Due::Join(group.id.clone()), next_ms);
        }
        JoinRound::Initial { .. } | JoinRound::Open => complete_join(turn, group),
    }
}

/// Whoever has not joined is out, unless static; the rest are the next generation.
fn complete_join(turn: &mut Turn<'_>, group: &mut Group) {
    turn.deadlines.clear(&Due::Join(group.id.clone()));
    let is_missing =
        |member: &&super::member::Member| member.awaiting_join.is_none() && member.group_instance_id.is_none();
    let missing = group.members.values().filter(is_missing).map(|member| member.id.clone()).collect::<Vec<_>>();
    for id in &missing {
        turn.note(format!("group {}: member {id} did not join in time and is removed", group.id));
        drop_member(turn, group, id, Refusal::UnknownMemberId);
    }
    if !group.members.is_empty() && !group.elect_joined_leader() {
        // Static members only, and none has come: wait until their sessions end.
        turn.note(format!("group {}: no member joined, waiting on", group.id));
        return open_round(turn, group);
    }
    group.begin_generation(turn.now);
    if group.state == State::Empty {
        turn.note(format!("group {}: generation {} is empty", group.id, group.generation_id));
        return turn.append(vec![group.to_record(&BTreeMap::new())], Then::Nothing);
    }
    announce_generation(turn, group);
}

fn announce_generation(turn: &mut Turn<'_>, group: &mut Group) {
    turn.note(format!("group {}: generation {} has {} members", group.id, group.generation_id, group.members.len()));
    let ids = group.members.keys().cloned().collect::<Vec<_>>();
    for id in &ids {
        if let Some(token) = group.take_join(id) {
            turn.reply(token, Reply::Join(join::current_generation(group, id)));
        }
        if let Some(member) = group.members.get_mut(id) {
            member.is_new = false;
        }
        turn.arm_session(group, id);
    }
    group.pending_sync = ids.into_iter().collect();
    turn.set(Due::Sync(group.id.clone()), group.rebalance_timeout_ms());
}

/// A member has sent SyncGroup; when all have, nobody is waited for any more.
pub(super) fn synced(turn: &mut Turn<'_>, group: &mut Group, id: &str) {
    group.pending_sync.remove(id);
    if group.pending_sync.is_empty() {
        turn.deadlines.clear(&Due::Sync(group.id.clone()));
    }
}

/// Members that joined but never asked for their assignment are out, and the rest start again
/// (`DelayedSync`).
pub(super) fn sync_deadline(turn: &mut Turn<'_>, group: &mut Group) {
    if !matches!(group.state, State::CompletingRebalance | State::Stable) || group.pending_sync.is_empty() {
        return;
    }
    for id in std::mem::take(&mut group.pending_sync) {
        turn.note(format!("group {}: member {id} did not sync in time and is removed", group.id));
        drop_member(turn, group, &id, Refusal::UnknownMemberId);
    }
    prepare(turn, group, "members did not sync in time");
}

/// A member is gone: the others share its work, or wait for one fewer.
pub(super) fn remove_member(turn: &mut Turn<'_>, group: &mut Group, id: &MemberId, reason: &str) {
    drop_member(turn, group, id, Refusal::UnknownMemberId);
    match group.state {
        State::Stable | State::CompletingRebalance => maybe_prepare(turn, group, reason),
        State::PreparingRebalance => try_complete_join(turn, group),
        State::Empty | State::Dead => {}
    }
}

/// Takes a member out and answers what it still waits for.
pub(super) fn drop_member(turn: &mut Turn<'_>, group: &mut Group, id: &MemberId, refusal: Refusal) {
    turn.disarm_session(group, id);
    let Some(member) = group.remove(id) else { return };
    if let Some(token) = member.awaiting_join {
        turn.reply(token, Reply::Join(JoinReply::refused("", refusal)));
    }
    if let Some(token) = member.awaiting_sync {
        turn.reply(token, Reply::Sync(Err(refusal)));
    }
}
