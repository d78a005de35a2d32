//! AlterPartition: a leader wants another in-sync set (apis.md 3.7; Kafka's `tryProcessAlterPartition`).
//!
//! The checks run in Kafka's order: newer epochs than ours mean that we are not the controller any more; an older leader
//! epoch is fenced; a state that holds already is success without a write, even when the sender has seen an older
//! version of it; only then the version counts.

use std::collections::BTreeMap;

use zk_paths::ids::{BrokerId, TopicPartition};
use zk_paths::partition_state::{LeaderRecoveryState, PartitionState};

use crate::action::{Action, AlterRefusal, AlteredPartition, Answer, StaleBrokerEpoch};
use crate::cluster::Leadership;
use crate::controller::{Controller, Stage};
use crate::event::{AlterPartition, AlterPartitions, TopicRef};
use crate::write::{Change, Write};

/// What a check lets through.
enum Verdict {
    /// To be written.
    Write(PartitionState, Leadership),
    /// Holds already.
    Holds(Leadership),
}

impl Controller {
    /// Checks every partition, writes those that pass, and tells all brokers.
    pub(crate) fn alter_partitions(&mut self, request: AlterPartitions) {
        let known = self.cluster.broker(request.broker).map(|broker| broker.broker_epoch);
        if known != Some(request.broker_epoch) {
            return self.actions.push(Action::Answer(Answer::AlterPartitions(Err(StaleBrokerEpoch))));
        }
        let mut writes = BTreeMap::new();
        for wanted in &request.partitions {
            let (topic, number) = (wanted.topic.clone(), wanted.partition);
            match self.check_alter(request.broker, wanted) {
                Ok((partition, Verdict::Write(state, current))) => {
                    self.answers.altering.insert(partition.clone(), topic);
                    let expected = Some(current.zk_version);
                    let change = Change::AlterIsr;
                    writes.insert(partition.clone(), Write::PartitionState { partition, state, expected, change });
                }
                Ok((partition, Verdict::Holds(current))) => {
                    self.batch.metadata_of(&partition);
                    self.answer_altered(topic, number, Ok(current));
                }
                Err(refusal) => self.answer_altered(topic, number, Err(refusal)),
            }
        }
        self.then([Stage::Write(writes.into_values().collect()), Stage::AnswerAlterPartitions]);
    }

    fn check_alter(
        &self,
        sender: BrokerId,
        wanted: &AlterPartition,
    ) -> Result<(TopicPartition, Verdict), AlterRefusal> {
        let topic = match &wanted.topic {
            TopicRef::Name(name) => name,
            TopicRef::Id(id) => self.cluster.topic_name(*id).ok_or(AlterRefusal::UnknownTopicId)?,
        };
        let partition = TopicPartition { topic: topic.clone(), partition: wanted.partition };
        let current = self.cluster.leadership(&partition).cloned().ok_or(AlterRefusal::UnknownPartition)?;
        if wanted.partition_epoch > current.zk_version || wanted.leader_epoch > current.state.leader_epoch {
            return Err(AlterRefusal::NotController);
        }
        if wanted.leader_epoch < current.state.leader_epoch {
            return Err(AlterRefusal::FencedLeaderEpoch);
        }
        // Kafka would let any broker that knows the epochs become leader here; only the leader may ask.
        if sender != current.state.leader {
            return Err(AlterRefusal::InvalidRequest);
        }
        let holds =
            wanted.isr == current.state.isr && wanted.leader_recovery_state == current.state.leader_recovery_state;
        if holds {
            return Ok((partition, Verdict::Holds(current)));
        }
        if wanted.partition_epoch < current.zk_version {
            return Err(AlterRefusal::InvalidUpdateVersion);
        }
        self.check_wanted(wanted, current.state.leader_recovery_state)?;
        let state = PartitionState {
            isr: wanted.isr.clone(),
            leader_recovery_state: wanted.leader_recovery_state,
            controller_epoch: self.cluster.controller_epoch,
            ..current.state.clone()
        };
        Ok((partition, Verdict::Write(state, current)))
    }

    /// A recovering leader is alone, and recovery never begins on request; members must be live (KIP-841).
    fn check_wanted(&self, wanted: &AlterPartition, current: LeaderRecoveryState) -> Result<(), AlterRefusal> {
        let recovering = wanted.leader_recovery_state == LeaderRecoveryState::Recovering;
        let impossible = recovering && (wanted.isr.len() > 1 || current == LeaderRecoveryState::Recovered);
        if impossible || wanted.isr.is_empty() {
            return Err(AlterRefusal::InvalidRequest);
        }
        if wanted.isr.iter().any(|replica| !self.cluster.is_live(*replica)) {
            return Err(AlterRefusal::IneligibleReplica);
        }
        Ok(())
    }

    /// The write was taken.
    pub(crate) fn altered(&mut self, partition: &TopicPartition) {
        self.batch.metadata_of(partition);
        let result = self.cluster.leadership(partition).cloned().ok_or(AlterRefusal::UnknownPartition);
        self.answer_altering(partition, result);
    }

    /// Somebody else wrote in between: remember what, and let the leader ask again.
    pub(crate) fn alter_refused(&mut self, partition: &TopicPartition, found: Option<Leadership>) {
        if let Some(found) = found.filter(|found| found.state.controller_epoch <= self.cluster.controller_epoch) {
            self.cluster.set_leadership(partition, found);
        }
        self.answer_altering(partition, Err(AlterRefusal::InvalidUpdateVersion));
    }

    /// The write failed.
    pub(crate) fn alter_failed(&mut self, partition: &TopicPartition) {
        self.answer_altering(partition, Err(AlterRefusal::WriteFailed));
    }

    fn answer_altering(&mut self, partition: &TopicPartition, result: Result<Leadership, AlterRefusal>) {
        if let Some(topic) = self.answers.altering.remove(partition) {
            self.answer_altered(topic, partition.partition, result);
        }
    }

    fn answer_altered(&mut self, topic: TopicRef, partition: i32, result: Result<Leadership, AlterRefusal>) {
        self.answers.altered.push(AlteredPartition { topic, partition, result });
    }

    pub(crate) fn answer_alter_partitions(&mut self) {
        let altered = std::mem::take(&mut self.answers.altered);
        self.actions.push(Action::Answer(Answer::AlterPartitions(Ok(altered))));
    }
}
