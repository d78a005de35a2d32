//! Replicas going online and offline, and what brokers are told about it (Kafka's `ReplicaStateMachine`).

use std::collections::BTreeMap;

use zk_paths::ids::{BrokerId, TopicPartition};

use crate::action::Problem;
use crate::cluster::Replica;
use crate::controller::Controller;
use crate::phases::ReplicaPhase;
use crate::write::Change;

impl Controller {
    /// Tells brokers about replicas they have. A New replica was told already, with its partition's first leader; one of a
    /// topic being deleted would only be made to go again (Kafka tells, and stumbles over those deleted already).
    pub(crate) fn replicas_online(&mut self, replicas: Vec<Replica>) {
        for replica in replicas {
            if self.cluster.is_deleting(&replica.partition.topic) {
                continue;
            }
            let was_new = self.phase_of(&replica) == ReplicaPhase::New;
            if self.move_replica(&replica, ReplicaPhase::Online)
                && !was_new
                && self.cluster.leadership(&replica.partition).is_some()
            {
                self.batch.leader_and_isr(&[replica.broker], &replica.partition, false);
            }
        }
    }

    /// Stops replicas: StopReplica where the broker still listens, and out of the in-sync set. States of topics being
    /// deleted are not written: their nodes are about to go (Kafka writes them).
    pub(crate) fn replicas_offline(&mut self, replicas: Vec<Replica>) {
        let mut by_partition: BTreeMap<TopicPartition, Vec<BrokerId>> = BTreeMap::new();
        for replica in replicas {
            if self.move_replica(&replica, ReplicaPhase::Offline) {
                self.batch.stop_replica(replica.broker, &replica.partition, false);
                by_partition.entry(replica.partition).or_default().push(replica.broker);
            }
        }
        for (partition, brokers) in by_partition {
            if self.cluster.is_deleting(&partition.topic) || self.cluster.leadership(&partition).is_none() {
                continue;
            }
            self.batch.metadata_of(&partition);
            let current = self.cluster.leadership(&partition).cloned();
            let write = self.plan_change(&partition, Change::RemoveFromIsr(brokers), current);
            self.write(write);
        }
    }

    /// After the in-sync set shrank: the others learn of it.
    pub(crate) fn told_to_stop(&mut self, partition: &TopicPartition, removed: &[BrokerId]) {
        let others = self.cluster.replicas(partition).iter();
        let others: Vec<_> = others.copied().filter(|broker| !removed.contains(broker)).collect();
        self.batch.leader_and_isr(&others, partition, false);
    }

    /// Phases of deletion.
    pub(crate) fn move_replicas(&mut self, replicas: Vec<Replica>, phase: ReplicaPhase) {
        for replica in replicas {
            if self.move_replica(&replica, phase) && phase == ReplicaPhase::DeletionStarted {
                self.batch.stop_replica(replica.broker, &replica.partition, true);
            }
        }
    }

    pub(crate) fn phase_of(&self, replica: &Replica) -> ReplicaPhase {
        let partition = self.cluster.partition(&replica.partition);
        partition.map_or(ReplicaPhase::NonExistent, |partition| partition.replica_phase(replica.broker))
    }

    fn move_replica(&mut self, replica: &Replica, to: ReplicaPhase) -> bool {
        let from = self.phase_of(replica);
        let moved = self.cluster.set_replica_phase(replica, to);
        if !moved {
            self.report(Problem::ReplicaPhase { replica: replica.clone(), from, to });
        }
        moved
    }
}
