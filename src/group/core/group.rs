//! One group: its members, its generation, its offsets. Kafka: `GroupMetadata.scala`.
//!
//! Invariants: `static_members` names exactly the members with an instance id; `leader` is a member unless there are
//! none; `supported` counts, per protocol, the members that can do it; `awaiting_join` counts the members whose
//! JoinGroup is parked. Members change only through [`Group::add`], [`Group::remove`], [`Group::update`] and
//! [`Group::rename_static`], which keep them.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use zk_paths::ids::{Offset, TopicName, TopicPartition};

use super::member::{Member, Protocol};
use super::record::{GroupValue, MemberValue, OffsetValue, Record};
use super::state::State;
use super::subscription::{self, CONSUMER};
use super::{GroupId, MemberId, Now, Text, Token};

/// A committed offset and where in the log it was committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// First offset of the batch that holds the commit. Of two commits the later one in the log counts.
    pub record_offset: Offset,
    /// What was committed.
    pub value: OffsetValue,
}

/// How the joins of a rebalance are collected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinRound {
    /// Ends when all known members have joined, or at the deadline.
    Open,
    /// The first rebalance of an empty group: ends at the deadline only, so that members that start together find
    /// each other (`InitialDelayedJoin`). A newcomer lengthens it while `remaining_ms` lasts.
    Initial {
        /// This round's length.
        delay_ms: u64,
        /// How much the following rounds may take in all.
        remaining_ms: u64,
    },
}

/// A group.
#[derive(Debug)]
pub struct Group {
    /// Its name.
    pub id: GroupId,
    /// What it is doing.
    pub state: State,
    /// Since when, milliseconds since 1970; unknown when it was loaded from a value of the oldest versions.
    pub state_since_ms: Option<i64>,
    /// `consumer`, `connect` …; none while nobody has ever joined.
    pub protocol_type: Option<Text>,
    /// What the members of this generation agreed on.
    pub protocol: Option<Text>,
    /// Counts the rebalances.
    pub generation_id: i32,
    /// The member that computes the assignment.
    pub leader: Option<MemberId>,
    /// The members by id.
    pub members: BTreeMap<MemberId, Member>,
    /// Member ids by instance id.
    pub static_members: BTreeMap<Text, MemberId>,
    /// Ids that were handed out with MEMBER_ID_REQUIRED and have not come back yet (KIP-394).
    pub pending_members: BTreeSet<MemberId>,
    /// Members of this generation that have not sent SyncGroup yet.
    pub pending_sync: BTreeSet<MemberId>,
    /// How joins are collected, in PreparingRebalance.
    pub join_round: JoinRound,
    /// Somebody new came during the initial delay.
    pub new_member_added: bool,
    /// What a group of type `consumer` reads; none when unknown.
    pub subscribed: Option<BTreeSet<TopicName>>,
    /// Committed offsets.
    pub offsets: BTreeMap<TopicPartition, Committed>,
    /// Partitions with commits that are being written, and how many.
    pub pending_commits: BTreeMap<TopicPartition, usize>,
    supported: BTreeMap<Text, usize>,
    awaiting_join: usize,
}

impl Group {
    /// An empty group that nobody has joined yet.
    pub fn new(id: GroupId, now: Now) -> Group {
        Group {
            id,
            state: State::Empty,
            state_since_ms: Some(now.wall_ms),
            protocol_type: None,
            protocol: None,
            generation_id: 0,
            leader: None,
            members: BTreeMap::new(),
            static_members: BTreeMap::new(),
            pending_members: BTreeSet::new(),
            pending_sync: BTreeSet::new(),
            join_round: JoinRound::Open,
            new_member_added: false,
            subscribed: None,
            offsets: BTreeMap::new(),
            pending_commits: BTreeMap::new(),
            supported: BTreeMap::new(),
            awaiting_join: 0,
        }
    }

    /// Becomes what a stored generation says; keeps its offsets.
    pub fn restore(&mut self, value: GroupValue) {
        self.state = if value.members.is_empty() { State::Empty } else { State::Stable };
        self.state_since_ms = value.state_since_ms;
        self.protocol_type = (!value.protocol_type.is_empty()).then_some(value.protocol_type);
        self.protocol = value.protocol;
        self.generation_id = value.generation_id;
        self.members.clear();
        self.static_members.clear();
        self.supported.clear();
        self.awaiting_join = 0;
        for member in value.members {
            self.add(Member::from_value(member, self.protocol.as_ref()));
        }
        self.leader = value.leader.filter(|leader| self.members.contains_key(leader)).or_else(|| self.first_member());
        self.subscribed = self.compute_subscribed();
    }

    /// The record of this generation, with these assignments (none: an empty one).
    pub fn to_record(&self, assignments: &BTreeMap<MemberId, Bytes>) -> Record {
        let protocol = self.protocol.as_deref().unwrap_or_default();
        let members = self.members.values().map(|member| MemberValue {
            member_id: member.id.clone(),
            group_instance_id: member.group_instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            rebalance_timeout_ms: member.rebalance_timeout_ms,
            session_timeout_ms: member.session_timeout_ms,
            subscription: member.metadata(protocol),
            assignment: assignments.get(&member.id).cloned().unwrap_or_default(),
        });
        let value = GroupValue {
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            generation_id: self.generation_id,
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            state_since_ms: self.state_since_ms,
            members: members.collect(),
        };
        Record::GroupMetadata { group: self.id.clone(), value: Some(value) }
    }

    /// Moves on in the table of `state.rs`. A group that is being deleted keeps its time, in case it survives.
    pub fn become_state(&mut self, next: State, now: Now) {
        debug_assert!(self.state.may_become(next), "group {} cannot go from {} to {next}", self.id, self.state);
        if next != State::Dead && self.state != State::Dead {
            self.state_since_ms = Some(now.wall_ms);
        }
        self.state = next;
    }

    /// Adds a member; the first one leads and names the protocol type (which the caller sets).
    pub fn add(&mut self, member: Member) {
        if let Some(instance) = &member.group_instance_id {
            self.static_members.insert(instance.clone(), member.id.clone());
        }
        self.pending_members.remove(&member.id);
        self.leader.get_or_insert_with(|| member.id.clone());
        self.awaiting_join += usize::from(member.awaiting_join.is_some());
        self.count(&member.protocols, 1);
        self.members.insert(member.id.clone(), member);
    }

    /// Takes a member (or a pending one) out. Another one leads if it led.
    pub fn remove(&mut self, id: &str) -> Option<Member> {
        self.pending_members.remove(id);
        self.pending_sync.remove(id);
        let member = self.members.remove(id)?;
        self.count(&member.protocols, -1);
        self.awaiting_join -= usize::from(member.awaiting_join.is_some());
        if let Some(instance) = &member.group_instance_id {
            self.static_members.remove(instance);
        }
        if self.leader.as_deref() == Some(id) {
            self.leader = self.first_member();
        }
        Some(member)
    }

    /// What a member said in its newest JoinGroup, which is parked under `token`.
    pub fn update(&mut self, id: &str, joined: Joined, token: Option<Token>) {
        let Some(mut member) = self.members.remove(id) else { return };
        self.count(&member.protocols, -1);
        self.awaiting_join -= usize::from(member.awaiting_join.is_some());
        member.protocols = joined.protocols;
        member.rebalance_timeout_ms = joined.rebalance_timeout_ms;
        member.session_timeout_ms = joined.session_timeout_ms;
        member.awaiting_join = token;
        self.count(&member.protocols, 1);
        self.awaiting_join += usize::from(member.awaiting_join.is_some());
        self.members.insert(member.id.clone(), member);
    }

    /// Gives a static member a new id and everything its old self had.
    pub fn rename_static(&mut self, old: &str, new: &MemberId) {
        let Some(mut member) = self.members.remove(old) else { return };
        member.id = new.clone();
        if let Some(instance) = &member.group_instance_id {
            self.static_members.insert(instance.clone(), new.clone());
        }
        if self.leader.as_deref() == Some(old) {
            self.leader = Some(new.clone());
        }
        self.members.insert(new.clone(), member);
    }

    /// Takes the token of a member's parked JoinGroup, to answer it.
    pub fn take_join(&mut self, id: &str) -> Option<Token> {
        let token = self.members.get_mut(id)?.awaiting_join.take()?;
        self.awaiting_join -= 1;
        Some(token)
    }

    /// How many members have their JoinGroup parked.
    pub fn awaiting_join(&self) -> usize {
        self.awaiting_join
    }

    /// Whether nobody is missing from this rebalance.
    pub fn all_joined(&self) -> bool {
        self.members.len() == self.awaiting_join && self.pending_members.is_empty()
    }

    /// Whether a member may lead the group on from PreparingRebalance: the leader if it has joined, else another that
    /// has. False when none has.
    pub fn elect_joined_leader(&mut self) -> bool {
        let joined = |id: &MemberId| self.members.get(id).is_some_and(|member| member.awaiting_join.is_some());
        if !self.leader.as_ref().is_some_and(joined) {
            let Some(member) = self.members.values().find(|member| member.awaiting_join.is_some()) else {
                return false;
            };
            self.leader = Some(member.id.clone());
        }
        true
    }

    /// The rebalance is over: the next generation begins, with a protocol if there are members.
    pub fn begin_generation(&mut self, now: Now) {
        self.generation_id = self.generation_id.wrapping_add(1).max(0);
        self.protocol = self.select_protocol();
        self.subscribed = self.compute_subscribed();
        self.pending_sync.clear();
        self.become_state(if self.members.is_empty() { State::Empty } else { State::CompletingRebalance }, now);
    }

    /// The protocol that most members like best among those that all can do. Of equals the leader's favourite wins.
    pub fn select_protocol(&self) -> Option<Text> {
        let mut votes: BTreeMap<&Text, usize> = BTreeMap::new();
        for member in self.members.values() {
            let favourite = member.protocols.iter().find(|protocol| self.all_support(&protocol.name))?;
            *votes.entry(&favourite.name).or_default() += 1;
        }
        let most = votes.values().copied().max()?;
        let leader = self.members.get(self.leader.as_ref()?)?;
        let winner = leader.protocols.iter().find(|protocol| votes.get(&protocol.name) == Some(&most));
        winner.map(|protocol| protocol.name.clone())
    }

    /// Whether somebody who can do these protocols may join.
    pub fn supports(&self, protocol_type: &str, protocols: &[Protocol]) -> bool {
        if self.state == State::Empty {
            return !protocol_type.is_empty() && !protocols.is_empty();
        }
        self.protocol_type.as_deref() == Some(protocol_type)
            && protocols.iter().any(|protocol| self.all_support(&protocol.name))
    }

    /// The longest that any member wants a rebalance to wait; at least one millisecond.
    pub fn rebalance_timeout_ms(&self) -> u64 {
        let longest = self.members.values().map(|member| member.rebalance_timeout_ms).max();
        u64::try_from(longest.unwrap_or_default()).unwrap_or_default().max(1)
    }

    /// Whether members read the topic. Yes when in doubt.
    pub fn is_subscribed_to(&self, topic: &TopicName) -> bool {
        self.subscribed.as_ref().is_none_or(|topics| topics.contains(topic))
    }

    /// Whether its members speak the consumer protocol.
    pub fn is_consumer_group(&self) -> bool {
        self.protocol_type.as_deref() == Some(CONSUMER)
    }

    /// Whether the member leads.
    pub fn is_leader(&self, id: &str) -> bool {
        self.leader.as_deref() == Some(id)
    }

    fn all_support(&self, protocol: &str) -> bool {
        self.supported.get(protocol).copied().unwrap_or_default() == self.members.len()
    }

    fn first_member(&self) -> Option<MemberId> {
        self.members.keys().next().cloned()
    }

    fn compute_subscribed(&self) -> Option<BTreeSet<TopicName>> {
        if !self.is_consumer_group() {
            return None;
        }
        if self.members.is_empty() {
            return Some(BTreeSet::new());
        }
        let protocol = self.protocol.as_deref()?;
        let mut all = BTreeSet::new();
        for member in self.members.values() {
            all.append(&mut subscription::topics(&member.metadata(protocol))?);
        }
        Some(all)
    }

    /// A name that a client lists twice counts once.
    fn count(&mut self, protocols: &[Protocol], by: isize) {
        for (index, protocol) in protocols.iter().enumerate() {
            if protocols.iter().take(index).any(|earlier| earlier.name == protocol.name) {
                continue;
            }
            let count = self.supported.entry(protocol.name.clone()).or_default();
            *count = count.saturating_add_signed(by);
            if *count == 0 {
                self.supported.remove(&protocol.name);
            }
        }
    }
}

/// What a JoinGroup may change of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// What it can do, best first.
    pub protocols: Vec<Protocol>,
    /// How long a rebalance waits for it.
    pub rebalance_timeout_ms: i32,
    /// How long it may be silent.
    pub session_timeout_ms: i32,
}
