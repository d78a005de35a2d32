//! Every key of a topic, with the broker keys that supply its default, the one that wins first
//! (`LogConfig`, `ServerTopicConfigSynonyms`).

use crate::definition::Kind::{self, Bool, Double, Int, List, Long, Text};
use crate::definition::Valid::{
    self, Any, AtLeast, Between, MinusOneOrBetween, OneOf, Share, ThrottledReplicas, Version,
};
use crate::definition::{Applies, Importance, Key, Scope};

/// A key that topics may set.
#[derive(Debug, Clone, Copy)]
pub struct TopicKey {
    /// The row. Topic keys are always dynamic.
    pub key: Key,
    /// Broker keys that supply the default, the one that wins first; empty when only [`Key::default`] does.
    pub server_defaults: &'static [&'static str],
}

/// Looks a topic key up by its name.
pub fn find(name: &str) -> Option<&'static TopicKey> {
    TOPIC_KEYS.binary_search_by(|row| row.key.name.cmp(name)).ok().and_then(|index| TOPIC_KEYS.get(index))
}

const fn row(
    name: &'static str,
    kind: Kind,
    default: Option<&'static str>,
    valid: Valid,
    server_defaults: &'static [&'static str],
    doc: &'static str,
) -> TopicKey {
    let (scope, importance, applies) = (Scope::ClusterWide, Importance::Medium, Applies::Everywhere);
    TopicKey {
        key: Key { name, kind, default, valid, scope, importance, applies, internal: false, doc },
        server_defaults,
    }
}

/// All topic keys, sorted by name.
#[rustfmt::skip]
pub static TOPIC_KEYS: &[TopicKey] = &[
    row("cleanup.policy", List, Some("delete"), OneOf(&["compact", "delete"]), &["log.cleanup.policy"],
        "What happens to old segments: delete, compact or both."),
    row("compression.gzip.level", Int, Some("-1"), MinusOneOrBetween(1, 9), &["compression.gzip.level"],
        "Level for gzip when the broker compresses; -1 is the codec's default."),
    row("compression.lz4.level", Int, Some("9"), Between(1, 17), &["compression.lz4.level"],
        "Level for lz4 when the broker compresses."),
    row("compression.type", Text, Some("producer"), OneOf(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]), &["compression.type"],
        "Codec that the log is kept in; producer keeps what the producer chose."),
    row("compression.zstd.level", Int, Some("3"), Between(-131072, 22), &["compression.zstd.level"],
        "Level for zstd when the broker compresses."),
    row("delete.retention.ms", Long, Some("86400000"), AtLeast(0), &["log.cleaner.delete.retention.ms"],
        "Time a tombstone stays readable after compaction."),
    row("file.delete.delay.ms", Long, Some("60000"), AtLeast(0), &["log.segment.delete.delay.ms"],
        "Time between a segment's removal from the log and that of its files."),
    row("flush.messages", Long, Some("9223372036854775807"), AtLeast(1), &["log.flush.interval.messages"],
        "Records after which the log is forced to disk."),
    row("flush.ms", Long, Some("9223372036854775807"), AtLeast(0), &["log.flush.interval.ms", "log.flush.scheduler.interval.ms"],
        "Time after which the log is forced to disk."),
    row("follower.replication.throttled.replicas", List, Some(""), ThrottledReplicas, &[],
        "Replicas whose fetching is throttled: partition:broker pairs, or *."),
    row("index.interval.bytes", Int, Some("4096"), AtLeast(0), &["log.index.interval.bytes"],
        "Bytes of log between two entries of the offset index."),
    row("klamm.flush", Text, Some("none"), OneOf(&["none", "group"]), &[],
        "Klamm's own: group acknowledges records only after a sync to disk, which many producers share."),
    row("leader.replication.throttled.replicas", List, Some(""), ThrottledReplicas, &[],
        "Replicas whose serving of followers is throttled: partition:broker pairs, or *."),
    row("local.retention.bytes", Long, Some("-2"), AtLeast(-2), &["log.local.retention.bytes"],
        "Bytes of a tiered partition kept locally; -2 follows retention.bytes."),
    row("local.retention.ms", Long, Some("-2"), AtLeast(-2), &["log.local.retention.ms"],
        "Time a tiered segment is kept locally; -2 follows retention.ms."),
    row("max.compaction.lag.ms", Long, Some("9223372036854775807"), AtLeast(1), &["log.cleaner.max.compaction.lag.ms"],
        "Longest time a record stays uncompacted."),
    row("max.message.bytes", Int, Some("1048588"), AtLeast(0), &["message.max.bytes"],
        "Largest record batch accepted, after compression."),
    row("message.downconversion.enable", Bool, Some("true"), Any, &["log.message.downconversion.enable"],
        "Whether records are converted for consumers that know only older formats."),
    row("message.format.version", Text, Some("3.0-IV1"), Version, &["log.message.format.version"],
        "Record format; without effect from inter.broker.protocol.version 3.0 on."),
    row("message.timestamp.after.max.ms", Long, Some("9223372036854775807"), AtLeast(0), &["log.message.timestamp.after.max.ms"],
        "How far a record's time may lie in the future."),
    row("message.timestamp.before.max.ms", Long, Some("9223372036854775807"), AtLeast(0), &["log.message.timestamp.before.max.ms"],
        "How far a record's time may lie in the past."),
    row("message.timestamp.difference.max.ms", Long, Some("9223372036854775807"), AtLeast(0), &["log.message.timestamp.difference.max.ms"],
        "Older limit in both directions; wins over the two newer ones while they are at their defaults."),
    row("message.timestamp.type", Text, Some("CreateTime"), OneOf(&["CreateTime", "LogAppendTime"]), &["log.message.timestamp.type"],
        "Whether a record keeps its producer's time or gets that of the append."),
    row("min.cleanable.dirty.ratio", Double, Some("0.5"), Share(1.0), &["log.cleaner.min.cleanable.ratio"],
        "Dirty share of the log that makes it worth cleaning."),
    row("min.compaction.lag.ms", Long, Some("0"), AtLeast(0), &["log.cleaner.min.compaction.lag.ms"],
        "Shortest time a record stays uncompacted."),
    row("min.insync.replicas", Int, Some("1"), AtLeast(1), &["min.insync.replicas"],
        "Replicas in sync that acks=all needs."),
    row("preallocate", Bool, Some("false"), Any, &["log.preallocate"],
        "Whether a new segment gets its full size at once."),
    row("remote.log.copy.disable", Bool, Some("false"), Any, &[],
        "Whether a tiered topic stops copying to remote storage."),
    row("remote.log.delete.on.disable", Bool, Some("false"), Any, &[],
        "Whether turning tiering off deletes what is remote."),
    row("remote.storage.enable", Bool, Some("false"), Any, &[], "Whether the topic is tiered."),
    row("retention.bytes", Long, Some("-1"), Any, &["log.retention.bytes"],
        "Size at which a partition's oldest segments are deleted; -1 never."),
    row("retention.ms", Long, Some("604800000"), AtLeast(-1), &["log.retention.ms", "log.retention.minutes", "log.retention.hours"],
        "Age at which segments are deleted; -1 never."),
    row("segment.bytes", Int, Some("1073741824"), AtLeast(14), &["log.segment.bytes"],
        "Size at which a new segment is begun."),
    row("segment.index.bytes", Int, Some("10485760"), AtLeast(4), &["log.index.size.max.bytes"],
        "Largest size of an index file."),
    row("segment.jitter.ms", Long, Some("0"), AtLeast(0), &["log.roll.jitter.ms", "log.roll.jitter.hours"],
        "Random part taken off the roll time."),
    row("segment.ms", Long, Some("604800000"), AtLeast(1), &["log.roll.ms", "log.roll.hours"],
        "Age at which a new segment is begun."),
    row("unclean.leader.election.enable", Bool, Some("false"), Any, &["unclean.leader.election.enable"],
        "Whether a replica outside the ISR may lead when no other is left, losing records."),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker_keys;
    use crate::value::Value;

    #[test]
    fn rows_are_sorted_and_their_defaults_are_valid() {
        // Kafka's 36, and one of ours.
        assert_eq!(TOPIC_KEYS.len(), 37);
        for pair in TOPIC_KEYS.windows(2) {
            assert!(pair[0].key.name < pair[1].key.name, "{}", pair[1].key.name);
        }
        for TopicKey { key, server_defaults } in TOPIC_KEYS {
            let default = key.default.unwrap();
            assert_eq!(Value::parse(key, default).unwrap().to_string(), default, "{}", key.name);
            for name in *server_defaults {
                assert!(broker_keys::find(name).is_some(), "{} names {name}", key.name);
            }
        }
        assert!(find("retention.ms").is_some_and(|row| row.key.name == "retention.ms"));
        assert!(find("retention").is_none());
    }
}
