//! What one topic's logs run with: the broker's defaults with the topic's own settings over them (`LogConfig`).

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use crate::MetadataVersion;
use crate::broker::settings::Values;
use crate::error::{ConfigError, ConfigErrors};
use crate::topic_keys::{self, TOPIC_KEYS, TopicKey};
use crate::value::Value;

/// A topic's settings.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicConfig {
    /// `segment.bytes`
    pub segment_bytes: u32,
    /// `segment.ms`
    pub segment_age: Duration,
    /// `segment.jitter.ms`
    pub segment_jitter: Duration,
    /// `segment.index.bytes`
    pub segment_index_bytes: u32,
    /// `index.interval.bytes`
    pub index_interval_bytes: u32,
    /// `flush.messages`
    pub flush_messages: u64,
    /// `flush.ms`
    pub flush_interval: Duration,
    /// `klamm.flush` is `group`.
    pub flush_before_ack: bool,
    /// `retention.bytes`; `None` keeps all.
    pub retention_bytes: Option<u64>,
    /// `retention.ms`; `None` keeps for ever.
    pub retention: Option<Duration>,
    /// `file.delete.delay.ms`
    pub file_delete_delay: Duration,
    /// `cleanup.policy` has `delete`.
    pub delete: bool,
    /// `cleanup.policy` has `compact`.
    pub compact: bool,
    /// `delete.retention.ms`
    pub delete_retention: Duration,
    /// `min.compaction.lag.ms`
    pub min_compaction_lag: Duration,
    /// `max.compaction.lag.ms`
    pub max_compaction_lag: Duration,
    /// `min.cleanable.dirty.ratio`
    pub min_cleanable_dirty_ratio: f64,
    /// `max.message.bytes`
    pub max_message_bytes: u32,
    /// `compression.type` with its level.
    pub compression: Compression,
    /// `preallocate`
    pub preallocate: bool,
    /// `message.timestamp.type`
    pub timestamp_type: TimestampType,
    /// How far a record's time may lie in the past.
    pub timestamp_before_max: Duration,
    /// How far a record's time may lie in the future.
    pub timestamp_after_max: Duration,
    /// `message.downconversion.enable`
    pub downconversion: bool,
    /// Format that records are kept in, from `message.format.version`: 0, 1 or 2.
    pub record_magic: u8,
    /// Every broker of the cluster understands zstd.
    pub zstd_allowed: bool,
    /// `min.insync.replicas`
    pub min_insync_replicas: u32,
    /// `unclean.leader.election.enable`
    pub unclean_leader_election: bool,
    /// `leader.replication.throttled.replicas`
    pub leader_throttled: ThrottledReplicas,
    /// `follower.replication.throttled.replicas`
    pub follower_throttled: ThrottledReplicas,
}

/// Codec that a log is kept in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Whatever the producer chose.
    Producer,
    /// None.
    Uncompressed,
    /// gzip; -1 is the codec's own default.
    Gzip {
        /// 1 to 9, or -1.
        level: i32,
    },
    /// snappy.
    Snappy,
    /// lz4.
    Lz4 {
        /// 1 to 17.
        level: i32,
    },
    /// zstd.
    Zstd {
        /// -131072 to 22.
        level: i32,
    },
}

/// Whose time a record carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampType {
    /// The producer's.
    CreateTime,
    /// The broker's, when it appended.
    LogAppendTime,
}

/// Replicas under a replication quota.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ThrottledReplicas {
    /// All of the topic.
    All,
    /// These: partition and broker.
    Only(Vec<(i32, i32)>),
}

/// What a topic has unless it says otherwise: the broker's values under the topic's names.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicDefaults {
    values: HashMap<&'static str, Value>,
    /// `inter.broker.protocol.version`
    between_brokers: MetadataVersion,
}

impl TopicDefaults {
    /// Takes them out of a broker's values.
    pub(crate) fn new(values: &Values) -> Result<TopicDefaults, ConfigError> {
        let mut defaults = HashMap::new();
        for row in TOPIC_KEYS {
            let from_broker = row.server_defaults.iter().find_map(|name| Some(in_topic_units(name, values.get(name)?)));
            let value = match (from_broker, row.key.default) {
                (Some(value), _) => value,
                (None, Some(text)) => Value::parse(&row.key, text)?,
                (None, None) => continue,
            };
            defaults.insert(row.key.name, value);
        }
        let between_brokers = values.text("inter.broker.protocol.version").and_then(|text| text.parse().ok());
        let between_brokers = between_brokers.unwrap_or(MetadataVersion::V3_0_IV1);
        let mut defaults = TopicDefaults { values: defaults, between_brokers };
        defaults.settle_retention();
        defaults.settle_timestamps();
        defaults.settle_message_format(values);
        Ok(defaults)
    }

    /// The default as text.
    pub fn text(&self, name: &str) -> String {
        self.values.get(name).map(Value::to_string).unwrap_or_default()
    }

    pub(crate) fn number(&self, name: &str) -> i64 {
        number(&self.values, name)
    }

    /// Any negative retention means for ever (`KafkaConfig.logRetentionTimeMillis`).
    fn settle_retention(&mut self) {
        if self.number("retention.ms") < 0 {
            self.values.insert("retention.ms", Value::Long(-1));
        }
    }

    /// The broker hands its own limits down with the older setting already worked in, so that a topic's
    /// `message.timestamp.difference.max.ms` does not reach past them.
    fn settle_timestamps(&mut self) {
        for name in ["message.timestamp.before.max.ms", "message.timestamp.after.max.ms"] {
            self.values.insert(name, Value::Long(timestamp_limit(&self.values, name)));
        }
    }

    /// Shows the version as Kafka does: in full, and 3.0-IV1 whenever it has no effect.
    fn settle_message_format(&mut self, values: &Values) {
        let version = match self.between_brokers.ignores_message_format() {
            true => Some(MetadataVersion::V3_0_IV1),
            false => values.text("log.message.format.version").and_then(|text| text.parse().ok()),
        };
        if let Some(version) = version {
            self.values.insert("message.format.version", Value::Text(version.to_string()));
        }
    }
}

impl TopicDefaults {
    /// Why a topic's own `message.format.version` counts for nothing, if it does (`TopicConfigHandler.excludedConfigs`); the
    /// text is empty where Kafka passes over it in silence.
    pub fn message_format_ignored(&self, topic: &str, overrides: &BTreeMap<String, String>) -> Option<String> {
        let text = overrides.get("message.format.version")?;
        let (version, between) = (text.parse::<MetadataVersion>().ok()?, self.between_brokers);
        if between.ignores_message_format() {
            let warning = format!(
                "Topic configuration message.format.version with value `{text}` is ignored for `{topic}` because the \
                 inter-broker protocol version `{between}` is greater or equal than 3.0. This configuration is deprecated \
                 and it will be removed in Apache Kafka 4.0."
            );
            return Some(if version.record_version() < 2 { warning } else { String::new() });
        }
        (between < version).then(|| {
            format!(
                "Topic configuration message.format.version is ignored for `{topic}` because `{text}` is higher than what \
                 is allowed by the inter-broker protocol version `{between}`"
            )
        })
    }
}

/// A broker's value in the topic key's unit: hours and minutes become milliseconds.
fn in_topic_units(name: &str, value: &Value) -> Value {
    let factor = match name.rsplit_once('.') {
        Some((_, "hours")) => 3_600_000,
        Some((_, "minutes")) => 60_000,
        _ => return value.clone(),
    };
    match value {
        Value::Int(count) => Value::Long(i64::from(*count) * factor),
        other => other.clone(),
    }
}

impl TopicConfig {
    /// Puts a topic's settings over the broker's defaults. Unknown names are left out of account, as Kafka does with
    /// what it finds in ZooKeeper; a wrong value is an error.
    pub fn resolve(
        defaults: &TopicDefaults,
        overrides: &BTreeMap<String, String>,
    ) -> Result<TopicConfig, ConfigErrors> {
        let mut values = defaults.values.clone();
        let mut errors = Vec::new();
        let format_ignored = defaults.message_format_ignored("", overrides).is_some();
        for (name, text) in overrides {
            let Some(TopicKey { key, .. }) = topic_keys::find(name) else { continue };
            if format_ignored && name == "message.format.version" {
                continue;
            }
            match Value::parse(key, text) {
                Ok(value) => drop(values.insert(key.name, value)),
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() { Ok(typed(&values, defaults.between_brokers)) } else { Err(ConfigErrors(errors)) }
    }
}

/// Judges the settings that a client wants for a topic (`LogConfig.validate`). Answers the first thing that is wrong, in
/// the words that Kafka puts into INVALID_CONFIG.
pub fn validate_topic_config(
    defaults: &TopicDefaults,
    overrides: &BTreeMap<String, String>,
) -> Result<(), ConfigError> {
    if let Some(unknown) = overrides.keys().find(|name| topic_keys::find(name).is_none()) {
        return Err(ConfigError::UnknownTopicKey(unknown.clone()));
    }
    let mut values = defaults.values.clone();
    for (name, text) in overrides {
        if let Some(TopicKey { key, .. }) = topic_keys::find(name) {
            values.insert(key.name, Value::parse(key, text)?);
        }
    }
    check_together(&values)
}

fn check_together(values: &HashMap<&'static str, Value>) -> Result<(), ConfigError> {
    let (min, max) = (number(values, "min.compaction.lag.ms"), number(values, "max.compaction.lag.ms"));
    if min > max {
        let text =
            format!("conflict topic config setting min.compaction.lag.ms ({min}) > max.compaction.lag.ms ({max})");
        return Err(ConfigError::Conflict(text));
    }
    if flag(values, "remote.log.delete.on.disable") || flag(values, "remote.log.copy.disable") {
        let text = "It is invalid to set `remote.log.delete.on.disable` or `remote.log.copy.disable` under \
                    Zookeeper's mode.";
        return Err(ConfigError::Conflict(text.to_owned()));
    }
    if flag(values, "remote.storage.enable") {
        let text = "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log \
                    storage.";
        return Err(ConfigError::Disabled(text.to_owned()));
    }
    Ok(())
}

fn typed(values: &HashMap<&'static str, Value>, between_brokers: MetadataVersion) -> TopicConfig {
    let size = |name| u32::try_from(number(values, name)).unwrap_or(0);
    let millis = |name| duration(number(values, name));
    let policy = list(values, "cleanup.policy");
    TopicConfig {
        segment_bytes: size("segment.bytes"),
        segment_age: millis("segment.ms"),
        segment_jitter: millis("segment.jitter.ms"),
        segment_index_bytes: size("segment.index.bytes"),
        index_interval_bytes: size("index.interval.bytes"),
        flush_messages: number(values, "flush.messages").max(0) as u64,
        flush_interval: millis("flush.ms"),
        flush_before_ack: text(values, "klamm.flush") == "group",
        retention_bytes: u64::try_from(number(values, "retention.bytes")).ok(),
        retention: u64::try_from(number(values, "retention.ms")).ok().map(Duration::from_millis),
        file_delete_delay: millis("file.delete.delay.ms"),
        delete: policy.iter().any(|word| word == "delete"),
        compact: policy.iter().any(|word| word == "compact"),
        delete_retention: millis("delete.retention.ms"),
        min_compaction_lag: millis("min.compaction.lag.ms"),
        max_compaction_lag: millis("max.compaction.lag.ms"),
        min_cleanable_dirty_ratio: double(values, "min.cleanable.dirty.ratio"),
        max_message_bytes: size("max.message.bytes"),
        compression: compression(values),
        preallocate: flag(values, "preallocate"),
        timestamp_type: timestamp_type(values),
        timestamp_before_max: duration(timestamp_limit(values, "message.timestamp.before.max.ms")),
        timestamp_after_max: duration(timestamp_limit(values, "message.timestamp.after.max.ms")),
        downconversion: flag(values, "message.downconversion.enable"),
        record_magic: record_magic(values),
        zstd_allowed: between_brokers.has_zstd(),
        min_insync_replicas: size("min.insync.replicas"),
        unclean_leader_election: flag(values, "unclean.leader.election.enable"),
        leader_throttled: throttled(list(values, "leader.replication.throttled.replicas")),
        follower_throttled: throttled(list(values, "follower.replication.throttled.replicas")),
    }
}

fn record_magic(values: &HashMap<&'static str, Value>) -> u8 {
    let version = text(values, "message.format.version").parse::<MetadataVersion>();
    version.map_or(2, |version| version.record_version().unsigned_abs())
}

fn duration(millis: i64) -> Duration {
    Duration::from_millis(millis.max(0) as u64)
}

/// The newer limit where it is set, else the older one for both directions (KIP-937).
fn timestamp_limit(values: &HashMap<&'static str, Value>, name: &str) -> i64 {
    match number(values, name) {
        i64::MAX => number(values, "message.timestamp.difference.max.ms"),
        limit => limit,
    }
}

fn compression(values: &HashMap<&'static str, Value>) -> Compression {
    let level = |name| i32::try_from(number(values, name)).unwrap_or(-1);
    match text(values, "compression.type") {
        "uncompressed" => Compression::Uncompressed,
        "gzip" => Compression::Gzip { level: level("compression.gzip.level") },
        "snappy" => Compression::Snappy,
        "lz4" => Compression::Lz4 { level: level("compression.lz4.level") },
        "zstd" => Compression::Zstd { level: level("compression.zstd.level") },
        _ => Compression::Producer,
    }
}

fn timestamp_type(values: &HashMap<&'static str, Value>) -> TimestampType {
    match text(values, "message.timestamp.type") {
        "LogAppendTime" => TimestampType::LogAppendTime,
        _ => TimestampType::CreateTime,
    }
}

fn throttled(words: &[String]) -> ThrottledReplicas {
    if words.concat() == "*" {
        return ThrottledReplicas::All;
    }
    let pair = |word: &String| {
        let (partition, broker) = word.split_once(':')?;
        Some((partition.parse().ok()?, broker.parse().ok()?))
    };
    ThrottledReplicas::Only(words.iter().filter_map(pair).collect())
}

fn number(values: &HashMap<&'static str, Value>, name: &str) -> i64 {
    match values.get(name) {
        Some(Value::Int(value)) => i64::from(*value),
        Some(Value::Long(value)) => *value,
        _ => panic!("no number {name} in the table"),
    }
}

fn double(values: &HashMap<&'static str, Value>, name: &str) -> f64 {
    match values.get(name) {
        Some(Value::Double(value)) => *value,
        _ => panic!("no double {name} in the table"),
    }
}

fn flag(values: &HashMap<&'static str, Value>, name: &str) -> bool {
    matches!(values.get(name), Some(Value::Bool(true)))
}

fn text<'a>(values: &'a HashMap<&'static str, Value>, name: &str) -> &'a str {
    match values.get(name) {
        Some(Value::Text(value)) => value,
        _ => panic!("no text {name} in the table"),
    }
}

fn list<'a>(values: &'a HashMap<&'static str, Value>, name: &str) -> &'a [String] {
    match values.get(name) {
        Some(Value::List(values)) => values,
        _ => panic!("no list {name} in the table"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BrokerConfig, Properties};

    fn broker(settings: &[(&str, &str)]) -> BrokerConfig {
        let base = [("zookeeper.connect", "localhost:2181")];
        BrokerConfig::new(base.iter().chain(settings).copied().collect::<Properties>()).unwrap()
    }

    fn overrides(settings: &[(&str, &str)]) -> BTreeMap<String, String> {
        settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn resolved(of_broker: &[(&str, &str)], of_topic: &[(&str, &str)]) -> TopicConfig {
        TopicConfig::resolve(&broker(of_broker).topic_defaults, &overrides(of_topic)).unwrap()
    }

    #[test]
    fn kafkas_defaults() {
        let topic = resolved(&[], &[]);
        assert_eq!(topic.segment_bytes, 1 << 30);
        assert_eq!(topic.retention, Some(Duration::from_secs(168 * 3600)));
        assert_eq!(topic.retention_bytes, None);
        assert_eq!((topic.delete, topic.compact), (true, false));
        assert_eq!(topic.max_message_bytes, 1_048_588);
        assert_eq!(topic.compression, Compression::Producer);
        assert_eq!(topic.timestamp_before_max, Duration::from_millis(i64::MAX as u64));
        assert_eq!(topic.leader_throttled, ThrottledReplicas::Only(Vec::new()));
        assert_eq!(topic.flush_interval, Duration::from_millis(i64::MAX as u64));
    }

    #[test]
    fn finer_units_win_and_topics_win_over_all() {
        let ms = |topic: TopicConfig| topic.retention.map(|retention| retention.as_millis());
        assert_eq!(ms(resolved(&[("log.retention.hours", "1")], &[])), Some(3_600_000));
        let both = [("log.retention.hours", "1"), ("log.retention.minutes", "2")];
        assert_eq!(ms(resolved(&both, &[])), Some(120_000));
        let three = [both[0], both[1], ("log.retention.ms", "3")];
        assert_eq!(ms(resolved(&three, &[])), Some(3));
        assert_eq!(ms(resolved(&three, &[("retention.ms", "-1")])), None);
        assert_eq!(ms(resolved(&[("log.retention.hours", "-5")], &[])), None);
        assert_eq!(resolved(&[("log.flush.scheduler.interval.ms", "7")], &[]).flush_interval.as_millis(), 7);
    }

    #[test]
    fn the_older_timestamp_limit_fills_in_for_the_newer_ones() {
        let limits =
            |topic: TopicConfig| (topic.timestamp_before_max.as_millis(), topic.timestamp_after_max.as_millis());
        let older = ("message.timestamp.difference.max.ms", "5");
        assert_eq!(limits(resolved(&[], &[older])), (5, 5));
        assert_eq!(limits(resolved(&[], &[older, ("message.timestamp.after.max.ms", "9")])), (5, 9));
        assert_eq!(limits(resolved(&[("log.message.timestamp.difference.max.ms", "3")], &[older])), (3, 3));
    }

    #[test]
    fn a_topic_is_judged_in_kafkas_words() {
        for (settings, want) in [
            (vec![("retention.ms", "1000"), ("cleanup.policy", "compact")], ""),
            (vec![("foo", "1")], "Unknown topic config name: foo"),
            (
                vec![("segment.bytes", "1")],
                "Invalid value 1 for configuration segment.bytes: Value must be at least 14",
            ),
            (vec![("retention.ms", "x")], "Invalid value x for configuration retention.ms: Not a number of type LONG"),
            (
                vec![("min.compaction.lag.ms", "10"), ("max.compaction.lag.ms", "5")],
                "conflict topic config setting min.compaction.lag.ms (10) > max.compaction.lag.ms (5)",
            ),
            (
                vec![("remote.storage.enable", "true")],
                "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage.",
            ),
        ] {
            let got = validate_topic_config(&broker(&[]).topic_defaults, &overrides(&settings));
            assert_eq!(got.err().map(|error| error.to_string()).unwrap_or_default(), want);
        }
    }

    #[test]
    fn the_record_format_follows_the_older_of_two_versions() {
        let (old, format) = ("inter.broker.protocol.version", "message.format.version");
        let broker_format = |version| ("log.message.format.version", version);
        for (settings, topic, magic, why_ignored) in [
            (vec![], None, 2, None),
            (vec![(old, "2.8")], None, 2, None),
            (vec![(old, "2.8"), broker_format("0.10.2")], None, 1, None),
            (vec![(old, "2.8"), broker_format("0.9.0")], None, 0, None),
            (vec![(old, "2.8")], Some("0.10.0"), 1, None),
            (vec![(old, "2.8"), broker_format("0.10.2")], Some("0.11.0"), 2, None),
            (vec![(old, "2.7"), broker_format("0.10.2")], Some("2.8"), 1, Some("is higher than what is allowed")),
            (vec![(old, "3.0"), broker_format("0.10.2")], None, 2, None),
            (vec![(old, "3.0")], Some("0.10.2"), 2, Some("is greater or equal than 3.0")),
            (vec![], Some("2.8"), 2, Some("")),
        ] {
            let settings_of_topic = overrides(&topic.map(|version| (format, version)).into_iter().collect::<Vec<_>>());
            let defaults = broker(&settings).topic_defaults;
            let resolved = TopicConfig::resolve(&defaults, &settings_of_topic).unwrap();
            assert_eq!(resolved.record_magic, magic, "{settings:?} {topic:?}");
            let ignored = defaults.message_format_ignored("t", &settings_of_topic);
            assert_eq!(ignored.is_some(), why_ignored.is_some(), "{settings:?} {topic:?}");
            let (ignored, why) = (ignored.unwrap_or_default(), why_ignored.unwrap_or_default());
            assert!(ignored.contains(why) && ignored.is_empty() == why.is_empty(), "{ignored}");
        }
        assert!(!resolved(&[(old, "2.0")], &[]).zstd_allowed);
    }

    #[test]
    fn throttled_replicas_and_codecs_are_typed() {
        let topic = resolved(
            &[("compression.type", "zstd"), ("compression.zstd.level", "7")],
            &[("leader.replication.throttled.replicas", "0:1,2:3"), ("follower.replication.throttled.replicas", "*")],
        );
        assert_eq!(topic.compression, Compression::Zstd { level: 7 });
        assert_eq!(topic.leader_throttled, ThrottledReplicas::Only(vec![(0, 1), (2, 3)]));
        assert_eq!(topic.follower_throttled, ThrottledReplicas::All);
    }
}
