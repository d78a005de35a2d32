//! The group coordinator's decisions for one partition of `__consumer_offsets` (a shard): who is in a group, when a
//! rebalance begins and ends, which offsets are committed. Kafka: `GroupCoordinator.scala`, `GroupMetadataManager.scala`.
//!
//! Pure: time, tokens for parked requests and new member ids come in as arguments. [`Shard::handle`] takes one
//! [`Event`] and yields [`Effects`]: replies that may go out now, and appends. An append comes back as
//! [`Event::Appended`]; what depended on it happens only then, so that nobody hears of what could still be lost.
//! Appends must be written, and come back, in the order in which they were yielded.
//!
//! Offsets and tombstones change memory through [`Shard::replay`] only, after they are written; loading calls nothing
//! else. Membership is different, as in Kafka: it lives in memory, and a record is written when a generation has its
//! assignment, so that the next coordinator can go on with it.
//!
//! In reading order: [`state`] has the table of states, [`member`], [`group`] and [`record`] the data, [`deadlines`] what
//! must happen in time. [`join`], [`rebalance`] and [`sync`] are the way to a new generation, [`heartbeat`] and [`leave`]
//! the ways out of it, [`offsets`] and [`cleanup`] the life of offsets, [`replay`] the way back from the log. [`answer`]
//! has what is said, [`subscription`] the one place that looks into a member's metadata.
//!
//! Absent: the consumer protocol of KIP-848 (ZooKeeper clusters have none), TxnOffsetCommit (transactional commits that
//! are in the log already are loaded, and pending ones answer UNSTABLE_OFFSET_COMMIT).

pub mod state;

pub mod member;

pub mod group;

pub mod record;

pub mod deadlines;

pub mod join;

pub mod rebalance;

pub mod sync;

pub mod heartbeat;

pub mod leave;

pub mod offsets;

pub mod cleanup;

pub mod replay;

pub mod answer;

pub mod subscription;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use zk_paths::ids::{Offset, ProducerId, TopicPartition};

use answer::{AppendFailure, Refusal, Reply};
use deadlines::{Deadlines, Due};
use group::{Committed, Group};
use record::Record;

/// Short shared text: ids, protocol names.
pub type Text = Arc<str>;
/// A group's name.
pub type GroupId = Text;
/// A member's id.
pub type MemberId = Text;

/// The configuration that matters here.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `group.min.session.timeout.ms`.
    pub min_session_timeout_ms: i32,
    /// `group.max.session.timeout.ms`.
    pub max_session_timeout_ms: i32,
    /// `group.max.size`.
    pub max_size: usize,
    /// `group.initial.rebalance.delay.ms`.
    pub initial_rebalance_delay_ms: u64,
    /// `offset.metadata.max.bytes`; counted in UTF-16 units, as Kafka does.
    pub offset_metadata_max_length: usize,
    /// `offsets.retention.minutes`, in milliseconds.
    pub offsets_retention_ms: i64,
}

/// The time of an event, on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since 1970: goes into records.
    pub wall_ms: i64,
    /// Milliseconds of a clock that never goes back: deadlines.
    pub monotonic_ms: u64,
}

/// Stands for a request whose reply may have to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u64);

/// Everything that can happen to a shard.
#[derive(Debug)]
pub enum Event {
    /// JoinGroup.
    Join(Token, join::Join),
    /// SyncGroup.
    Sync(Token, sync::Sync),
    /// Heartbeat.
    Heartbeat(Token, Caller),
    /// LeaveGroup.
    Leave(Token, leave::Leave),
    /// OffsetCommit.
    Commit(Token, offsets::Commit),
    /// DeleteGroups, one of its groups.
    DeleteGroup(Token, GroupId),
    /// OffsetDelete.
    DeleteOffsets(Token, GroupId, BTreeSet<TopicPartition>),
    /// Partitions are gone from the cluster, and their offsets with them.
    PartitionsDeleted(BTreeSet<TopicPartition>),
    /// Every `offsets.retention.check.interval.ms`.
    ExpireOffsets,
    /// [`Shard::next_deadline`] has come.
    Tick,
    /// An append was written at this offset, or was not.
    Appended(Append, Result<Offset, AppendFailure>),
}

/// Who calls: the part that Heartbeat, SyncGroup and OffsetCommit have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The group.
    pub group: GroupId,
    /// The generation that the member knows; -1 for none.
    pub generation_id: i32,
    /// Its id; empty for none.
    pub member_id: MemberId,
    /// `group.instance.id`.
    pub group_instance_id: Option<Text>,
}

/// What is to be done after an event.
#[derive(Debug, Default)]
pub struct Effects {
    /// Answers to requests, of this event or parked ones.
    pub replies: Vec<(Token, Reply)>,
    /// Records to be written, each append as one piece and in this order.
    pub appends: Vec<Append>,
    /// What an operator wants to read in the log.
    pub notes: Vec<String>,
}

/// Records to write, and what is to happen then.
#[derive(Debug)]
pub struct Append {
    /// At least one.
    pub records: Vec<Record>,
    then: Then,
}

/// What depends on an append.
#[derive(Debug)]
enum Then {
    /// Nothing: an empty generation was stored.
    Nothing,
    /// The members of this generation get their assignments.
    Assign { group: GroupId, generation_id: i32, assignments: BTreeMap<MemberId, Bytes> },
    /// A static member has come back under a new id, without a rebalance.
    ReplaceStatic(join::Replacement),
    /// Offsets were committed.
    Commit { token: Token, group: GroupId, outcomes: offsets::Outcomes },
    /// A group was deleted.
    DeleteGroup { token: Token, group: GroupId },
    /// Offsets were deleted.
    DeleteOffsets { token: Token, group: GroupId, outcomes: offsets::Outcomes },
    /// Offsets of this group expired, or their partitions are gone.
    Forget { group: GroupId },
}

/// The groups of one partition of `__consumer_offsets`.
#[derive(Debug)]
pub struct Shard {
    settings: Settings,
    groups: HashMap<GroupId, Group>,
    deadlines: Deadlines,
    /// Transactional commits that are loaded but neither committed nor aborted, by producer.
    transactional: BTreeMap<ProducerId, BTreeMap<(GroupId, TopicPartition), Committed>>,
}

/// What every step of an event needs beside the group.
struct Turn<'a> {
    now: Now,
    settings: &'a Settings,
    deadlines: &'a mut Deadlines,
    effects: Effects,
}

impl Shard {
    /// A shard without groups; `replay` its partition, then [`Shard::finish_loading`].
    pub fn new(settings: Settings) -> Shard {
        Shard { settings, groups: HashMap::new(), deadlines: Deadlines::default(), transactional: BTreeMap::new() }
    }

    /// When the next [`Event::Tick`] is wanted, in monotonic milliseconds.
    pub fn next_deadline(&self) -> Option<u64> {
        self.deadlines.next()
    }

    /// Takes one event.
    pub fn handle(&mut self, now: Now, event: Event) -> Effects {
        let Shard { settings, groups, deadlines, .. } = self;
        let mut turn = Turn { now, settings, deadlines, effects: Effects::default() };
        match event {
            Event::Join(token, join) => join::join(&mut turn, groups, token, join),
            Event::Sync(token, sync) => sync::sync(&mut turn, groups, token, sync),
            Event::Heartbeat(token, caller) => heartbeat::heartbeat(&mut turn, groups, token, &caller),
            Event::Leave(token, leave) => leave::leave(&mut turn, groups, token, leave),
            Event::Commit(token, commit) => offsets::commit(&mut turn, groups, token, commit),
            Event::DeleteGroup(token, group) => cleanup::delete_group(&mut turn, groups, token, &group),
            Event::DeleteOffsets(token, group, partitions) => {
                cleanup::delete_offsets(&mut turn, groups, token, &group, partitions);
            }
            Event::PartitionsDeleted(partitions) => cleanup::forget_partitions(&mut turn, groups, &partitions),
            Event::ExpireOffsets => cleanup::expire(&mut turn, groups),
            Event::Tick => tick(&mut turn, groups),
            Event::Appended(append, outcome) => return self.conclude(now, append, outcome),
        }
        turn.effects
    }

    /// What an append was waited for.
    fn conclude(&mut self, now: Now, append: Append, outcome: Result<Offset, AppendFailure>) -> Effects {
        let Append { records, then } = append;
        if let Then::Commit { group, .. } = &then {
            offsets::no_longer_pending(&mut self.groups, group, &records);
        }
        if let Ok(base_offset) = outcome
            && then.replays()
        {
            records.into_iter().for_each(|record| self.replay(now, base_offset, record));
        }
        let outcome = outcome.map(|_| ());
        let Shard { settings, groups, deadlines, .. } = self;
        let mut turn = Turn { now, settings, deadlines, effects: Effects::default() };
        match then {
            Then::Nothing => {}
            Then::Assign { group, generation_id, assignments } => {
                sync::stored(&mut turn, groups, &group, generation_id, &assignments, outcome);
            }
            Then::ReplaceStatic(replacement) => join::replaced(&mut turn, groups, replacement, outcome),
            Then::Commit { token, outcomes, .. } => offsets::committed(&mut turn, token, outcomes, outcome),
            Then::DeleteGroup { token, group } => cleanup::group_deleted(&mut turn, groups, token, &group, outcome),
            Then::DeleteOffsets { token, group, outcomes } => {
                cleanup::offsets_deleted(&mut turn, groups, token, &group, outcomes, outcome);
            }
            Then::Forget { group } => cleanup::forgotten(&mut turn, groups, &group, outcome),
        }
        turn.effects
    }
}

/// Carries out what is due.
fn tick(turn: &mut Turn<'_>, groups: &mut HashMap<GroupId, Group>) {
    while let Some(due) = turn.deadlines.pop(turn.now.monotonic_ms) {
        let (Due::Session(id, _) | Due::Join(id) | Due::Sync(id)) = &due;
        let Some(group) = groups.get_mut(id) else { continue };
        match &due {
            Due::Session(_, member) => heartbeat::session_expired(turn, group, member),
            Due::Join(_) => rebalance::join_deadline(turn, group),
            Due::Sync(_) => rebalance::sync_deadline(turn, group),
        }
    }
}

impl Turn<'_> {
    fn reply(&mut self, token: Token, reply: Reply) {
        self.effects.replies.push((token, reply));
    }

    fn append(&mut self, records: Vec<Record>, then: Then) {
        self.effects.appends.push(Append { records, then });
    }

    fn note(&mut self, note: String) {
        self.effects.notes.push(note);
    }

    /// Always later than now, so that a tick comes to an end.
    fn set(&mut self, due: Due, in_ms: u64) {
        self.deadlines.set(due, self.now.monotonic_ms.saturating_add(in_ms.max(1)));
    }

    /// A sign of life: the member's session starts again.
    fn arm_session(&mut self, group: &Group, member_id: &MemberId) {
        if let Some(member) = group.members.get(member_id) {
            let timeout_ms = u64::try_from(member.session_timeout_ms).unwrap_or_default();
            self.set(Due::Session(group.id.clone(), member_id.clone()), timeout_ms);
        }
    }

    fn disarm_session(&mut self, group: &Group, member_id: &MemberId) {
        self.deadlines.clear(&Due::Session(group.id.clone(), member_id.clone()));
    }
}

/// Checks that a caller is who it says: the member exists, and its instance id, if any, still belongs to it.
fn check_member(group: &Group, member_id: &str, instance: Option<&Text>) -> Result<(), Refusal> {
    if let Some(instance) = instance {
        match group.static_members.get(instance) {
            Some(current) if &**current != member_id => return Err(Refusal::FencedInstanceId),
            Some(_) => {}
            None => return Err(Refusal::UnknownMemberId),
        }
    }
    if group.members.contains_key(member_id) { Ok(()) } else { Err(Refusal::UnknownMemberId) }
}

impl Caller {
    /// As [`check_member`], and the caller's generation is the group's.
    fn check(&self, group: &Group) -> Result<(), Refusal> {
        check_member(group, &self.member_id, self.group_instance_id.as_ref())?;
        if self.generation_id == group.generation_id { Ok(()) } else { Err(Refusal::IllegalGeneration) }
    }
}

impl Then {
    /// Whether the records change memory when they are written.
    fn replays(&self) -> bool {
        match self {
            Then::Nothing | Then::Assign { .. } | Then::ReplaceStatic(_) => false,
            Then::Commit { .. } | Then::DeleteGroup { .. } | Then::DeleteOffsets { .. } | Then::Forget { .. } => true,
        }
    }
}
