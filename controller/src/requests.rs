//! Gathers what brokers must be told during one stage, one request of each kind per broker.
//!
//! Sent in Kafka's order: LeaderAndIsr, then UpdateMetadata, then StopReplica. Every LeaderAndIsr entails an
//! UpdateMetadata to all brokers, also to those that are leaving. Brokers that are not registered get nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use zk_paths::ids::{BrokerId, LeaderEpoch, TopicId, TopicPartition};

use crate::action::{
    LEADER_DURING_DELETE, LeaderAndIsr, PartitionUpdate, Request, RequestBody, StopReplica, UpdateMetadata,
};
use crate::cluster::{ClusterState, Leadership};

/// The requests of one stage.
#[derive(Debug, Default)]
pub(crate) struct RequestBatch {
    leader_and_isr: BTreeMap<BrokerId, BTreeMap<TopicPartition, bool>>,
    stop_replica: BTreeMap<BrokerId, BTreeMap<TopicPartition, bool>>,
    metadata_partitions: BTreeSet<TopicPartition>,
    metadata_receivers: BTreeSet<BrokerId>,
    metadata_to_all: bool,
}

impl RequestBatch {
    /// Tells brokers who leads a partition, and all brokers about it.
    pub fn leader_and_isr(&mut self, to: &[BrokerId], partition: &TopicPartition, is_new: bool) {
        for broker in to {
            *self.leader_and_isr.entry(*broker).or_default().entry(partition.clone()).or_default() |= is_new;
        }
        self.metadata_of(partition);
    }

    /// Tells all brokers about a partition.
    pub fn metadata_of(&mut self, partition: &TopicPartition) {
        self.metadata_partitions.insert(partition.clone());
        self.metadata_to_all = true;
    }

    /// Tells all brokers who is live.
    pub fn brokers_to_all(&mut self) {
        self.metadata_to_all = true;
    }

    /// Tells some brokers who is live and about these partitions.
    pub fn metadata_to(&mut self, to: &[BrokerId], partitions: impl IntoIterator<Item = TopicPartition>) {
        self.metadata_receivers.extend(to);
        self.metadata_partitions.extend(partitions);
    }

    /// Tells a broker to stop a replica.
    pub fn stop_replica(&mut self, broker: BrokerId, partition: &TopicPartition, delete: bool) {
        *self.stop_replica.entry(broker).or_default().entry(partition.clone()).or_default() |= delete;
    }

    /// Makes the requests and empties the batch.
    pub fn take(&mut self, cluster: &ClusterState) -> Vec<Request> {
        let batch = std::mem::take(self);
        let mut requests = Vec::new();
        for (to, partitions) in batch.leader_and_isr {
            requests.extend(request(cluster, to, || RequestBody::LeaderAndIsr(leader_and_isr(cluster, partitions))));
        }
        let receivers: Vec<_> = match batch.metadata_to_all {
            true => cluster.brokers().map(|broker| broker.id).collect(),
            false => batch.metadata_receivers.into_iter().collect(),
        };
        if !receivers.is_empty() {
            let update = Arc::new(update_metadata(cluster, &batch.metadata_partitions));
            let body = || RequestBody::UpdateMetadata(update.clone());
            requests.extend(receivers.into_iter().filter_map(|to| request(cluster, to, body)));
        }
        for (to, partitions) in batch.stop_replica {
            requests.extend(request(cluster, to, || RequestBody::StopReplica(stop_replica(cluster, partitions))));
        }
        requests
    }
}

fn request(cluster: &ClusterState, to: BrokerId, body: impl FnOnce() -> RequestBody) -> Option<Request> {
    let broker_epoch = cluster.broker(to)?.broker_epoch;
    Some(Request { to, broker_epoch, body: body() })
}

fn leader_and_isr(cluster: &ClusterState, partitions: BTreeMap<TopicPartition, bool>) -> LeaderAndIsr {
    let partitions: Vec<_> = partitions
        .iter()
        .filter_map(|(partition, is_new)| {
            let leadership = cluster.leadership(partition)?;
            Some(PartitionUpdate { is_new: *is_new, ..partition_update(cluster, partition, leadership) })
        })
        .collect();
    let leaders: BTreeSet<_> = partitions.iter().map(|update| update.leader).collect();
    let live_leaders = leaders.into_iter().filter_map(|leader| cluster.broker(leader).cloned()).collect();
    LeaderAndIsr { partitions, live_leaders }
}

fn update_metadata(cluster: &ClusterState, partitions: &BTreeSet<TopicPartition>) -> UpdateMetadata {
    let update = |partition: &TopicPartition| {
        let leadership = cluster.leadership(partition)?;
        let mut update = partition_update(cluster, partition, leadership);
        let is_offline = |broker: &BrokerId| !cluster.is_replica_online(partition, *broker);
        update.offline = update.replicas.iter().copied().filter(is_offline).collect();
        if cluster.is_deleting(&partition.topic) {
            update.leader = LEADER_DURING_DELETE;
            update.leader_epoch = LeaderEpoch::DURING_DELETE;
        }
        Some(update)
    };
    UpdateMetadata {
        brokers: cluster.brokers().cloned().collect(),
        partitions: partitions.iter().filter_map(update).collect(),
    }
}

fn stop_replica(cluster: &ClusterState, partitions: BTreeMap<TopicPartition, bool>) -> Vec<StopReplica> {
    let stop = |(partition, delete)| {
        let leader_epoch = cluster.leader_epoch_for_stop(&partition);
        StopReplica { partition, leader_epoch, delete }
    };
    partitions.into_iter().map(stop).collect()
}

fn partition_update(cluster: &ClusterState, partition: &TopicPartition, leadership: &Leadership) -> PartitionUpdate {
    let assignment = cluster.partition(partition).map(|found| found.assignment.clone()).unwrap_or_default();
    let topic_id = cluster.topic(&partition.topic).and_then(|topic| topic.id).unwrap_or(TopicId::ZERO);
    PartitionUpdate {
        partition: partition.clone(),
        topic_id,
        controller_epoch: leadership.state.controller_epoch,
        leader: leadership.state.leader,
        leader_epoch: leadership.state.leader_epoch,
        isr: leadership.state.isr.clone(),
        partition_epoch: leadership.zk_version,
        replicas: assignment.replicas,
        adding: assignment.adding,
        removing: assignment.removing,
        offline: Vec::new(),
        is_new: false,
        leader_recovery_state: leadership.state.leader_recovery_state,
    }
}
