//! New topics, more partitions, topics that vanished, and states that leaders wrote themselves.

use zk_paths::ids::{TopicName, TopicPartition};

use crate::action::Problem;
use crate::cluster::Leadership;
use crate::controller::{Controller, Stage};
use crate::event::NewTopic;
use crate::phases::{PartitionPhase, ReplicaPhase};
use crate::write::Write;

impl Controller {
    /// Topics appeared or vanished.
    pub(crate) fn topics_changed(&mut self, added: Vec<NewTopic>, removed: &[TopicName]) {
        removed.iter().for_each(|topic| self.cluster.remove_topic(topic));
        let (mut ids, mut new_partitions) = (Vec::new(), Vec::new());
        for topic in added {
            if self.cluster.topic(&topic.name).is_none() {
                ids.extend(self.add_topic(&topic));
                new_partitions.extend(self.add_partitions(topic));
            }
        }
        self.then([Stage::Write(ids)]);
        self.create(new_partitions);
    }

    /// A topic's node changed: partitions were added, or it lost its id to an older controller.
    pub(crate) fn topic_updated(&mut self, topic: NewTopic) {
        let Some(known) = self.cluster.topic(&topic.name) else { return };
        let is_new = |partition: &&i32| !known.partitions.contains_key(partition);
        let added = topic.assignment.partitions.keys().filter(is_new).count();
        if self.cluster.is_deleting(&topic.name) {
            if added > 0 {
                self.report(Problem::GrowthDuringDeletion { topic: topic.name.clone(), added });
                self.restore(topic);
            }
            return;
        }
        let id = self.keep_id(&topic);
        self.then([Stage::Write(id.into_iter().collect())]);
        let new_partitions = self.add_partitions(topic);
        self.create(new_partitions);
    }

    /// Leaders below IBP 2.7-IV2 write states themselves and tell us afterwards.
    pub(crate) fn isr_notified(&mut self, states: Vec<(TopicPartition, Leadership)>) {
        for (partition, leadership) in states {
            if self.cluster.partition(&partition).is_some() {
                self.cluster.set_leadership(&partition, leadership);
                self.batch.metadata_of(&partition);
            }
        }
    }

    /// A topic, or all that have no setting of their own, may now elect leaders uncleanly, or no longer.
    pub(crate) fn unclean_election_configured(&mut self, topic: Option<TopicName>, allowed: Option<bool>) {
        match &topic {
            Some(topic) => self.cluster.set_unclean(topic, allowed),
            None => self.cluster.settings.unclean_leader_election = allowed.unwrap_or(false),
        }
        if allowed == Some(true) {
            let concerned = |partition: &TopicPartition| topic.as_ref().is_none_or(|topic| partition.topic == *topic);
            let waiting = self.cluster.unsettled().into_iter().filter(concerned).collect();
            let strategy = crate::election::Strategy::Offline { allow_unclean: false };
            self.then([Stage::Elect(waiting, strategy)]);
        }
    }

    /// Learns of a topic; the write gives it an id if it should have one.
    pub(crate) fn add_topic(&mut self, topic: &NewTopic) -> Option<Write> {
        self.cluster.add_topic(&topic.name, topic.assignment.topic_id);
        self.cluster.set_unclean(&topic.name, topic.unclean_allowed);
        self.keep_id(topic)
    }

    /// An id once known stays: an older controller or tool that rewrote the node without it does not take it away.
    fn keep_id(&mut self, topic: &NewTopic) -> Option<Write> {
        let known = self.cluster.topic(&topic.name).and_then(|topic| topic.id);
        if topic.assignment.topic_id.is_some() || !self.cluster.settings.topic_ids {
            return None;
        }
        let id = known.unwrap_or(topic.spare_id);
        self.cluster.add_topic(&topic.name, Some(id));
        let assignment = zk_paths::topic::TopicAssignment { topic_id: Some(id), ..topic.assignment.clone() };
        Some(Write::Topic { topic: topic.name.clone(), assignment, expected: topic.zk_version })
    }

    /// Adds the partitions we do not know yet; answers them.
    pub(crate) fn add_partitions(&mut self, topic: NewTopic) -> Vec<TopicPartition> {
        let mut added = Vec::new();
        for (number, assignment) in topic.assignment.partitions {
            let partition = TopicPartition { topic: topic.name.clone(), partition: number };
            if self.cluster.partition(&partition).is_none() && !assignment.replicas.is_empty() {
                self.cluster.add_partition(&partition, assignment);
                added.push(partition);
            }
        }
        added
    }

    /// Non-existent partitions become New, then get their first leaders.
    fn create(&mut self, partitions: Vec<TopicPartition>) {
        if partitions.is_empty() {
            return;
        }
        let replicas: Vec<_> =
            partitions.iter().flat_map(|partition| self.cluster.replicas_of_partition(partition)).collect();
        let strategy = crate::election::Strategy::Offline { allow_unclean: false };
        self.then([
            Stage::MovePartitions(partitions.clone(), PartitionPhase::New),
            Stage::MoveReplicas(replicas.clone(), ReplicaPhase::New),
            Stage::Elect(partitions, strategy),
            Stage::ReplicasOnline(replicas),
        ]);
    }

    /// Writes back the partitions a topic had before somebody added some to it during its deletion.
    fn restore(&mut self, topic: NewTopic) {
        let Some(known) = self.cluster.topic(&topic.name) else { return };
        let partitions = known.partitions.iter().map(|(number, found)| (*number, found.assignment.clone())).collect();
        let assignment = zk_paths::topic::TopicAssignment { topic_id: known.id, partitions };
        let write = Write::Topic { topic: topic.name, assignment, expected: topic.zk_version };
        self.then([Stage::Write(vec![write])]);
    }
}
