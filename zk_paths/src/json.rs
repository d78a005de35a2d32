//! JSON and decimal text as znodes hold them: parsing that names the path, and numbers that may be written as strings.

use std::str::FromStr;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};

use crate::MalformedZnode;
use crate::ids::TopicPartition;

/// Reads a JSON document into `T`; unknown keys are ignored.
pub(crate) fn parse<T: DeserializeOwned>(path: &str, bytes: &[u8]) -> Result<T, MalformedZnode> {
    serde_json::from_slice(bytes).map_err(|err| MalformedZnode::new(path, err))
}

/// Reads plain decimal text.
pub(crate) fn parse_decimal<T: FromStr>(path: &str, bytes: &[u8]) -> Result<T, MalformedZnode> {
    let number = std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok());
    number.ok_or_else(|| MalformedZnode::new(path, format!("'{}' is not a number", String::from_utf8_lossy(bytes))))
}

/// Writes a JSON document in the order in which `json!` was given its keys or in key order; readers do not care.
pub(crate) fn to_bytes(document: &serde_json::Value) -> Vec<u8> {
    document.to_string().into_bytes()
}

/// A number that Kafka writes as a string (timestamps, producer id blocks); a bare number is accepted too.
pub(crate) fn number_or_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum NumberOrText {
        Number(i64),
        Text(String),
    }
    match NumberOrText::deserialize(deserializer)? {
        NumberOrText::Number(number) => Ok(number),
        NumberOrText::Text(text) => text.parse().map_err(|_| D::Error::custom(format!("'{text}' is not a number"))),
    }
}

/// `{"version":1,"partitions":[{"topic":"orders","partition":0}]}`, the document that several znodes share.
pub(crate) fn parse_partition_list(path: &str, bytes: &[u8]) -> Result<Vec<TopicPartition>, MalformedZnode> {
    #[derive(Deserialize)]
    struct Document {
        partitions: Vec<Entry>,
    }
    #[derive(Deserialize)]
    struct Entry {
        topic: String,
        partition: i32,
    }
    let document: Document = parse(path, bytes)?;
    let mut partitions: Vec<_> =
        document.partitions.into_iter().map(|entry| TopicPartition::new(entry.topic, entry.partition)).collect();
    partitions.sort();
    partitions.dedup();
    Ok(partitions)
}

/// The other direction of [`parse_partition_list`].
pub(crate) fn partition_list(partitions: &[TopicPartition]) -> Vec<u8> {
    let entries: Vec<_> =
        partitions.iter().map(|tp| serde_json::json!({"topic": &*tp.topic, "partition": tp.partition})).collect();
    to_bytes(&serde_json::json!({"version": 1, "partitions": entries}))
}

/// Decodes a captured document, encodes it again and compares the two as JSON values.
#[cfg(test)]
pub(crate) fn check_same_value(captured: &[u8], encoded: &[u8]) {
    let value = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).unwrap();
    assert_eq!(value(encoded), value(captured));
}
