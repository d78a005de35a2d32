//! The topic settings that a log obeys, typed. Who reads them from text is `config`; the defaults here are Kafka 3.9's.

use std::time::Duration;

use crate::batch::TimestampType;
use crate::compression::{Codec, Compression};

/// Settings of one log. Swapped as a whole when the topic's configuration changes.
#[derive(Debug, Clone, PartialEq)]
pub struct LogConfig {
    /// `segment.bytes`.
    pub segment_bytes: u64,
    /// `segment.ms`.
    pub segment_time: Duration,
    /// `segment.jitter.ms`.
    pub segment_jitter: Duration,
    /// `segment.index.bytes`.
    pub segment_index_bytes: usize,
    /// `index.interval.bytes`.
    pub index_interval_bytes: u64,
    /// `flush.messages`: sync after so many records.
    pub flush_messages: u64,
    /// `flush.ms`: sync when the oldest unsynced record is so old; `None` never.
    pub flush_interval: Option<Duration>,
    /// `klamm.flush` is `group`: no record is acknowledged before it is synced.
    pub flush_before_ack: bool,
    /// `preallocate`: a new segment's file has its full size at once.
    pub preallocate: bool,
    /// `retention.ms`; `None` keeps for ever.
    pub retention: Option<Duration>,
    /// `retention.bytes`; `None` keeps any size.
    pub retention_bytes: Option<u64>,
    /// `file.delete.delay.ms`.
    pub file_delete_delay: Duration,
    /// `cleanup.policy` has `delete`.
    pub delete: bool,
    /// `cleanup.policy` has `compact`.
    pub compact: bool,
    /// `min.cleanable.dirty.ratio`.
    pub min_cleanable_dirty_ratio: f64,
    /// `delete.retention.ms`: how long tombstones and markers stay readable.
    pub delete_retention: Duration,
    /// `min.compaction.lag.ms`; `None` no bound.
    pub min_compaction_lag: Option<Duration>,
    /// `max.compaction.lag.ms`; rolls segments of compacted topics in time. `None` no bound.
    pub max_compaction_lag: Option<Duration>,
    /// `max.message.bytes`: of a batch, after compression.
    pub max_message_bytes: usize,
    /// `message.timestamp.type`.
    pub timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`; `None` no bound.
    pub timestamp_before_max: Option<Duration>,
    /// `message.timestamp.after.max.ms`; `None` no bound.
    pub timestamp_after_max: Option<Duration>,
    /// `compression.type`.
    pub compression: TopicCompression,
    /// Format that records are kept in: 2, or what `message.format.version` says while the inter-broker protocol is older
    /// than 3.0 (KIP-724).
    pub record_magic: u8,
    /// Every broker of the cluster understands zstd (inter-broker protocol 2.1).
    pub zstd_allowed: bool,
}

/// `compression.type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TopicCompression {
    /// `producer`: batches stay as they came.
    #[default]
    Producer,
    /// This codec and level; batches in another codec are packed anew.
    Fixed(Compression),
}

impl TopicCompression {
    /// What a batch that came in `source` is stored in.
    pub fn target(self, source: Codec) -> Compression {
        match self {
            TopicCompression::Producer => source.into(),
            TopicCompression::Fixed(compression) => compression,
        }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);
        LogConfig {
            segment_bytes: 1 << 30,
            segment_time: WEEK,
            segment_jitter: Duration::ZERO,
            segment_index_bytes: 10 << 20,
            index_interval_bytes: 4096,
            flush_messages: u64::MAX,
            flush_interval: None,
            flush_before_ack: false,
            preallocate: false,
            retention: Some(WEEK),
            retention_bytes: None,
            file_delete_delay: Duration::from_secs(60),
            delete: true,
            compact: false,
            min_cleanable_dirty_ratio: 0.5,
            delete_retention: Duration::from_secs(24 * 3600),
            min_compaction_lag: None,
            max_compaction_lag: None,
            max_message_bytes: 1_048_588,
            timestamp_type: TimestampType::CreateTime,
            timestamp_before_max: None,
            timestamp_after_max: None,
            compression: TopicCompression::Producer,
            record_magic: 2,
            zstd_allowed: true,
        }
    }
}

impl LogConfig {
    /// How long a segment may take records: `segment.ms`, shortened by `max.compaction.lag.ms` on compacted topics.
    pub fn max_segment_ms(&self) -> i64 {
        let lag = self.max_compaction_lag.filter(|_| self.compact).unwrap_or(Duration::MAX);
        millis(self.segment_time.min(lag))
    }
}

/// Milliseconds, at most `i64::MAX`.
pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
