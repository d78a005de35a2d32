//! `/brokers/topics/<topic>`: a topic's partitions and who replicates them.
//!
//! | version | adds | written by |
//! |---|---|---|
//! | 1 | partitions | old brokers |
//! | 2 | adding_replicas, removing_replicas | 2.4 to 2.7 |
//! | 3 | topic_id | 2.8 and later; without the id while the IBP is older |
//!
//! A 2.4 controller rewrites the node as version 2 and so drops the topic id.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use crate::ids::{BrokerId, TopicId};
use crate::{MalformedZnode, json};

/// The parent of all topics; the controller watches its children.
pub const ROOT: &str = "/brokers/topics";

/// The node of one topic.
pub fn path(topic: &str) -> String {
    format!("{ROOT}/{topic}")
}

/// Which encoding to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TopicFormat {
    /// Without topic id, as Kafka 2.4 writes.
    V2,
    /// With the topic id, where there is one.
    V3,
}

/// The replicas of one partition. During a reassignment `replicas` holds the old and the new ones.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReplicaAssignment {
    /// All replicas, the preferred leader first.
    pub replicas: Vec<BrokerId>,
    /// Those of `replicas` that a running reassignment adds.
    pub adding: Vec<BrokerId>,
    /// Those of `replicas` that a running reassignment will remove.
    pub removing: Vec<BrokerId>,
}

impl ReplicaAssignment {
    /// An assignment at rest.
    pub fn of(replicas: impl IntoIterator<Item = BrokerId>) -> ReplicaAssignment {
        ReplicaAssignment { replicas: replicas.into_iter().collect(), ..ReplicaAssignment::default() }
    }

    /// Whether a reassignment runs.
    pub fn is_being_reassigned(&self) -> bool {
        !self.adding.is_empty() || !self.removing.is_empty()
    }

    /// The replicas before the running reassignment.
    pub fn origin(&self) -> Vec<BrokerId> {
        self.replicas.iter().copied().filter(|replica| !self.adding.contains(replica)).collect()
    }

    /// The replicas after the running reassignment.
    pub fn target(&self) -> Vec<BrokerId> {
        self.replicas.iter().copied().filter(|replica| !self.removing.contains(replica)).collect()
    }
}

/// A topic's identity and the replicas of each of its partitions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TopicAssignment {
    /// Absent where no controller with topic ids has been yet.
    pub topic_id: Option<TopicId>,
    /// By partition number.
    pub partitions: BTreeMap<i32, ReplicaAssignment>,
}

impl TopicAssignment {
    /// The document.
    pub fn encode(&self, format: TopicFormat) -> Vec<u8> {
        type Pick = fn(&ReplicaAssignment) -> &Vec<BrokerId>;
        let map = |pick: Pick, skip_empty: bool| -> BTreeMap<String, &Vec<BrokerId>> {
            let all = self.partitions.iter().map(|(partition, assignment)| (partition.to_string(), pick(assignment)));
            all.filter(|(_, replicas)| !(skip_empty && replicas.is_empty())).collect()
        };
        let mut document = json!({
            "version": match format { TopicFormat::V2 => 2, TopicFormat::V3 => 3 },
            "partitions": map(|a| &a.replicas, false),
            "adding_replicas": map(|a| &a.adding, true),
            "removing_replicas": map(|a| &a.removing, true),
        });
        if let (TopicFormat::V3, Some(id), Some(fields)) = (format, self.topic_id, document.as_object_mut()) {
            fields.insert("topic_id".into(), id.to_string().into());
        }
        json::to_bytes(&document)
    }

    /// Reads any version. Entries in the adding and removing maps for unknown partitions are ignored, as in Kafka.
    pub fn decode(topic: &str, bytes: &[u8]) -> Result<TopicAssignment, MalformedZnode> {
        #[derive(Deserialize)]
        struct Document {
            #[serde(default)]
            topic_id: Option<TopicId>,
            #[serde(default)]
            partitions: BTreeMap<String, Vec<BrokerId>>,
            #[serde(default)]
            adding_replicas: BTreeMap<String, Vec<BrokerId>>,
            #[serde(default)]
            removing_replicas: BTreeMap<String, Vec<BrokerId>>,
        }
        let mut document: Document =
            json::parse("", bytes).map_err(|err| MalformedZnode::new(path(topic), err.problem))?;
        let mut partitions = BTreeMap::new();
        for (name, replicas) in document.partitions {
            let partition = name.parse::<i32>().ok().filter(|number| *number >= 0);
            let number = partition
                .ok_or_else(|| MalformedZnode::new(path(topic), format!("'{name}' is not a partition number")))?;
            let adding = document.adding_replicas.remove(&name).unwrap_or_default();
            let removing = document.removing_replicas.remove(&name).unwrap_or_default();
            partitions.insert(number, ReplicaAssignment { replicas, adding, removing });
        }
        Ok(TopicAssignment { topic_id: document.topic_id, partitions })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(format: TopicFormat, captured: &[u8]) -> TopicAssignment {
        let topic = TopicAssignment::decode("orders", captured).unwrap();
        json::check_same_value(captured, &topic.encode(format));
        topic
    }

    #[test]
    fn captured_topics_survive() {
        let newer = check(TopicFormat::V3, include_bytes!("../testdata/kafka_3_9_2/brokers.topics.orders"));
        assert!(newer.topic_id.is_some());
        let older = check(TopicFormat::V2, include_bytes!("../testdata/kafka_2_4_1/brokers.topics.orders"));
        assert_eq!(older.partitions.len(), 3);
        check(TopicFormat::V3, br#"{"version":3,"partitions":{"0":[1]},"adding_replicas":{},"removing_replicas":{}}"#);
    }

    #[test]
    fn a_reassignment_knows_its_origin_and_target() {
        let topic = check(
            TopicFormat::V3,
            br#"{"version":3,"partitions":{"0":[3,1,4],"1":[2]},"adding_replicas":{"0":[3]},
                "removing_replicas":{"0":[4]},"topic_id":"Y1pQmVw2RrSx8o0c1bN3Zg"}"#,
        );
        let moving = &topic.partitions[&0];
        assert!(moving.is_being_reassigned() && !topic.partitions[&1].is_being_reassigned());
        assert_eq!(moving.origin(), [BrokerId(1), BrokerId(4)]);
        assert_eq!(moving.target(), [BrokerId(3), BrokerId(1)]);
    }

    #[test]
    fn version_one_has_only_partitions() {
        let topic = TopicAssignment::decode("orders", br#"{"version":1,"partitions":{"10":[1,2]}}"#).unwrap();
        assert_eq!(topic.partitions[&10], ReplicaAssignment::of([BrokerId(1), BrokerId(2)]));
    }

    #[test]
    fn nonsense_is_refused_by_path() {
        for bad in
            [&b"null"[..], br#"{"partitions":{"x":[1]}}"#, br#"{"partitions":{"-1":[1]}}"#, br#"{"topic_id":"?"}"#]
        {
            assert_eq!(TopicAssignment::decode("orders", bad).unwrap_err().path, "/brokers/topics/orders");
        }
    }
}
