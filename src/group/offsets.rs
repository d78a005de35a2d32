//! OffsetCommit, OffsetFetch and OffsetDelete between the wire and the core.
//!
//! Whether topics exist and who may see them is the handlers' business.

use std::collections::BTreeMap;

use wire::offset_commit::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use wire::offset_delete::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic};
use wire::offset_fetch::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopics, OffsetFetchResponseGroup, OffsetFetchResponsePartition,
    OffsetFetchResponsePartitions, OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use wire::{
    ErrorCode, OffsetCommitRequest, OffsetCommitResponse, OffsetDeleteRequest, OffsetDeleteResponse,
    OffsetFetchRequest, OffsetFetchResponse, Str,
};
use zk_paths::ids::{LeaderEpoch, Offset, TopicName, TopicPartition};

use super::core::answer::{Fetched, FetchedOffsets, Refusal, Reply};
use super::core::offsets::{Commit, Outcomes};
use super::core::record::OffsetValue;
use super::core::{Event, Text};
use super::errors::code;
use super::membership::caller;
use super::{GroupCoordinator, GroupIds};

/// "Use the broker's retention", and "the time of arrival".
const DEFAULT: i64 = -1;

impl GroupCoordinator {
    /// Commits offsets, v1–9. Waits until they are replicated.
    ///
    /// - v0 would store them in ZooKeeper: UNSUPPORTED_VERSION.
    /// - v1 may bring the time of the commit, v2–4 how long to keep it; v6+ a leader epoch; v7+ an instance id.
    pub async fn offset_commit(&self, api_version: i16, request: OffsetCommitRequest) -> OffsetCommitResponse {
        if api_version == 0 || self.is_static_and_unsupported(request.group_instance_id.as_ref()) {
            return refused_commit(&request, ErrorCode::UnsupportedVersion);
        }
        let commit = Commit {
            caller: caller(
                &request.group_id,
                request.generation_id_or_member_epoch,
                &request.member_id,
                &request.group_instance_id,
            ),
            offsets: offsets(&request, self.shared.now().wall_ms),
        };
        let reply = match self.slot(&request.group_id, GroupIds::Any) {
            Ok(slot) => slot.call(|token| Event::Commit(token, commit)).await,
            Err(refusal) => Err(refusal),
        };
        match reply {
            Ok(Reply::Commit(outcomes)) => committed(&outcomes),
            Ok(_) => refused_commit(&request, ErrorCode::UnknownServerError),
            Err(refusal) => refused_commit(&request, refusal.into()),
        }
    }

    /// Reads committed offsets, v1–9.
    ///
    /// - v0 would read them from ZooKeeper: UNSUPPORTED_VERSION.
    /// - v2+: no list of topics means all, and a group's error stands beside its topics; in v1 at every partition.
    /// - v7+: `require_stable` makes the client wait for commits that are on their way.
    /// - v8+: many groups; v9+: member id and epoch, of the consumer protocol, which is not served here.
    pub fn offset_fetch(&self, api_version: i16, request: OffsetFetchRequest) -> OffsetFetchResponse {
        let require_stable = request.require_stable;
        if api_version >= 8 {
            let groups = request.groups.iter().map(|group| self.fetch_group(api_version, require_stable, group));
            return OffsetFetchResponse { groups: groups.collect(), ..Default::default() };
        }
        let topics = request.topics.map(|topics| {
            let topic = |topic: wire::offset_fetch::OffsetFetchRequestTopic| OffsetFetchRequestTopics {
                name: topic.name,
                partition_indexes: topic.partition_indexes,
            };
            topics.into_iter().map(topic).collect()
        });
        let group = OffsetFetchRequestGroup { group_id: request.group_id, topics, ..Default::default() };
        let fetched = self.fetch_group(api_version, require_stable, &group);
        OffsetFetchResponse {
            topics: fetched.topics.into_iter().map(before_v8).collect(),
            error_code: fetched.error_code,
            ..Default::default()
        }
    }

    fn fetch_group(
        &self,
        api_version: i16,
        require_stable: bool,
        group: &OffsetFetchRequestGroup,
    ) -> OffsetFetchResponseGroup {
        if api_version == 0 {
            return fetch_error(api_version, group, ErrorCode::UnsupportedVersion);
        }
        let wanted = group.topics.as_deref().map(partitions);
        let slot = self.slot(&group.group_id, GroupIds::Any);
        let fetched =
            slot.and_then(|slot| slot.read(|core| core.fetch(&group.group_id, require_stable, wanted.as_deref())));
        match fetched {
            Ok(fetched) => OffsetFetchResponseGroup {
                group_id: group.group_id.clone(),
                topics: fetched_topics(fetched),
                ..Default::default()
            },
            Err(refusal) => fetch_error(api_version, group, refusal.into()),
        }
    }

    /// Forgets offsets of topics that no member reads, v0.
    pub async fn offset_delete(&self, request: OffsetDeleteRequest) -> OffsetDeleteResponse {
        let group = Text::from(&request.group_id);
        let partitions = request.topics.iter().flat_map(|topic| {
            let name = TopicName::from(&topic.name);
            let partition = move |index: i32| TopicPartition::new(name.clone(), index);
            topic.partitions.iter().map(move |one| partition(one.partition_index))
        });
        let partitions = partitions.collect();
        let reply = match self.slot(&request.group_id, GroupIds::Named) {
            Ok(slot) => slot.call(|token| Event::DeleteOffsets(token, group, partitions)).await,
            Err(refusal) => Err(refusal),
        };
        match reply {
            Ok(Reply::DeleteOffsets(Ok(outcomes))) => deleted(&outcomes),
            Ok(Reply::DeleteOffsets(Err(refusal))) | Err(refusal) => refused_delete(refusal),
            Ok(_) => refused_delete(Refusal::UnknownServerError),
        }
    }
}

fn offsets(request: &OffsetCommitRequest, now_ms: i64) -> BTreeMap<TopicPartition, OffsetValue> {
    let expire_timestamp_ms =
        (request.retention_time_ms != DEFAULT).then(|| now_ms.saturating_add(request.retention_time_ms));
    let mut offsets = BTreeMap::new();
    for topic in &request.topics {
        let name = TopicName::from(&topic.name);
        for partition in &topic.partitions {
            let value = OffsetValue {
                offset: Offset(partition.committed_offset),
                leader_epoch: LeaderEpoch(partition.committed_leader_epoch),
                metadata: partition.committed_metadata.as_ref().map(Text::from).unwrap_or_default(),
                commit_timestamp_ms: if partition.commit_timestamp == DEFAULT {
                    now_ms
                } else {
                    partition.commit_timestamp
                },
                expire_timestamp_ms,
            };
            offsets.insert(TopicPartition::new(name.clone(), partition.partition_index), value);
        }
    }
    offsets
}

/// Gathers what is sorted by topic.
fn by_topic<T>(items: impl IntoIterator<Item = (TopicName, T)>) -> Vec<(Str, Vec<T>)> {
    let mut topics: Vec<(TopicName, Vec<T>)> = Vec::new();
    for (topic, item) in items {
        match topics.last_mut() {
            Some((last, items)) if *last == topic => items.push(item),
            _ => topics.push((topic, vec![item])),
        }
    }
    topics.into_iter().map(|(topic, items)| (topic.into(), items)).collect()
}

fn committed(outcomes: &Outcomes) -> OffsetCommitResponse {
    let partitions = outcomes.iter().map(|(partition, outcome)| {
        let answer = OffsetCommitResponsePartition { partition_index: partition.partition, error_code: code(outcome) };
        (partition.topic.clone(), answer)
    });
    let topics = by_topic(partitions).into_iter();
    let topics = topics.map(|(name, partitions)| OffsetCommitResponseTopic { name, partitions }).collect();
    OffsetCommitResponse { topics, ..Default::default() }
}

fn refused_commit(request: &OffsetCommitRequest, error: ErrorCode) -> OffsetCommitResponse {
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| OffsetCommitResponsePartition {
            partition_index: partition.partition_index,
            error_code: error.code(),
        });
        OffsetCommitResponseTopic { name: topic.name.clone(), partitions: partitions.collect() }
    });
    OffsetCommitResponse { topics: topics.collect(), ..Default::default() }
}

fn deleted(outcomes: &Outcomes) -> OffsetDeleteResponse {
    let partitions = outcomes.iter().map(|(partition, outcome)| {
        let answer = OffsetDeleteResponsePartition { partition_index: partition.partition, error_code: code(outcome) };
        (partition.topic.clone(), answer)
    });
    let topics = by_topic(partitions).into_iter();
    let topics = topics.map(|(name, partitions)| OffsetDeleteResponseTopic { name, partitions }).collect();
    OffsetDeleteResponse { topics, ..Default::default() }
}

fn refused_delete(refusal: Refusal) -> OffsetDeleteResponse {
    OffsetDeleteResponse { error_code: ErrorCode::from(refusal).code(), ..Default::default() }
}

fn partitions(topics: &[OffsetFetchRequestTopics]) -> Vec<TopicPartition> {
    let mut all = Vec::new();
    for topic in topics {
        let name = TopicName::from(&topic.name);
        all.extend(topic.partition_indexes.iter().map(|index| TopicPartition::new(name.clone(), *index)));
    }
    all
}

fn fetched_topics(fetched: FetchedOffsets) -> Vec<OffsetFetchResponseTopics> {
    let answers = fetched.into_iter().map(|(partition, fetched)| {
        let TopicPartition { topic, partition } = partition;
        (topic, fetched_partition(partition, fetched))
    });
    let topics = by_topic(answers).into_iter();
    topics.map(|(name, partitions)| OffsetFetchResponseTopics { name, partitions }).collect()
}

fn fetched_partition(partition_index: i32, fetched: Fetched) -> OffsetFetchResponsePartitions {
    let none = OffsetFetchResponsePartitions {
        partition_index,
        committed_offset: Offset::NONE.0,
        committed_leader_epoch: LeaderEpoch::NONE.0,
        metadata: Some(Str::default()),
        error_code: ErrorCode::None.code(),
    };
    match fetched {
        Fetched::None => none,
        Fetched::Unstable => {
            OffsetFetchResponsePartitions { error_code: ErrorCode::UnstableOffsetCommit.code(), ..none }
        }
        Fetched::Offset(value) => OffsetFetchResponsePartitions {
            committed_offset: value.offset.0,
            committed_leader_epoch: value.leader_epoch.0,
            metadata: Some(value.metadata.into()),
            ..none
        },
    }
}

/// A group's error: beside its topics, or before v2, where there is no such place, at every partition.
fn fetch_error(api_version: i16, group: &OffsetFetchRequestGroup, error: ErrorCode) -> OffsetFetchResponseGroup {
    let group_id = group.group_id.clone();
    if api_version >= 2 {
        return OffsetFetchResponseGroup { group_id, error_code: error.code(), ..Default::default() };
    }
    let topics = group.topics.iter().flatten().map(|topic| {
        let partitions = topic.partition_indexes.iter().map(|index| OffsetFetchResponsePartitions {
            error_code: error.code(),
            ..fetched_partition(*index, Fetched::None)
        });
        OffsetFetchResponseTopics { name: topic.name.clone(), partitions: partitions.collect() }
    });
    OffsetFetchResponseGroup { group_id, topics: topics.collect(), ..Default::default() }
}

fn before_v8(topic: OffsetFetchResponseTopics) -> OffsetFetchResponseTopic {
    let partitions = topic.partitions.into_iter().map(|partition| OffsetFetchResponsePartition {
        partition_index: partition.partition_index,
        committed_offset: partition.committed_offset,
        committed_leader_epoch: partition.committed_leader_epoch,
        metadata: partition.metadata,
        error_code: partition.error_code,
    });
    OffsetFetchResponseTopic { name: topic.name, partitions: partitions.collect() }
}
