//! JoinGroup: who may come in, under which id, and whether that starts a rebalance.
//!
//! A dynamic member comes twice: without an id it is given one and sent back (KIP-394, JoinGroup 4 and newer), with it
//! it is taken in. A static member (KIP-345) that comes without an id takes the place of its former self at once.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;

use super::answer::{AppendFailure, JoinReply, JoinedMember, Refusal, Reply};
use super::deadlines::Due;
use super::group::{Group, Joined};
use super::member::Member;
use super::state::State;
use super::{GroupId, MemberId, Text, Then, Token, Turn, check_member, rebalance};

/// How long the JoinGroup of a new member is kept: it knows no id yet, so it can neither heartbeat nor leave, and
/// retries of a client that has given up would pile up (`GroupCoordinator.NewMemberJoinTimeoutMs`).
const NEW_MEMBER_JOIN_TIMEOUT_MS: u64 = 5 * 60 * 1000;

/// How many ids a group hands out that have not come back. Kafka has no limit; ours keeps a flood of first joins from
/// filling the memory.
const MAX_PENDING_MEMBERS: usize = 10_000;

/// A JoinGroup request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Join {
    /// The group.
    pub group: GroupId,
    /// Empty for a newcomer.
    pub member_id: MemberId,
    /// `group.instance.id`.
    pub group_instance_id: Option<Text>,
    /// The id that a newcomer gets: client id or instance id, a dash, a random UUID.
    pub new_member_id: MemberId,
    /// `client.id`.
    pub client_id: Text,
    /// The client's address, as Java prints it.
    pub client_host: Text,
    /// `consumer`, `connect` …
    pub protocol_type: Text,
    /// Protocols and timeouts.
    pub joined: Joined,
    /// JoinGroup 4 and newer, of a dynamic member.
    pub requires_known_member_id: bool,
    /// JoinGroup 9 and newer.
    pub supports_skipping_assignment: bool,
    /// Why, in the client's words.
    pub reason: Option<Text>,
}

/// A static member that has come back to a stable group, while its new id is being stored.
#[derive(Debug)]
pub struct Replacement {
    token: Token,
    group: GroupId,
    old_member_id: MemberId,
    new_member_id: MemberId,
    /// What it could do before, to put it back.
    before: Joined,
    former_leader: Option<MemberId>,
    supports_skipping_assignment: bool,
}

/// Takes a JoinGroup.
pub(super) fn join(turn: &mut Turn<'_>, groups: &mut HashMap<GroupId, Group>, token: Token, join: Join) {
    let bounds = turn.settings.min_session_timeout_ms..=turn.settings.max_session_timeout_ms;
    if !bounds.contains(&join.joined.session_timeout_ms) {
        return refuse(turn, token, &join.member_id, Refusal::InvalidSessionTimeout);
    }
    let is_newcomer = join.member_id.is_empty();
    if is_newcomer && !groups.contains_key(&join.group) {
        groups.insert(join.group.clone(), Group::new(join.group.clone(), turn.now));
    }
    let Some(group) = groups.get_mut(&join.group) else {
        return refuse(turn, token, &join.member_id, Refusal::UnknownMemberId);
    };
    if !has_room(turn, group, &join.member_id) {
        rebalance::drop_member(turn, group, &join.member_id, Refusal::GroupMaxSizeReached);
        refuse(turn, token, "", Refusal::GroupMaxSizeReached);
    } else if group.state == State::Dead {
        refuse(turn, token, &join.member_id, Refusal::CoordinatorNotAvailable);
    } else if !group.supports(&join.protocol_type, &join.joined.protocols) {
        refuse(turn, token, &join.member_id, Refusal::InconsistentGroupProtocol);
    } else if is_newcomer {
        newcomer(turn, group, token, join);
    } else {
        returning(turn, group, token, join);
    }
    rebalance::try_complete_join(turn, group);
}

/// Whether `group.max.size` lets the member in. While members are collected those that have joined count, so that the
/// last ones to come are turned away; later all do (`GroupCoordinator.acceptJoiningMember`).
fn has_room(turn: &Turn<'_>, group: &Group, member_id: &str) -> bool {
    let member = group.members.get(member_id);
    match group.state {
        State::Empty | State::Dead => true,
        State::PreparingRebalance => {
            member.is_some_and(|member| member.awaiting_join.is_some())
                || group.awaiting_join() < turn.settings.max_size
        }
        State::CompletingRebalance | State::Stable => member.is_some() || group.members.len() < turn.settings.max_size,
    }
}

fn newcomer(turn: &mut Turn<'_>, group: &mut Group, token: Token, join: Join) {
    let known = join.group_instance_id.as_ref().and_then(|instance| group.static_members.get(instance)).cloned();
    if let Some(old_member_id) = known {
        return replace_static(turn, group, token, old_member_id, join);
    }
    if join.group_instance_id.is_none() && join.requires_known_member_id {
        return hand_out_id(turn, group, token, join);
    }
    let id = join.new_member_id.clone();
    add(turn, group, token, id, join);
}

/// MEMBER_ID_REQUIRED: the id is remembered for a session timeout.
fn hand_out_id(turn: &mut Turn<'_>, group: &mut Group, token: Token, join: Join) {
    if group.pending_members.len() >= MAX_PENDING_MEMBERS {
        return refuse(turn, token, "", Refusal::GroupMaxSizeReached);
    }
    let timeout_ms = u64::try_from(join.joined.session_timeout_ms).unwrap_or_default();
    group.pending_members.insert(join.new_member_id.clone());
    turn.set(Due::Session(group.id.clone(), join.new_member_id.clone()), timeout_ms);
    refuse(turn, token, &join.new_member_id, Refusal::MemberIdRequired);
}

fn add(turn: &mut Turn<'_>, group: &mut Group, token: Token, id: MemberId, join: Join) {
    let reason = format!("member {id} joins ({})", join.reason.as_deref().unwrap_or("no reason given"));
    if group.state == State::PreparingRebalance && group.generation_id == 0 {
        group.new_member_added = true;
    }
    if group.members.is_empty() {
        group.protocol_type = Some(join.protocol_type);
    }
    group.add(Member {
        id: id.clone(),
        group_instance_id: join.group_instance_id,
        client_id: join.client_id,
        client_host: join.client_host,
        rebalance_timeout_ms: join.joined.rebalance_timeout_ms,
        session_timeout_ms: join.joined.session_timeout_ms,
        protocols: join.joined.protocols,
        assignment: Bytes::new(),
        is_new: true,
        awaiting_join: Some(token),
        awaiting_sync: None,
    });
    turn.set(Due::Session(group.id.clone(), id), NEW_MEMBER_JOIN_TIMEOUT_MS);
    rebalance::maybe_prepare(turn, group, &reason);
}

fn returning(turn: &mut Turn<'_>, group: &mut Group, token: Token, join: Join) {
    let id = join.member_id.clone();
    if group.pending_members.contains(&id) {
        // A static member never had to ask for an id.
        if join.group_instance_id.is_some() {
            return refuse(turn, token, &id, Refusal::UnknownServerError);
        }
        return add(turn, group, token, id, join);
    }
    if let Err(refusal) = check_member(group, &id, join.group_instance_id.as_ref()) {
        return refuse(turn, token, &id, refusal);
    }
    let Some(member) = group.members.get(&id) else { return };
    let is_unchanged = member.protocols == join.joined.protocols;
    let reply_now = match group.state {
        State::CompletingRebalance => is_unchanged,
        // The leader wants a rebalance when it joins again: what it assigns may have changed, partitions for example.
        State::Stable => is_unchanged && !group.is_leader(&id),
        State::PreparingRebalance => false,
        State::Empty | State::Dead => return refuse(turn, token, &id, Refusal::UnknownMemberId),
    };
    if reply_now {
        return turn.reply(token, Reply::Join(current_generation(group, &id)));
    }
    let why = join.reason.as_deref().unwrap_or("no reason given");
    let reason = format!("member {id} joins again in state {} ({why})", group.state);
    // A client that gave up waiting and asks again on a new connection: only the newest request is answered with
    // the result. Kafka forgets the older one, here it hears that it must join again.
    if let Some(older) = group.take_join(&id) {
        refuse(turn, older, &id, Refusal::RebalanceInProgress);
    }
    group.update(&id, join.joined, Some(token));
    rebalance::maybe_prepare(turn, group, &reason);
}

/// A static member without an id: the former self is fenced, the new one gets its place. In a stable group whose
/// protocol stays the same this needs no rebalance, only a record.
fn replace_static(turn: &mut Turn<'_>, group: &mut Group, token: Token, old: MemberId, join: Join) {
    let new = join.new_member_id.clone();
    let former_leader = group.leader.clone();
    turn.note(format!("group {}: static member {old} comes back as {new}", group.id));
    fence(turn, group, &old);
    turn.disarm_session(group, &old);
    let Some(member) = group.members.get(&old) else { return };
    let before = Joined {
        protocols: member.protocols.clone(),
        rebalance_timeout_ms: member.rebalance_timeout_ms,
        session_timeout_ms: member.session_timeout_ms,
    };
    group.rename_static(&old, &new);
    group.update(&new, join.joined, Some(token));
    turn.arm_session(group, &new);
    match group.state {
        State::Stable if group.select_protocol() == group.protocol => {
            let assignments = group.members.values().map(|member| (member.id.clone(), member.assignment.clone()));
            let record = group.to_record(&assignments.collect::<BTreeMap<_, _>>());
            let replacement = Replacement {
                token,
                group: group.id.clone(),
                old_member_id: old,
                new_member_id: new,
                before,
                former_leader,
                supports_skipping_assignment: join.supports_skipping_assignment,
            };
            turn.append(vec![record], Then::ReplaceStatic(replacement));
        }
        State::Stable => rebalance::maybe_prepare(turn, group, "a static member came back with other protocols"),
        // The leader may be assigning to the old id: start again.
        State::CompletingRebalance => rebalance::prepare(turn, group, "a static member came back"),
        State::PreparingRebalance | State::Empty | State::Dead => {}
    }
}

/// Answers whatever the former self of a static member still waits for.
fn fence(turn: &mut Turn<'_>, group: &mut Group, id: &MemberId) {
    if let Some(token) = group.take_join(id) {
        refuse(turn, token, id, Refusal::FencedInstanceId);
    }
    if let Some(token) = group.members.get_mut(id).and_then(|member| member.awaiting_sync.take()) {
        turn.reply(token, Reply::Sync(Err(Refusal::FencedInstanceId)));
    }
}

/// The record of a static member's new id was written, or not.
pub(super) fn replaced(
    turn: &mut Turn<'_>,
    groups: &mut HashMap<GroupId, Group>,
    replacement: Replacement,
    outcome: Result<(), AppendFailure>,
) {
    let Replacement { token, group, old_member_id, new_member_id, before, former_leader, .. } = replacement;
    let Some(group) = groups.get_mut(&group) else { return };
    // Answered already when the member left, came back once more, or took part in a rebalance meanwhile.
    if group.members.get(&new_member_id).and_then(|member| member.awaiting_join) != Some(token) {
        return;
    }
    if let Err(failure) = outcome {
        group.update(&new_member_id, before, None);
        turn.disarm_session(group, &new_member_id);
        group.rename_static(&new_member_id, &old_member_id);
        turn.arm_session(group, &old_member_id);
        return refuse(turn, token, "", failure.for_generation());
    }
    group.take_join(&new_member_id);
    let mut reply = current_generation(group, &new_member_id);
    if replacement.supports_skipping_assignment {
        reply.skip_assignment = group.is_leader(&new_member_id);
    } else {
        // Older clients cannot be told to leave the assignment alone; a leader that is told its old id as the leader's
        // takes itself for a follower, which does as well.
        reply.leader = former_leader.unwrap_or_else(|| "".into());
        reply.members.clear();
    }
    turn.reply(token, Reply::Join(reply));
}

/// The generation as this member may see it: the leader sees all members.
pub(super) fn current_generation(group: &Group, id: &MemberId) -> JoinReply {
    let protocol = group.protocol.as_deref().unwrap_or_default();
    let members = group.members.values().filter(|_| group.is_leader(id)).map(|member| JoinedMember {
        member_id: member.id.clone(),
        group_instance_id: member.group_instance_id.clone(),
        metadata: member.metadata(protocol),
    });
    JoinReply {
        refusal: None,
        member_id: id.clone(),
        generation_id: group.generation_id,
        protocol_type: group.protocol_type.clone(),
        protocol: group.protocol.clone(),
        leader: group.leader.clone().unwrap_or_else(|| "".into()),
        skip_assignment: false,
        members: members.collect(),
    }
}

fn refuse(turn: &mut Turn<'_>, token: Token, member_id: &str, refusal: Refusal) {
    turn.reply(token, Reply::Join(JoinReply::refused(member_id, refusal)));
}
