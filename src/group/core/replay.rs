//! Records into memory: all that loading does, and what happens when offsets and tombstones have been written.

use zk_paths::ids::{Offset, ProducerId};

use super::answer::{DescribedMember, Description};
use super::deadlines::Due;
use super::group::{Committed, Group};
use super::record::Record;
use super::state::State;
use super::{Effects, GroupId, Now, Shard, Text, Turn, rebalance};

impl Shard {
    /// Applies one record that is in the log, at the first offset of its batch.
    pub fn replay(&mut self, now: Now, batch_offset: Offset, record: Record) {
        match record {
            Record::OffsetCommit { group, partition, value: Some(value) } => {
                let committed = Committed { record_offset: batch_offset, value };
                self.group(now, group).offsets.insert(partition, committed);
            }
            Record::OffsetCommit { group, partition, value: None } => {
                if let Some(group) = self.groups.get_mut(&group) {
                    group.offsets.remove(&partition);
                }
                self.drop_if_nothing_is_left(&group);
            }
            Record::GroupMetadata { group, value: Some(value) } => self.group(now, group).restore(value),
            Record::GroupMetadata { group, value: None } => {
                if let Some(group) = self.groups.get_mut(&group) {
                    let offsets = std::mem::take(&mut group.offsets);
                    *group = Group::new(group.id.clone(), now);
                    group.offsets = offsets;
                }
                self.drop_if_nothing_is_left(&group);
            }
        }
    }

    /// Applies a record of a transactional batch: it counts when its producer's commit marker comes.
    pub fn replay_transactional(&mut self, producer: ProducerId, batch_offset: Offset, record: Record) {
        let Record::OffsetCommit { group, partition, value } = record else { return };
        let pending = self.transactional.entry(producer).or_default();
        match value {
            Some(value) => pending.insert((group, partition), Committed { record_offset: batch_offset, value }),
            None => pending.remove(&(group, partition)),
        };
    }

    /// Applies a control record: the producer's commits count, unless the log has a later one, or never were.
    pub fn replay_marker(&mut self, now: Now, producer: ProducerId, is_commit: bool) {
        let pending = self.transactional.remove(&producer).unwrap_or_default();
        for ((group, partition), committed) in pending.into_iter().filter(|_| is_commit) {
            let offsets = &mut self.group(now, group).offsets;
            let is_older = |former: &Committed| former.record_offset < committed.record_offset;
            if offsets.get(&partition).is_none_or(is_older) {
                offsets.insert(partition, committed);
            }
        }
    }

    /// Everything is replayed: sessions of loaded members start now, and groups that are too large start to shrink.
    pub fn finish_loading(&mut self, now: Now) -> Effects {
        for (group, _) in self.transactional.values().flat_map(|pending| pending.keys()) {
            self.groups.entry(group.clone()).or_insert_with(|| Group::new(group.clone(), now));
        }
        let Shard { settings, groups, deadlines, .. } = self;
        let mut turn = Turn { now, settings, deadlines, effects: Effects::default() };
        for group in groups.values_mut() {
            for member in group.members.values() {
                let timeout_ms = u64::try_from(member.session_timeout_ms).unwrap_or_default();
                turn.set(Due::Session(group.id.clone(), member.id.clone()), timeout_ms);
            }
            if group.members.len() > turn.settings.max_size {
                rebalance::maybe_prepare(&mut turn, group, "loaded with more members than group.max.size");
            }
        }
        turn.effects
    }

    /// DescribeGroups, one group. An unknown group is "Dead" and no error.
    pub fn describe(&self, group: &str) -> Description {
        let Some(group) = self.groups.get(group) else {
            let none = Text::from("");
            return Description {
                state: State::Dead.name(),
                protocol_type: none.clone(),
                protocol: none,
                members: vec![],
            };
        };
        let protocol = group.protocol.clone().filter(|_| group.state == State::Stable);
        let members = group.members.values().map(|member| DescribedMember {
            member_id: member.id.clone(),
            group_instance_id: member.group_instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            metadata: protocol.as_deref().map(|protocol| member.metadata(protocol)).unwrap_or_default(),
            assignment: protocol.as_ref().map(|_| member.assignment.clone()).unwrap_or_default(),
        });
        Description {
            state: group.state.name(),
            protocol_type: group.protocol_type.clone().unwrap_or_default(),
            members: members.collect(),
            protocol: protocol.unwrap_or_default(),
        }
    }

    /// ListGroups: id, protocol type (or empty) and state of every group.
    pub fn list(&self) -> impl Iterator<Item = (GroupId, Text, State)> {
        self.groups
            .values()
            .map(|group| (group.id.clone(), group.protocol_type.clone().unwrap_or_default(), group.state))
    }

    fn group(&mut self, now: Now, id: GroupId) -> &mut Group {
        self.groups.entry(id.clone()).or_insert_with(|| Group::new(id, now))
    }

    fn drop_if_nothing_is_left(&mut self, id: &GroupId) {
        let is_nothing = |group: &Group| {
            group.generation_id == 0
                && group.members.is_empty()
                && group.pending_members.is_empty()
                && group.offsets.is_empty()
                && group.pending_commits.is_empty()
        };
        if self.groups.get(id).is_some_and(is_nothing) {
            self.groups.remove(id);
        }
    }
}
