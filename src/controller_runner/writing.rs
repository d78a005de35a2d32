//! The controller's writes: multis whose first operation checks the version of `/controller_epoch`.
//!
//! That check failing means that somebody else is controller: the term ends, nothing is retried. Partition states go many
//! in one multi; when one of them is refused, each is written by itself, so that each has its own outcome. A lost answer
//! is settled by reading back; what it then finds goes to the core as [`Outcome::Refused`], which knows its own writes.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use controller::cluster::Leadership;
use controller::{Outcome, Write};
use futures_util::{FutureExt, StreamExt, stream};
use zk_paths::config_entity::ConfigEntity;
use zk_paths::ids::{TopicPartition, ZkVersion};
use zk_paths::partition_state::{self, PartitionState};
use zk_paths::topic::{self, TopicFormat};
use zk_paths::{controller_epoch, delete_topics, preferred_replica_election};

use super::End;
use crate::zk::{CreateMode, MultiError, Node, Op, OpResult, Zk, ZkError};

/// Operations in one multi; some 100 bytes each, well below `jute.maxbuffer`.
const BATCH: usize = 400;
/// Multis or reads under way at one time.
const WINDOW: usize = 32;

/// Writes under the check.
#[derive(Debug, Clone)]
pub(super) struct Guarded {
    zk: Arc<dyn Zk>,
    epoch_version: ZkVersion,
}

/// What became of a guarded multi.
#[derive(Debug)]
pub(super) enum Fate {
    /// All of it was done.
    Done(Vec<OpResult>),
    /// Nothing was done, because of this operation.
    Refused {
        /// Why.
        error: ZkError,
    },
    /// The answer was lost.
    Unknown,
}

impl Guarded {
    pub fn new(zk: Arc<dyn Zk>, epoch_version: ZkVersion) -> Guarded {
        Guarded { zk, epoch_version }
    }

    /// Does all or nothing, if we are still controller.
    pub async fn multi(&self, ops: Vec<Op>) -> Result<Fate, End> {
        let check = Op::Check { path: controller_epoch::PATH.into(), version: self.epoch_version };
        match self.zk.multi([vec![check], ops].concat()).await {
            Ok(mut results) => {
                results.drain(..1.min(results.len()));
                Ok(Fate::Done(results))
            }
            Err(MultiError::Op { index: 0, .. }) => Err(End::Deposed),
            Err(MultiError::Request(ZkError::UnknownOutcome { .. })) => Ok(Fate::Unknown),
            Err(MultiError::Request(error @ (ZkError::SessionExpired { .. } | ZkError::Closed { .. }))) => {
                Err(error.into())
            }
            Err(MultiError::Op { error, .. } | MultiError::Request(error)) => Ok(Fate::Refused { error }),
        }
    }

    /// Writes what the core wants; one outcome each, in order. An error ends the term: [`End::Failed`] is never one here,
    /// because the core must hear of every write before it can go on.
    pub async fn write(&self, writes: &[Write]) -> Result<Vec<Outcome>, End> {
        self.create_parents(writes).await?;
        let mut outcomes = Vec::with_capacity(writes.len());
        let mut rest = writes;
        while let Some(first) = rest.first() {
            let states = rest.iter().take(BATCH / 2).map_while(StateWrite::of).collect::<Vec<_>>();
            if states.is_empty() {
                outcomes.push(self.write_other(first).await?);
            } else {
                outcomes.extend(self.write_states(&states).await?);
            }
            rest = rest.get(states.len().max(1)..).unwrap_or_default();
        }
        Ok(outcomes)
    }

    /// Deletes nodes; those gone already are fine.
    pub async fn delete(&self, paths: Vec<String>) -> Result<(), End> {
        for batch in paths.chunks(BATCH) {
            let ops = batch.iter().map(|path| delete_op(path)).collect();
            if matches!(self.multi(ops).await?, Fate::Done(_)) {
                continue;
            }
            for path in batch {
                self.delete_one(path).await?;
            }
        }
        Ok(())
    }

    async fn delete_one(&self, path: &str) -> Result<(), End> {
        loop {
            match self.multi(vec![delete_op(path)]).await? {
                Fate::Done(_) | Fate::Refused { error: ZkError::NoNode { .. } } => return Ok(()),
                Fate::Refused { error } => return Err(error.into()),
                Fate::Unknown => {}
            }
        }
    }

    /// `/brokers/topics/<t>/partitions`, which a topic's creator does not make.
    async fn create_parents(&self, writes: &[Write]) -> Result<(), End> {
        let created = |write| StateWrite::of(write).filter(|write| write.expected.is_none());
        let topics: BTreeSet<_> = writes.iter().filter_map(created).map(|write| &write.partition.topic).collect();
        let creations =
            topics.into_iter().map(|topic| self.create_null(partition_state::partitions_path(topic)).boxed());
        let creations: Vec<_> = creations.collect();
        let created: Vec<_> = stream::iter(creations).buffered(WINDOW).collect().await;
        created.into_iter().collect()
    }

    /// Creates a node without data unless it is there. A missing parent shows in the write that follows.
    async fn create_null(&self, path: String) -> Result<(), End> {
        self.multi(vec![create_op(path, None)]).await.map(drop)
    }

    async fn write_states(&self, states: &[StateWrite<'_>]) -> Result<Vec<Outcome>, End> {
        let ops = states.iter().flat_map(|state| state.ops(true)).collect();
        if let Fate::Done(results) = self.multi(ops).await? {
            let versions = written_versions(states, true, &results);
            if versions.len() == states.len() {
                return Ok(versions.into_iter().map(Outcome::Written).collect());
            }
        }
        let single: Vec<_> = states.iter().map(|state| self.write_state(state).boxed()).collect();
        let outcomes: Vec<_> = stream::iter(single).buffered(WINDOW).collect().await;
        outcomes.into_iter().collect()
    }

    async fn write_state(&self, write: &StateWrite<'_>) -> Result<Outcome, End> {
        if write.expected.is_none() {
            self.create_null(partition_state::partition_path(write.partition)).await?;
        }
        match self.multi(write.ops(false)).await? {
            Fate::Done(results) => match written_versions(std::slice::from_ref(write), false, &results).first() {
                Some(zk_version) => Ok(Outcome::Written(*zk_version)),
                None => self.read_back(write.partition).await,
            },
            Fate::Refused {
                error: ZkError::BadVersion { .. } | ZkError::NodeExists { .. } | ZkError::NoNode { .. },
            }
            | Fate::Unknown => self.read_back(write.partition).await,
            Fate::Refused { error } => Ok(Outcome::Failed(error.to_string())),
        }
    }

    async fn read_back(&self, partition: &TopicPartition) -> Result<Outcome, End> {
        let node = match self.zk.get(&partition_state::path(partition)).await {
            Ok(node) => node,
            Err(ZkError::NoNode { .. }) => return Ok(Outcome::Refused(None)),
            Err(error) => return done(Err(error.into())),
        };
        Ok(match leadership(partition, &node) {
            Ok(leadership) => Outcome::Refused(Some(leadership)),
            Err(problem) => Outcome::Failed(problem),
        })
    }

    async fn write_other(&self, write: &Write) -> Result<Outcome, End> {
        match write {
            Write::PartitionState { .. } => Ok(Outcome::Failed("not a plain write".into())),
            Write::Topic { topic, assignment, expected } => {
                let data = assignment.encode(TopicFormat::V3).into();
                let op = Op::Set { path: topic::path(topic), data, expected: *expected };
                Ok(match self.multi(vec![op]).await? {
                    Fate::Done(_) => Outcome::Written(ZkVersion(expected.0.wrapping_add(1))),
                    Fate::Refused { error: ZkError::BadVersion { .. } | ZkError::NoNode { .. } } | Fate::Unknown => {
                        Outcome::Refused(None)
                    }
                    Fate::Refused { error } => Outcome::Failed(error.to_string()),
                })
            }
            Write::DeleteTopic(topic) => self.delete_topic(topic).await,
            Write::DropDeletionRequest(topic) => done(self.delete_one(&delete_topics::topic_path(topic)).await),
            Write::DropPreferredElection => done(self.delete_one(preferred_replica_election::PATH).await),
        }
    }

    /// The topic with all below it, its configuration, and last the request to delete it.
    async fn delete_topic(&self, topic: &str) -> Result<Outcome, End> {
        let mut paths = match self.below(topic::path(topic)).await {
            Ok(paths) => paths,
            Err(error) => return done(Err(error)),
        };
        paths.reverse();
        paths.push(ConfigEntity::Topic(topic.into()).path());
        paths.push(delete_topics::topic_path(topic));
        done(self.delete(paths).await)
    }

    /// A node and all below it, parents before children.
    async fn below(&self, root: String) -> Result<Vec<String>, End> {
        let (mut all, mut level) = (Vec::new(), vec![root]);
        while !level.is_empty() {
            let reads: Vec<_> = level.iter().map(|path| self.zk.children(path)).collect();
            let children: Vec<_> = stream::iter(reads).buffered(WINDOW).collect().await;
            let mut next = Vec::new();
            for (path, names) in level.iter().zip(children) {
                match names {
                    Ok(names) => next.extend(names.iter().map(|name| format!("{path}/{name}"))),
                    Err(ZkError::NoNode { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            all.append(&mut level);
            level = next;
        }
        Ok(all)
    }
}

/// One partition state to be written.
#[derive(Debug)]
struct StateWrite<'a> {
    partition: &'a TopicPartition,
    state: &'a PartitionState,
    expected: Option<ZkVersion>,
}

impl<'a> StateWrite<'a> {
    fn of(write: &'a Write) -> Option<StateWrite<'a>> {
        match write {
            Write::PartitionState { partition, state, expected, .. } => {
                Some(StateWrite { partition, state, expected: *expected })
            }
            _ => None,
        }
    }

    fn ops(&self, with_parent: bool) -> Vec<Op> {
        let (path, data) = (partition_state::path(self.partition), self.state.encode().into());
        match self.expected {
            Some(expected) => vec![Op::Set { path, data, expected }],
            None => {
                let parent = with_parent.then(|| create_op(partition_state::partition_path(self.partition), None));
                parent.into_iter().chain([create_op(path, Some(data))]).collect()
            }
        }
    }
}

/// The versions that successful writes left, as far as the results tell.
fn written_versions(states: &[StateWrite<'_>], with_parent: bool, results: &[OpResult]) -> Vec<ZkVersion> {
    let mut results = results.iter();
    let version = |state: &StateWrite<'_>| {
        if with_parent && state.expected.is_none() {
            results.next();
        }
        match results.next()? {
            OpResult::Set(stat) => Some(stat.version),
            OpResult::Created(_) => Some(ZkVersion(0)),
            OpResult::Checked | OpResult::Deleted => None,
        }
    };
    states.iter().map_while(version).collect()
}

fn create_op(path: String, data: Option<Bytes>) -> Op {
    Op::Create { path, data, mode: CreateMode::Persistent }
}

fn delete_op(path: &str) -> Op {
    Op::Delete { path: path.into(), expected: ZkVersion::ANY }
}

/// An outcome of a write that leaves no version; refusals of ZooKeeper do not end the term.
fn done(result: Result<(), End>) -> Result<Outcome, End> {
    match result {
        Ok(()) => Ok(Outcome::Written(ZkVersion(0))),
        Err(End::Failed(error)) => Ok(Outcome::Failed(error.to_string())),
        Err(end) => Err(end),
    }
}

/// The state node of a partition as the core knows it.
pub(super) fn leadership(partition: &TopicPartition, node: &Node) -> Result<Leadership, String> {
    let state = PartitionState::decode(partition, &node.data).map_err(|malformed| malformed.to_string())?;
    Ok(Leadership { state, zk_version: node.stat.version })
}
