//! A new term: from what ZooKeeper holds to a running controller (zookeeper.md 5.3).
//!
//! Order matters: brokers learn who lives before they learn what they host; replicas are settled before leaders are
//! looked for; deletions and pending elections come last.

use std::collections::HashMap;
use std::sync::Arc;

use zk_paths::ids::{ControllerEpoch, TopicName, TopicPartition};

use crate::action::Action;
use crate::cluster::{ClusterState, Leadership, LiveBroker, Replica, Settings};
use crate::controller::{Controller, Progress, Stage};
use crate::event::{ElectionKind, Event, NewTopic, Trigger};
use crate::phases::{PartitionPhase, ReplicaPhase};

/// What a new controller has read.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// All registered brokers.
    pub brokers: Vec<LiveBroker>,
    /// All topics.
    pub topics: Vec<NewTopic>,
    /// All state nodes there are.
    pub states: HashMap<TopicPartition, Leadership>,
    /// The children of `/admin/delete_topics`.
    pub deletions: Vec<TopicName>,
}

impl Controller {
    /// Begins a term. The progress answered is to be carried through like an event's.
    pub fn start(controller_epoch: ControllerEpoch, settings: Settings, snapshot: Snapshot) -> (Controller, Progress) {
        let mut controller = Controller::new(ClusterState::new(controller_epoch, settings));
        controller.load(snapshot.brokers, snapshot.topics, snapshot.states);
        let (online, offline) = controller.settle_replicas();
        controller.then([
            Stage::TellBrokers,
            Stage::ReplicasOnline(online),
            Stage::ReplicasOffline(offline),
            Stage::SettlePartitions,
            Stage::ElectUnsettled,
        ]);
        // Queued at once, so that no leader is elected for them; begun last.
        controller.deletions_requested(snapshot.deletions);
        let progress = controller.advance();
        (controller, progress)
    }

    /// Takes up a request left in `/admin/preferred_replica_election`: the first event of a term where there is one.
    pub fn pending_preferred_election(partitions: Vec<TopicPartition>) -> Event {
        Event::ElectLeaders { partitions: Some(partitions), kind: ElectionKind::Preferred, trigger: Trigger::Znode }
    }

    fn load(
        &mut self,
        brokers: Vec<LiveBroker>,
        topics: Vec<NewTopic>,
        mut states: HashMap<TopicPartition, Leadership>,
    ) {
        for broker in brokers {
            let broker = Arc::new(broker);
            self.cluster.put_broker(broker.clone());
            self.actions.push(Action::OpenChannel(broker));
        }
        let mut ids = Vec::new();
        for topic in topics {
            ids.extend(self.add_topic(&topic));
            for partition in self.add_partitions(topic) {
                if let Some(leadership) = states.remove(&partition) {
                    self.cluster.set_leadership(&partition, leadership);
                }
            }
        }
        self.then([Stage::Write(ids)]);
    }

    /// First phases of all replicas: those online, and those offline, which at first count as not deletable.
    fn settle_replicas(&mut self) -> (Vec<Replica>, Vec<Replica>) {
        let names: Vec<_> = self.cluster.topics().map(|(name, _)| name.clone()).collect();
        let replicas = names.iter().flat_map(|name| self.cluster.replicas_of(name));
        let (online, offline): (Vec<_>, Vec<_>) =
            replicas.partition(|replica| self.cluster.is_replica_online(&replica.partition, replica.broker));
        for replica in &online {
            self.cluster.force_replica_phase(replica, ReplicaPhase::Online);
        }
        for replica in &offline {
            self.cluster.force_replica_phase(replica, ReplicaPhase::DeletionIneligible);
        }
        (online, offline)
    }

    /// First phases of all partitions, from their states and from who lives.
    pub(crate) fn settle_partitions(&mut self) {
        let names: Vec<_> = self.cluster.topics().map(|(name, _)| name.clone()).collect();
        for partition in names.iter().flat_map(|name| self.cluster.partitions_of(name)).collect::<Vec<_>>() {
            let leader = self.cluster.leadership(&partition).map(|leadership| leadership.state.leader);
            let phase = match leader {
                None => PartitionPhase::New,
                Some(leader) if self.cluster.is_replica_online(&partition, leader) => PartitionPhase::Online,
                Some(_) => PartitionPhase::Offline,
            };
            self.cluster.force_phase(&partition, phase);
        }
    }
}
