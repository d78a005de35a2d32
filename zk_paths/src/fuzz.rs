//! One entry for everything that other brokers and people can write into znodes: a short property test runs it on every
//! build, a long fuzz target beside.

use crate::ids::{BrokerId, TopicPartition};
use crate::*;

/// Reads bytes as the data of each znode. Nothing may panic or ask for much memory.
pub fn fuzz(bytes: &[u8]) {
    let partition = TopicPartition::new("t", 0);
    let _ = broker_registration::BrokerRegistration::decode(BrokerId(1), bytes);
    let _ = cluster_id::decode(bytes);
    let _ = config_change::decode("config_change_0000000000", bytes);
    let _ = config_entity::decode(&config_entity::ConfigEntity::Topic("t".into()), bytes);
    let _ = consumer_offset::decode("/consumers/g/offsets/t/0", bytes);
    let _ = controller::ControllerRegistration::decode(bytes);
    let _ = controller_epoch::decode(bytes);
    let _ = feature::FinalizedFeatures::decode(bytes);
    let _ = isr_change_notification::decode("isr_change_0000000000", bytes);
    let _ = log_dir_event_notification::decode("log_dir_event_0000000000", bytes);
    let _ = partition_state::PartitionState::decode(&partition, bytes);
    let _ = preferred_replica_election::decode(bytes);
    let _ = producer_id_block::ProducerIdBlock::decode(bytes);
    let _ = reassign_partitions::decode(bytes);
    let _ = topic::TopicAssignment::decode("t", bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = config_entity::ConfigEntity::parse(text);
        let _ = broker_ids::parse_child(text);
        let _ = entity_name::desanitize(text);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            fuzz(&bytes);
        }

        #[test]
        fn documents_with_any_value_are_read_or_refused(
            key in "version|partitions|adding_replicas|topic_id|brokerid|epoch|leader|isr|endpoints|features|entity_path",
            value in r#"-?[0-9]{1,20}|"[ -~&&[^"\\]]{0,12}"|\[[0-9,]{0,8}\]|\{"0":\[1,-?[0-9]{1,12}\]\}|null|1e999"#,
        ) {
            fuzz(format!(r#"{{"version":1,"{key}":{value}}}"#).as_bytes());
            fuzz(format!(r#"{{"version":3,"{key}":{value}}}"#).as_bytes());
        }
    }
}
