//! Topic deletion (Kafka's `TopicDeletionManager`).
//!
//! 1. Asked for (`/admin/delete_topics/<t>`): the topic is queued; elections pass it by.
//! 2. Unless halted: its partitions leave the state machine, all brokers drop it from their caches (leader -2), replicas
//!    stop, then are deleted.
//! 3. Every replica's broker has answered without error: all znodes of the topic go.
//!
//! Halted while a replica is offline, failed to be deleted or is being reassigned; a broker's return takes it up again.

use std::collections::BTreeSet;

use zk_paths::ids::TopicName;

use crate::action::Problem;
use crate::cluster::Replica;
use crate::controller::{Controller, Stage};
use crate::event::{ReplicaError, StopReplicaReply};
use crate::phases::{PartitionPhase, ReplicaPhase};
use crate::write::Write;

impl Controller {
    /// Deletions were asked for; those already queued are among them.
    pub(crate) fn deletions_requested(&mut self, topics: Vec<TopicName>) {
        let (mut queued, mut accepted) = (Vec::new(), Vec::new());
        for topic in topics {
            if let Some(reason) = self.reason_to_drop(&topic) {
                self.report(Problem::DeletionDropped { topic: topic.clone(), reason });
                self.then([Stage::Write(vec![Write::DropDeletionRequest(topic)])]);
            } else {
                if !self.cluster.is_deleting(&topic) {
                    self.cluster.queue_deletion(&topic);
                    queued.push(topic.clone());
                }
                accepted.push(topic);
            }
        }
        let moving: Vec<_> = queued.iter().filter(|topic| self.is_being_reassigned(topic)).cloned().collect();
        self.halt_deletions(&moving, "a reassignment is in progress");
        self.then([Stage::ResumeDeletions(accepted)]);
    }

    fn reason_to_drop(&self, topic: &TopicName) -> Option<&'static str> {
        match self.cluster.topic(topic) {
            None => Some("there is no such topic"),
            Some(_) if !self.cluster.settings.delete_topic_enable => Some("delete.topic.enable is off"),
            Some(_) => None,
        }
    }

    fn is_being_reassigned(&self, topic: &TopicName) -> bool {
        let partitions = self.cluster.topic(topic).map(|topic| topic.partitions.values()).into_iter().flatten();
        partitions.into_iter().any(|partition| partition.assignment.is_being_reassigned())
    }

    /// Finishes, retries or starts what can be.
    pub(crate) fn resume_deletions(&mut self, topics: &[TopicName]) {
        let mut stages = Vec::new();
        for topic in topics {
            let Some(deletion) = self.cluster.topic(topic).and_then(|topic| topic.deletion) else { continue };
            let replicas = self.cluster.replicas_of(topic);
            let in_phase = |phase: ReplicaPhase| -> Vec<Replica> {
                replicas.iter().filter(|replica| self.phase_of(replica) == phase).cloned().collect()
            };
            if in_phase(ReplicaPhase::DeletionSuccessful).len() == replicas.len() {
                stages.push(Stage::FinishDeletion(topic.clone()));
            } else if in_phase(ReplicaPhase::DeletionStarted).is_empty() && !deletion.halted {
                stages.push(Stage::ReplicasOffline(in_phase(ReplicaPhase::DeletionIneligible)));
                stages.push(Stage::StartDeletion(topic.clone()));
            }
        }
        self.next(stages);
    }

    /// Brokers forget the topic, stop its replicas and delete them.
    pub(crate) fn start_deletion(&mut self, topic: TopicName) {
        let partitions = self.cluster.partitions_of(&topic);
        let started = self.cluster.topic(&topic).and_then(|t| t.deletion).is_some_and(|deletion| deletion.started);
        if !started {
            for partition in &partitions {
                self.move_partition(partition, PartitionPhase::Offline);
                self.move_partition(partition, PartitionPhase::NonExistent);
            }
            self.cluster.change_deletion(&topic, |deletion| deletion.started = true);
        }
        partitions.iter().for_each(|partition| self.batch.metadata_of(partition));
        let (alive, dead): (Vec<_>, Vec<_>) = self
            .cluster
            .replicas_of(&topic)
            .into_iter()
            .partition(|replica| self.cluster.is_replica_online(&replica.partition, replica.broker));
        if !dead.is_empty() {
            self.halt_deletions(std::slice::from_ref(&topic), "a replica is offline");
        }
        let dead = self.only(dead, ReplicaPhase::DeletionIneligible);
        let alive: Vec<_> =
            alive.into_iter().filter(|replica| self.phase_of(replica) != ReplicaPhase::DeletionSuccessful).collect();
        self.next(vec![
            Stage::MoveReplicas(dead, ReplicaPhase::DeletionIneligible),
            Stage::ReplicasOffline(alive.clone()),
            Stage::MoveReplicas(alive, ReplicaPhase::DeletionStarted),
        ]);
    }

    /// A broker has deleted replicas, or could not.
    pub(crate) fn stop_replica_replied(&mut self, reply: StopReplicaReply) {
        let broker = reply.broker;
        if self.cluster.broker(broker).is_none_or(|known| known.broker_epoch != reply.broker_epoch) {
            return;
        }
        if reply.error_code != 0 {
            let error_code = reply.error_code;
            self.report(Problem::RequestRefused { broker, request: "StopReplica", error_code });
        }
        let request_failed = reply.error_code != 0;
        let (mut failed, mut deleted) = (Vec::new(), Vec::new());
        for (partition, error) in reply.deleted {
            let replica = Replica { partition, broker };
            if self.phase_of(&replica) != ReplicaPhase::DeletionStarted {
                continue;
            }
            if request_failed || error != ReplicaError::None { &mut failed } else { &mut deleted }.push(replica);
        }
        let topics = self.deleting_topics_among(failed.iter().chain(&deleted));
        self.halt_deletions(&self.deleting_topics_among(&failed), "a replica could not be deleted");
        self.then([
            Stage::MoveReplicas(failed, ReplicaPhase::DeletionIneligible),
            Stage::MoveReplicas(deleted, ReplicaPhase::DeletionSuccessful),
            Stage::ResumeDeletions(topics),
        ]);
    }

    /// The reason for the halt may be over: try again.
    pub(crate) fn retry_deletions(&mut self, topics: Vec<TopicName>) {
        for topic in &topics {
            self.cluster.change_deletion(topic, |deletion| deletion.halted = false);
        }
        let moving: Vec<_> = topics.iter().filter(|topic| self.is_being_reassigned(topic)).cloned().collect();
        self.halt_deletions(&moving, "a reassignment is in progress");
        self.next(vec![Stage::ResumeDeletions(topics)]);
    }

    pub(crate) fn halt_deletions(&mut self, topics: &[TopicName], reason: &'static str) {
        for topic in topics {
            self.cluster.change_deletion(topic, |deletion| deletion.halted = true);
            self.report(Problem::DeletionHalted { topic: topic.clone(), reason });
        }
    }

    /// Topics being deleted that have one of these replicas.
    pub(crate) fn deleting_topics_among<'a>(&self, replicas: impl IntoIterator<Item = &'a Replica>) -> Vec<TopicName> {
        let topics: BTreeSet<_> = replicas.into_iter().map(|replica| replica.partition.topic.clone()).collect();
        topics.into_iter().filter(|topic| self.cluster.is_deleting(topic)).collect()
    }

    /// Those of the replicas that may go to this phase from where they are.
    fn only(&self, replicas: Vec<Replica>, phase: ReplicaPhase) -> Vec<Replica> {
        replicas.into_iter().filter(|replica| self.phase_of(replica).may_become(phase)).collect()
    }
}
