//! SyncGroup: the leader brings the assignment, the others wait for it. It is handed out when its record is written.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;

use super::answer::{AppendFailure, Assigned, Refusal, Reply};
use super::group::Group;
use super::state::State;
use super::{Caller, GroupId, MemberId, Text, Then, Token, Turn, rebalance};

/// A SyncGroup request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sync {
    /// Who asks.
    pub caller: Caller,
    /// What the member believes the protocol type to be (version 5 and newer).
    pub protocol_type: Option<Text>,
    /// What it believes the protocol to be (version 5 and newer).
    pub protocol: Option<Text>,
    /// From the leader: everybody's assignment.
    pub assignments: BTreeMap<MemberId, Bytes>,
}

/// Takes a SyncGroup.
pub(super) fn sync(turn: &mut Turn<'_>, groups: &mut HashMap<GroupId, Group>, token: Token, sync: Sync) {
    let Some(group) = groups.get_mut(&sync.caller.group) else {
        return refuse(turn, token, Refusal::UnknownMemberId);
    };
    if let Err(refusal) = check(group, &sync) {
        return refuse(turn, token, refusal);
    }
    let id = &sync.caller.member_id;
    match group.state {
        State::Empty | State::Dead => refuse(turn, token, Refusal::UnknownMemberId),
        State::PreparingRebalance => refuse(turn, token, Refusal::RebalanceInProgress),
        State::CompletingRebalance => park(turn, group, token, sync),
        State::Stable => {
            rebalance::synced(turn, group, id);
            let assignment = group.members.get(id).map(|member| member.assignment.clone()).unwrap_or_default();
            turn.reply(token, Reply::Sync(Ok(assigned(group, assignment))));
            turn.arm_session(group, id);
        }
    }
}

fn check(group: &Group, sync: &Sync) -> Result<(), Refusal> {
    if group.state == State::Dead {
        return Err(Refusal::CoordinatorNotAvailable);
    }
    sync.caller.check(group)?;
    let differs = |said: &Option<Text>, is: &Option<Text>| said.is_some() && said != is;
    if differs(&sync.protocol_type, &group.protocol_type) || differs(&sync.protocol, &group.protocol) {
        return Err(Refusal::InconsistentGroupProtocol);
    }
    Ok(())
}

fn park(turn: &mut Turn<'_>, group: &mut Group, token: Token, sync: Sync) {
    let id = sync.caller.member_id;
    // As with JoinGroup: a client that asks again gets its answer on the newest request.
    if let Some(member) = group.members.get_mut(&id)
        && let Some(older) = member.awaiting_sync.replace(token)
    {
        refuse(turn, older, Refusal::RebalanceInProgress);
    }
    rebalance::synced(turn, group, &id);
    if !group.is_leader(&id) {
        return;
    }
    let given = |id: &MemberId| sync.assignments.get(id).cloned().unwrap_or_default();
    let assignments = group.members.keys().map(|id| (id.clone(), given(id))).collect::<BTreeMap<_, _>>();
    let record = group.to_record(&assignments);
    let then = Then::Assign { group: group.id.clone(), generation_id: group.generation_id, assignments };
    turn.append(vec![record], then);
}

/// The assignment of a generation was written, or not. If the group has moved on meanwhile, it does not matter.
pub(super) fn stored(
    turn: &mut Turn<'_>,
    groups: &mut HashMap<GroupId, Group>,
    id: &GroupId,
    generation_id: i32,
    assignments: &BTreeMap<MemberId, Bytes>,
    outcome: Result<(), AppendFailure>,
) {
    let Some(group) = groups.get_mut(id) else { return };
    if group.state != State::CompletingRebalance || group.generation_id != generation_id {
        return;
    }
    if let Err(failure) = outcome {
        propagate_refusal(turn, group, failure.for_generation());
        return rebalance::maybe_prepare(turn, group, "the assignment could not be stored");
    }
    for member in group.members.values_mut() {
        member.assignment = assignments.get(&member.id).cloned().unwrap_or_default();
    }
    group.become_state(State::Stable, turn.now);
    propagate(turn, group, |group, assignment| Ok(assigned(group, assignment)));
}

/// Tells all who wait for an assignment that there is none.
pub(super) fn propagate_refusal(turn: &mut Turn<'_>, group: &mut Group, refusal: Refusal) {
    for member in group.members.values_mut() {
        member.assignment = Bytes::new();
    }
    propagate(turn, group, |_, _| Err(refusal));
}

/// Answers all parked SyncGroup requests. Sessions were excused while they waited: they start again.
fn propagate(turn: &mut Turn<'_>, group: &mut Group, answer: impl Fn(&Group, Bytes) -> Result<Assigned, Refusal>) {
    let ids = group.members.keys().cloned().collect::<Vec<_>>();
    for id in &ids {
        let Some(member) = group.members.get_mut(id) else { continue };
        let Some(token) = member.awaiting_sync.take() else { continue };
        let assignment = member.assignment.clone();
        turn.reply(token, Reply::Sync(answer(group, assignment)));
        turn.arm_session(group, id);
    }
}

fn assigned(group: &Group, assignment: Bytes) -> Assigned {
    Assigned { protocol_type: group.protocol_type.clone(), protocol: group.protocol.clone(), assignment }
}

fn refuse(turn: &mut Turn<'_>, token: Token, refusal: Refusal) {
    turn.reply(token, Reply::Sync(Err(refusal)));
}
