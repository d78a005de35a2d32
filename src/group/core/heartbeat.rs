//! Heartbeats, and what happens when they stay away.

use std::collections::HashMap;

use super::answer::{Refusal, Reply};
use super::group::Group;
use super::state::State;
use super::{Caller, GroupId, MemberId, Token, Turn, rebalance};

/// Takes a Heartbeat.
pub(super) fn heartbeat(turn: &mut Turn<'_>, groups: &mut HashMap<GroupId, Group>, token: Token, caller: &Caller) {
    let outcome = match groups.get(&caller.group) {
        None => Err(Refusal::UnknownMemberId),
        Some(group) => beat(turn, group, caller),
    };
    turn.reply(token, Reply::Heartbeat(outcome));
}

fn beat(turn: &mut Turn<'_>, group: &Group, caller: &Caller) -> Result<(), Refusal> {
    if group.state == State::Dead {
        return Err(Refusal::CoordinatorNotAvailable);
    }
    caller.check(group)?;
    match group.state {
        State::Empty | State::Dead => Err(Refusal::UnknownMemberId),
        State::PreparingRebalance => {
            turn.arm_session(group, &caller.member_id);
            Err(Refusal::RebalanceInProgress)
        }
        State::CompletingRebalance | State::Stable => {
            turn.arm_session(group, &caller.member_id);
            Ok(())
        }
    }
}

/// A member was silent for its session timeout. One that waits for us is excused: its session starts again with the
/// answer.
pub(super) fn session_expired(turn: &mut Turn<'_>, group: &mut Group, id: &MemberId) {
    if group.pending_members.remove(id) {
        turn.note(format!("group {}: pending member {id} did not come back", group.id));
        return rebalance::try_complete_join(turn, group);
    }
    let Some(member) = group.members.get(id) else { return };
    if !member.is_excused() {
        turn.note(format!("group {}: member {id} has failed and is removed", group.id));
        rebalance::remove_member(turn, group, id, "a member's session expired");
    }
}
