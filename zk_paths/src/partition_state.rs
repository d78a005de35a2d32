//! `/brokers/topics/<topic>/partitions/<p>/state`: a partition's leader and in-sync replicas.
//! The node's ZooKeeper data version is Kafka's "partition epoch"; it is not part of the document.

use serde::Deserialize;
use serde_json::json;

use crate::ids::{BrokerId, ControllerEpoch, LeaderEpoch, TopicPartition};
use crate::{MalformedZnode, json, topic};

/// The parent of a topic's partitions; holds null.
pub fn partitions_path(topic: &str) -> String {
    format!("{}/partitions", topic::path(topic))
}

/// The parent of one partition's state; holds null.
pub fn partition_path(partition: &TopicPartition) -> String {
    format!("{}/{}", partitions_path(&partition.topic), partition.partition)
}

/// The state node of one partition.
pub fn path(partition: &TopicPartition) -> String {
    format!("{}/state", partition_path(partition))
}

/// Whether the leader still has to recover what an unclean election may have lost (KIP-704).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LeaderRecoveryState {
    /// The usual case; not written.
    #[default]
    Recovered,
    /// The leader was elected out of sync.
    Recovering,
}

/// Who leads a partition, and who is in sync.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionState {
    /// The leader, or [`BrokerId::NONE`].
    pub leader: BrokerId,
    /// Raised with every write of the controller.
    pub leader_epoch: LeaderEpoch,
    /// In-sync replicas.
    pub isr: Vec<BrokerId>,
    /// After an unclean election.
    pub leader_recovery_state: LeaderRecoveryState,
    /// The controller that decided this. Nobody overwrites a state of a newer controller.
    pub controller_epoch: ControllerEpoch,
}

impl PartitionState {
    /// The document; the recovery state only while recovering.
    pub fn encode(&self) -> Vec<u8> {
        let mut document = json!({
            "version": 1,
            "leader": self.leader,
            "leader_epoch": self.leader_epoch,
            "controller_epoch": self.controller_epoch,
            "isr": self.isr,
        });
        if self.leader_recovery_state == LeaderRecoveryState::Recovering
            && let Some(fields) = document.as_object_mut()
        {
            fields.insert("leader_recovery_state".into(), 1.into());
        }
        json::to_bytes(&document)
    }

    /// Reads the document of `partition`.
    pub fn decode(partition: &TopicPartition, bytes: &[u8]) -> Result<PartitionState, MalformedZnode> {
        #[derive(Deserialize)]
        struct Document {
            leader: BrokerId,
            leader_epoch: LeaderEpoch,
            controller_epoch: ControllerEpoch,
            isr: Vec<BrokerId>,
            #[serde(default)]
            leader_recovery_state: i32,
        }
        let document: Document =
            json::parse("", bytes).map_err(|err| MalformedZnode::new(path(partition), err.problem))?;
        let leader_recovery_state = match document.leader_recovery_state {
            0 => LeaderRecoveryState::Recovered,
            1 => LeaderRecoveryState::Recovering,
            other => return Err(MalformedZnode::new(path(partition), format!("{other} is no leader_recovery_state"))),
        };
        Ok(PartitionState {
            leader: document.leader,
            leader_epoch: document.leader_epoch,
            isr: document.isr,
            leader_recovery_state,
            controller_epoch: document.controller_epoch,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn orders() -> TopicPartition {
        TopicPartition::new("orders", 0)
    }

    #[test]
    fn captured_and_documented_states_survive() {
        for captured in [
            &include_bytes!("../testdata/kafka_3_9_2/brokers.topics.orders.partitions.0.state")[..],
            include_bytes!("../testdata/kafka_2_4_1/brokers.topics.orders.partitions.0.state"),
            br#"{"version":1,"leader":-1,"leader_epoch":4,"controller_epoch":7,"isr":[1,2]}"#,
            br#"{"version":1,"leader":1,"leader_epoch":4,"controller_epoch":7,"isr":[1],"leader_recovery_state":1}"#,
        ] {
            json::check_same_value(captured, &PartitionState::decode(&orders(), captured).unwrap().encode());
        }
    }

    #[test]
    fn errors_name_the_path() {
        for bad in [
            &b""[..],
            br#"{"leader":1}"#,
            br#"{"version":1,"leader":1,"leader_epoch":4,"controller_epoch":7,"isr":[1],"leader_recovery_state":2}"#,
        ] {
            let err = PartitionState::decode(&orders(), bad).unwrap_err();
            assert_eq!(err.path, "/brokers/topics/orders/partitions/0/state");
        }
    }

    #[test]
    fn paths_are_kafkas() {
        assert_eq!(partitions_path("orders"), "/brokers/topics/orders/partitions");
        assert_eq!(partition_path(&orders()), "/brokers/topics/orders/partitions/0");
        assert_eq!(path(&orders()), "/brokers/topics/orders/partitions/0/state");
    }
}
