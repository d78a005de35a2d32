//! Brokers that come, go, come back, change what they advertise, or lose a log directory.
//!
//! A bounced broker (same id, younger registration) is first dead, then new: its replicas must leave the in-sync sets,
//! because a restart may have lost what was not flushed.

use std::sync::Arc;

use zk_paths::ids::{BrokerId, TopicPartition};

use crate::action::{Action, Problem};
use crate::cluster::{LiveBroker, Replica};
use crate::controller::{Controller, Stage};
use crate::event::{LeaderAndIsrReply, ReplicaError};
use crate::phases::{PartitionPhase, ReplicaPhase};

impl Controller {
    /// Compares the registrations read with those known: starts, then bounces, then failures, as Kafka does.
    pub(crate) fn brokers_changed(&mut self, registered: Vec<LiveBroker>) {
        let known = |id: BrokerId| self.cluster.broker(id).map(|broker| broker.broker_epoch);
        let (mut started, mut bounced) = (Vec::new(), Vec::new());
        for broker in &registered {
            match known(broker.id) {
                None => started.push(Arc::new(broker.clone())),
                Some(broker_epoch) if broker.broker_epoch > broker_epoch => bounced.push(Arc::new(broker.clone())),
                Some(_) => {}
            }
        }
        let gone = |id: &BrokerId| !registered.iter().any(|broker| broker.id == *id);
        let failed: Vec<_> = self.cluster.brokers().map(|broker| broker.id).filter(gone).collect();
        // The stages of a start look at live brokers when they run, so a failure in the same event is seen first:
        // no leader is elected on a broker known to be gone.
        let bounced_ids: Vec<_> = bounced.iter().map(|broker| broker.id).collect();
        self.brokers_failed(&[failed, bounced_ids].concat());
        self.brokers_started(bounced.into_iter().chain(started).collect());
    }

    fn brokers_started(&mut self, brokers: Vec<Arc<LiveBroker>>) {
        if brokers.is_empty() {
            return;
        }
        let ids: Vec<_> = brokers.iter().map(|broker| broker.id).collect();
        let replicas: Vec<_> = ids.iter().flat_map(|id| self.cluster.replicas_on(*id)).collect();
        let deleting = self.deleting_topics_among(&replicas);
        self.then([
            Stage::BrokersJoin(brokers),
            Stage::TellAll(ids),
            Stage::ReplicasOnline(replicas),
            Stage::ElectUnsettled,
            Stage::RetryDeletions(deleting),
        ]);
    }

    /// New registrations are believed only now, so that the failure of an earlier life is dealt with first.
    pub(crate) fn brokers_join(&mut self, brokers: Vec<Arc<LiveBroker>>) {
        for broker in brokers {
            self.cluster.put_broker(broker.clone());
            self.actions.push(Action::OpenChannel(broker));
        }
        self.batch.brokers_to_all();
    }

    fn brokers_failed(&mut self, ids: &[BrokerId]) {
        if ids.is_empty() {
            return;
        }
        for id in ids {
            self.cluster.remove_broker(*id);
            self.actions.push(Action::CloseChannel(*id));
        }
        let replicas = ids.iter().flat_map(|id| self.cluster.replicas_on(*id)).collect();
        self.replicas_lost(replicas);
    }

    /// Leaders among lost replicas are replaced first; then all of them leave the in-sync sets.
    fn replicas_lost(&mut self, lost: Vec<Replica>) {
        let (deleting, others): (Vec<_>, Vec<_>) =
            lost.into_iter().partition(|replica| self.cluster.is_deleting(&replica.partition.topic));
        let led = |replica: &&Replica| {
            let leadership = self.cluster.leadership(&replica.partition);
            leadership.is_some_and(|leadership| leadership.state.leader == replica.broker)
        };
        let leaderless: Vec<_> = others.iter().filter(led).map(|replica| replica.partition.clone()).collect();
        self.then([
            Stage::MovePartitions(leaderless, PartitionPhase::Offline),
            Stage::ElectUnsettled,
            Stage::ReplicasOffline(others),
        ]);
        self.fail_deletions(deleting);
        self.then([Stage::TellBrokersIfQuiet]);
    }

    /// The full picture for brokers that have just started.
    pub(crate) fn tell_all(&mut self, brokers: &[BrokerId]) {
        let with_leader = |partition: &TopicPartition| {
            self.cluster.leadership(partition).is_some() && !self.cluster.is_deleting(&partition.topic)
        };
        let topics = self.cluster.topics().flat_map(|(topic, _)| self.cluster.partitions_of(topic));
        let partitions: Vec<_> = topics.filter(with_leader).collect();
        self.batch.metadata_to(brokers, partitions);
    }

    /// Repeats everything to a broker that missed requests, deletions included.
    pub(crate) fn tell_again(&mut self, broker: BrokerId) {
        let replicas = self.cluster.replicas_on(broker);
        let topics = self.deleting_topics_among(&replicas);
        let started = |replica: &&Replica| self.phase_of(replica) == ReplicaPhase::DeletionStarted;
        let started = replicas.iter().filter(started).cloned().collect();
        self.then([
            Stage::TellAll(vec![broker]),
            Stage::ReplicasOnline(replicas),
            Stage::MoveReplicas(started, ReplicaPhase::DeletionIneligible),
            Stage::RetryDeletions(topics),
        ]);
    }

    /// A live broker advertises something else.
    pub(crate) fn broker_updated(&mut self, broker: LiveBroker) {
        let known = self.cluster.broker(broker.id);
        let same_life = known.filter(|known| known.broker_epoch == broker.broker_epoch);
        let changed = same_life.is_some_and(|known| {
            known.registration.endpoints != broker.registration.endpoints
                || known.registration.features != broker.registration.features
        });
        if changed {
            let broker = Arc::new(broker);
            self.cluster.put_broker(broker.clone());
            self.actions.push(Action::OpenChannel(broker));
            self.then([Stage::TellBrokers]);
        }
    }

    /// Asks brokers about all their replicas; the answers tell which are lost.
    pub(crate) fn log_dirs_failed(&mut self, brokers: &[BrokerId]) {
        let replicas = brokers.iter().flat_map(|id| self.cluster.replicas_on(*id)).collect();
        self.then([Stage::ReplicasOnline(replicas)]);
    }

    /// A broker says which replicas it could open.
    pub(crate) fn leader_and_isr_replied(&mut self, reply: LeaderAndIsrReply) {
        let broker = reply.broker;
        if self.cluster.broker(broker).is_none_or(|known| known.broker_epoch != reply.broker_epoch) {
            return;
        }
        if reply.error_code != 0 {
            let error_code = reply.error_code;
            return self.report(Problem::RequestRefused { broker, request: "LeaderAndIsr", error_code });
        }
        let with = |wanted: ReplicaError| {
            let matching = reply.partitions.iter().filter(move |(_, error)| *error == wanted);
            matching.map(|(partition, _)| partition.clone()).collect::<Vec<_>>()
        };
        let lost = self.cluster.note_log_dirs(broker, &with(ReplicaError::None), &with(ReplicaError::Storage));
        if !lost.is_empty() {
            self.report(Problem::ReplicasLost { broker, partitions: lost.clone() });
            self.replicas_lost(lost.into_iter().map(|partition| Replica { partition, broker }).collect());
        }
    }

    /// Replicas of topics being deleted cannot be deleted now.
    fn fail_deletions(&mut self, replicas: Vec<Replica>) {
        if replicas.is_empty() {
            return;
        }
        let topics = self.deleting_topics_among(&replicas);
        self.halt_deletions(&topics, "a replica is offline");
        let started = |replica: &Replica| self.phase_of(replica).may_become(ReplicaPhase::DeletionIneligible);
        let replicas = replicas.into_iter().filter(started).collect();
        self.then([Stage::MoveReplicas(replicas, ReplicaPhase::DeletionIneligible), Stage::ResumeDeletions(topics)]);
    }
}
