//! What a topic's settings mean to this broker: `config`'s words turned into storage's, with those that storage need not
//! know. Defaults come from server.properties, overrides from ZooKeeper.

use std::collections::BTreeMap;

use config::topic::{Compression as Wanted, TimestampType as Stamp};
use config::{TopicConfig, TopicDefaults};
use storage::batch::TimestampType;
use storage::compression::{Codec, Compression};
use storage::log_config::{LogConfig, TopicCompression};
use tracing::warn;

/// One topic's settings, ready for use.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicSettings {
    /// What its logs obey.
    pub log: LogConfig,
    /// `min.insync.replicas`.
    pub min_insync_replicas: usize,
    /// `message.downconversion.enable`: consumers that do not know record format 2 are served.
    pub downconversion: bool,
}

impl Default for TopicSettings {
    fn default() -> TopicSettings {
        TopicSettings { log: LogConfig::default(), min_insync_replicas: 1, downconversion: true }
    }
}

impl TopicSettings {
    /// Resolves overrides against the broker's defaults. Values that cannot be read were written past every check (by
    /// hand, or by a newer version): they are left at their defaults, with a log line, so that the topic stays available.
    pub fn resolve(defaults: &TopicDefaults, topic: &str, overrides: &BTreeMap<String, String>) -> TopicSettings {
        if let Some(warning) = defaults.message_format_ignored(topic, overrides).filter(|text| !text.is_empty()) {
            warn!("{warning}");
        }
        let config = TopicConfig::resolve(defaults, overrides).or_else(|errors| {
            warn!(topic, "topic settings are left at the broker's defaults: {errors}");
            TopicConfig::resolve(defaults, &BTreeMap::new())
        });
        // The broker's own defaults were checked when it started.
        config.map_or_else(|_| TopicSettings::default(), TopicSettings::from)
    }
}

impl From<TopicConfig> for TopicSettings {
    fn from(config: TopicConfig) -> TopicSettings {
        let log = LogConfig {
            segment_bytes: u64::from(config.segment_bytes),
            segment_time: config.segment_age,
            segment_jitter: config.segment_jitter,
            segment_index_bytes: config.segment_index_bytes as usize,
            index_interval_bytes: u64::from(config.index_interval_bytes),
            flush_messages: config.flush_messages,
            flush_interval: bounded(config.flush_interval),
            flush_before_ack: config.flush_before_ack,
            preallocate: config.preallocate,
            retention: config.retention,
            retention_bytes: config.retention_bytes,
            file_delete_delay: config.file_delete_delay,
            delete: config.delete,
            compact: config.compact,
            min_cleanable_dirty_ratio: config.min_cleanable_dirty_ratio,
            delete_retention: config.delete_retention,
            min_compaction_lag: Some(config.min_compaction_lag).filter(|lag| !lag.is_zero()),
            max_compaction_lag: bounded(config.max_compaction_lag),
            max_message_bytes: config.max_message_bytes as usize,
            timestamp_type: match config.timestamp_type {
                Stamp::CreateTime => TimestampType::CreateTime,
                Stamp::LogAppendTime => TimestampType::LogAppendTime,
            },
            timestamp_before_max: bounded(config.timestamp_before_max),
            timestamp_after_max: bounded(config.timestamp_after_max),
            compression: compression(config.compression),
            record_magic: config.record_magic,
            zstd_allowed: config.zstd_allowed,
        };
        let (min_insync_replicas, downconversion) = (config.min_insync_replicas as usize, config.downconversion);
        TopicSettings { log, min_insync_replicas, downconversion }
    }
}

/// Kafka writes "no limit" as the largest number of milliseconds.
fn bounded(limit: std::time::Duration) -> Option<std::time::Duration> {
    (limit.as_millis() < i64::MAX as u128).then_some(limit)
}

fn compression(wanted: Wanted) -> TopicCompression {
    let (codec, level) = match wanted {
        Wanted::Producer => return TopicCompression::Producer,
        Wanted::Uncompressed => (Codec::None, None),
        Wanted::Snappy => (Codec::Snappy, None),
        Wanted::Gzip { level } => (Codec::Gzip, Some(level)),
        Wanted::Lz4 { level } => (Codec::Lz4, Some(level)),
        Wanted::Zstd { level } => (Codec::Zstd, Some(level)),
    };
    TopicCompression::Fixed(Compression { codec, level })
}
