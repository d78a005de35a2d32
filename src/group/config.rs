//! What the coordinator is told at the start.

use std::time::Duration;

use ::config::BrokerConfig;
use storage::compression::Codec;

use super::core::Settings;
use super::records::ValueVersions;
use super::writer::Format;

/// The coordinator's configuration.
#[derive(Debug, Clone)]
pub struct GroupConfig {
    /// Partitions of `__consumer_offsets`: of the topic if it exists, else `offsets.topic.num.partitions`. Does not
    /// change while the broker runs, because it decides where a group lives.
    pub partitions: i32,
    /// What the decisions depend on.
    pub settings: Settings,
    /// How records are written.
    pub format: Format,
    /// Whether `group.instance.id` is served: `inter.broker.protocol.version` 2.3 and newer. Older coordinators would
    /// take static members for dynamic ones.
    pub has_static_membership: bool,
    /// `offsets.load.buffer.size`.
    pub load_buffer_bytes: usize,
    /// `offsets.retention.check.interval.ms`.
    pub expiry_check_ms: u64,
}

impl GroupConfig {
    /// Takes what it needs of the broker's configuration. `partitions` is how many `__consumer_offsets` has in the
    /// cluster, none when it does not exist yet.
    pub fn new(config: &BrokerConfig, partitions: Option<i32>) -> GroupConfig {
        let (groups, offsets) = (&config.groups, &config.offsets);
        let protocol_version = config.replication.protocol_version;
        let versions = ValueVersions {
            offset: protocol_version.offset_commit_value_version(false),
            group: protocol_version.group_metadata_value_version(),
        };
        let codec = u8::try_from(offsets.topic_codec).ok().and_then(Codec::from_id);
        GroupConfig {
            partitions: partitions.unwrap_or(offsets.topic_partitions),
            settings: Settings {
                min_session_timeout_ms: i32::try_from(groups.min_session_timeout.as_millis()).unwrap_or(i32::MAX),
                max_session_timeout_ms: i32::try_from(groups.max_session_timeout.as_millis()).unwrap_or(i32::MAX),
                max_size: groups.max_size,
                initial_rebalance_delay_ms: millis(groups.initial_rebalance_delay),
                offset_metadata_max_length: offsets.metadata_max_bytes,
                offsets_retention_ms: i64::try_from(offsets.retention.as_millis()).unwrap_or(i64::MAX),
            },
            // Numbers beyond the codecs are refused where the configuration is read.
            format: Format { versions, compression: codec.unwrap_or_default() },
            has_static_membership: protocol_version.has_static_membership(),
            load_buffer_bytes: usize::try_from(offsets.load_buffer_bytes).unwrap_or(usize::MAX),
            expiry_check_ms: millis(offsets.retention_check_interval),
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use ::config::Properties;

    use super::*;

    fn config(settings: &[(&str, &str)]) -> GroupConfig {
        let base = [("zookeeper.connect", "localhost:2181")];
        let properties = base.iter().chain(settings).copied().collect::<Properties>();
        GroupConfig::new(&BrokerConfig::new(properties).unwrap(), None)
    }

    #[test]
    fn defaults_are_kafkas_and_old_clusters_get_old_records() {
        let new = config(&[]);
        assert_eq!((new.partitions, new.format.versions, new.has_static_membership), (50, ValueVersions::NEWEST, true));
        assert_eq!((new.settings.min_session_timeout_ms, new.settings.max_session_timeout_ms), (6_000, 1_800_000));
        assert_eq!((new.settings.max_size, new.settings.initial_rebalance_delay_ms), (i32::MAX as usize, 3_000));
        assert_eq!((new.settings.offsets_retention_ms, new.expiry_check_ms), (7 * 24 * 3_600_000, 600_000));
        let old = config(&[("inter.broker.protocol.version", "2.0"), ("offsets.topic.compression.codec", "3")]);
        assert_eq!((old.format.versions, old.has_static_membership), (ValueVersions { offset: 1, group: 1 }, false));
        assert_eq!(old.format.compression, Codec::Lz4);
    }
}
