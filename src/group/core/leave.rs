//! LeaveGroup: members that go, or are sent away by their instance id.

use std::collections::HashMap;

use super::answer::{Refusal, Reply};
use super::group::Group;
use super::state::State;
use super::{GroupId, MemberId, Text, Token, Turn, check_member, rebalance};

/// A LeaveGroup request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leave {
    /// The group.
    pub group: GroupId,
    /// Who goes; one before version 3.
    pub members: Vec<Leaving>,
}

/// One member that goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaving {
    /// Empty when an administrator names the instance instead.
    pub member_id: MemberId,
    /// `group.instance.id`.
    pub group_instance_id: Option<Text>,
    /// Why, in the client's words.
    pub reason: Option<Text>,
}

/// Takes a LeaveGroup.
pub(super) fn leave(turn: &mut Turn<'_>, groups: &mut HashMap<GroupId, Group>, token: Token, leave: Leave) {
    let outcome = match groups.get_mut(&leave.group) {
        None => Ok(leave.members.iter().map(|_| Err(Refusal::UnknownMemberId)).collect()),
        Some(group) if group.state == State::Dead => Err(Refusal::CoordinatorNotAvailable),
        Some(group) => Ok(leave.members.iter().map(|leaving| leave_one(turn, group, leaving)).collect()),
    };
    turn.reply(token, Reply::Leave(outcome));
}

fn leave_one(turn: &mut Turn<'_>, group: &mut Group, leaving: &Leaving) -> Result<(), Refusal> {
    let instance = leaving.group_instance_id.as_ref();
    let id = if leaving.member_id.is_empty() {
        instance.and_then(|instance| group.static_members.get(instance)).cloned().ok_or(Refusal::UnknownMemberId)?
    } else {
        leaving.member_id.clone()
    };
    if group.pending_members.remove(&id) {
        turn.disarm_session(group, &id);
        rebalance::try_complete_join(turn, group);
        return Ok(());
    }
    check_member(group, &id, instance)?;
    let why = leaving.reason.as_deref().unwrap_or("no reason given");
    turn.note(format!("group {}: member {id} leaves ({why})", group.id));
    rebalance::remove_member(turn, group, &id, "a member left");
    Ok(())
}
