//! The words that every crate shares: offsets, epochs, ids. Newtypes, so that a leader epoch cannot be passed for a
//! controller epoch. Wire structs carry plain integers; handlers wrap them where they enter.
//!
//! Kafka's sentinels stay Kafka's: `-1` means "none" for offsets, epochs and ids alike, and each type names its own.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty) $(, $(#[$cdoc:meta])* $const:ident = $value:expr)*) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);
        impl $name { $( $(#[$cdoc])* pub const $const: $name = $name($value); )* }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { self.0.fmt(f) }
        }
        impl From<$inner> for $name { fn from(value: $inner) -> Self { $name(value) } }
    };
}

number!(
    /// A broker's number, `broker.id`; unique in the cluster.
    BrokerId(i32),
    /// No broker: partitions without leader, unknown controller.
    NONE = -1
);
number!(
    /// Logical position of a record in a partition. Not a byte position.
    Offset(i64),
    /// No offset.
    NONE = -1,
    /// The first offset of every new log.
    ZERO = 0
);
number!(
    /// Raised by the controller with every change of a partition's leader or ISR.
    LeaderEpoch(i32),
    /// The sender does not know or does not check it.
    NONE = -1,
    /// A topic on its way to deletion (StopReplica, UpdateMetadata).
    DURING_DELETE = -2
);
number!(
    /// Raised with every controller election; kept in `/controller_epoch`.
    ControllerEpoch(i32),
    /// Before the first election.
    NONE = 0
);
number!(
    /// The czxid of a broker's registration znode: tells one life of a broker from the next.
    BrokerEpoch(i64),
    /// Not checked.
    NONE = -1
);
number!(
    /// A znode's data version. Of a partition's state node it is Kafka's "partition epoch".
    ZkVersion(i32),
    /// Matches any version in a conditional write.
    ANY = -1
);
number!(
    /// Names an idempotent or transactional producer.
    ProducerId(i64),
    /// A batch without producer state.
    NONE = -1
);
number!(
    /// Fences earlier lives of one producer id.
    ProducerEpoch(i16),
    /// A batch without producer state.
    NONE = -1
);

/// A topic's id since Kafka 2.8: 128 bits, written as 22 characters of URL-safe base64 without padding.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TopicId(pub [u8; 16]);

impl TopicId {
    /// "No topic id": the topic was made by a controller that does not know them.
    pub const ZERO: TopicId = TopicId([0; 16]);
    /// Reserved for the KRaft metadata topic.
    pub const ONE: TopicId = TopicId([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);

    /// Makes a version 4 UUID from 16 random bytes. `None` when the text form would start with a dash, which Kafka
    /// avoids because command lines would read it as an option (`Uuid.randomUuid`): draw again.
    pub fn from_random(mut bytes: [u8; 16]) -> Option<TopicId> {
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        let id = TopicId(bytes);
        (!id.to_string().starts_with('-')).then_some(id)
    }

    /// Whether this is [`TopicId::ZERO`].
    pub fn is_zero(&self) -> bool {
        *self == TopicId::ZERO
    }
}

impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TopicId({self})")
    }
}

/// The text is not 22 characters of URL-safe base64.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadTopicId(pub String);

impl fmt::Display for BadTopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}' is not a topic id (22 characters of URL-safe base64)", self.0)
    }
}

impl std::error::Error for BadTopicId {}

impl FromStr for TopicId {
    type Err = BadTopicId;

    fn from_str(text: &str) -> Result<Self, BadTopicId> {
        let bytes = URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).map_err(|_| BadTopicId(text.into()))?;
        bytes.try_into().map(TopicId).map_err(|_| BadTopicId(text.into()))
    }
}

impl serde::Serialize for TopicId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for TopicId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A topic's name. Cheap to clone; the same text is shared by everybody who holds it.
pub type TopicName = Arc<str>;

/// One partition of one topic; prints as `topic-partition`, as Kafka's logs and directories do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic's name.
    pub topic: TopicName,
    /// The partition's number, from 0.
    pub partition: i32,
}

impl TopicPartition {
    /// Names a partition.
    pub fn new(topic: impl Into<TopicName>, partition: i32) -> TopicPartition {
        TopicPartition { topic: topic.into(), partition }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_id_prints_and_parses_as_kafka_does() {
        // Written by Kafka 3.9 for the two reserved ids and one of its documentation's examples.
        for text in ["AAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAQ", "Y1pQmVw2RrSx8o0c1bN3Zg"] {
            assert_eq!(text.parse::<TopicId>().unwrap().to_string(), text);
        }
        assert_eq!(TopicId::ONE.to_string(), "AAAAAAAAAAAAAAAAAAAAAQ");
        for bad in ["", "short", "Y1pQmVw2RrSx8o0c1bN3Zg0", "Y1pQmVw2RrSx8o0c1bN3Z!"] {
            assert!(bad.parse::<TopicId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn random_ids_never_start_with_a_dash() {
        assert_eq!(TopicId::from_random([0xfb; 16]), None);
        assert!(TopicId::from_random([1; 16]).is_some());
    }
}
