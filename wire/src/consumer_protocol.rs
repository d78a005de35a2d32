//! What consumers of the classic group protocol tell each other through the coordinator (`ConsumerProtocol.java`): the
//! metadata of JoinGroup and the assignment of SyncGroup. Each stands behind a 16-bit version; a version above ours is
//! read as our highest, since later ones only append.

use bytes::Bytes;
use wire_derive::{Message, Struct};

use crate::{Budget, DecodeError, EncodeError, Message, Reader, Str, Writer};

/// What a consumer wants: its metadata in JoinGroup.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(data, versions = "0-3", flexible = "none")]
pub struct ConsumerProtocolSubscription {
    /// The topics subscribed to.
    #[field(versions = "0+")]
    pub topics: Vec<Str>,
    /// The assignor's own data; null for none.
    #[field(versions = "0+", nullable = "0+", default = "null")]
    pub user_data: Option<Bytes>,
    /// What the member owns, for cooperative assignors.
    #[field(versions = "1+", ignorable)]
    pub owned_partitions: Vec<OwnedPartitions>,
    /// The generation in which the partitions were owned; -1 for none.
    #[field(versions = "2+", default = "-1", ignorable)]
    pub generation_id: i32,
    /// The rack of the consumer; empty or null when it has none.
    #[field(versions = "3+", nullable = "3+", default = "null", ignorable)]
    pub rack_id: Option<Str>,
}

/// Partitions of one topic.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct OwnedPartitions {
    /// The topic's name.
    #[field(versions = "1+")]
    pub topic: Str,
    /// The partitions.
    #[field(versions = "1+")]
    pub partitions: Vec<i32>,
}

/// What a consumer gets: its assignment in SyncGroup.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(data, versions = "0-3", flexible = "none")]
pub struct ConsumerProtocolAssignment {
    /// One entry per topic.
    #[field(versions = "0+")]
    pub assigned_partitions: Vec<AssignedPartitions>,
    /// The assignor's own data; null for none.
    #[field(versions = "0+", nullable = "0+", default = "null")]
    pub user_data: Option<Bytes>,
}

/// Partitions of one topic.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct AssignedPartitions {
    /// The topic's name.
    #[field(versions = "0+")]
    pub topic: Str,
    /// The partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<i32>,
}

impl ConsumerProtocolSubscription {
    /// Reads the metadata of a consumer: version, then subscription.
    pub fn from_metadata(metadata: &Bytes) -> Result<ConsumerProtocolSubscription, DecodeError> {
        from_versioned(metadata)
    }

    /// Writes the metadata of a consumer in a version.
    pub fn to_metadata(&self, version: i16) -> Result<Bytes, EncodeError> {
        to_versioned(self, version)
    }
}

impl ConsumerProtocolAssignment {
    /// Reads the assignment of a consumer: version, then assignment.
    pub fn from_assignment(assignment: &Bytes) -> Result<ConsumerProtocolAssignment, DecodeError> {
        from_versioned(assignment)
    }

    /// Writes the assignment of a consumer in a version.
    pub fn to_assignment(&self, version: i16) -> Result<Bytes, EncodeError> {
        to_versioned(self, version)
    }
}

fn from_versioned<M: Message>(bytes: &Bytes) -> Result<M, DecodeError> {
    let mut reader = Reader::new(bytes, Budget::for_frame(bytes.len()));
    let version = reader.array().map(i16::from_be_bytes).map_err(|error| error.inside(M::NAME, -1))?;
    M::decode(&mut reader, version.min(M::VERSIONS.max))
}

fn to_versioned<M: Message>(message: &M, version: i16) -> Result<Bytes, EncodeError> {
    let mut writer = Writer::new();
    writer.raw(&version.to_be_bytes());
    message.encode(&mut writer, version)?;
    Ok(writer.into_bytes().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_of_the_future_is_read_as_our_highest() {
        let subscription = ConsumerProtocolSubscription {
            topics: vec!["orders".into()],
            user_data: None,
            rack_id: Some("r1".into()),
            ..Default::default()
        };
        let mut metadata = subscription.to_metadata(3).unwrap().to_vec();
        metadata[1] = 9;
        metadata.extend_from_slice(b"more");
        assert_eq!(ConsumerProtocolSubscription::from_metadata(&metadata.into()), Ok(subscription));
    }

    #[test]
    fn the_bytes_of_version_1() {
        // Version 1 as a 2.4 range assignor sends it: topic "t", no user data, nothing owned.
        let metadata = Bytes::from_static(b"\0\x01\0\0\0\x01\0\x01t\xff\xff\xff\xff\0\0\0\0");
        let read = ConsumerProtocolSubscription::from_metadata(&metadata).unwrap();
        assert_eq!(read.topics, ["t"]);
        assert_eq!((read.user_data.as_ref(), read.owned_partitions.len(), read.generation_id), (None, 0, -1));
        assert_eq!(read.to_metadata(1), Ok(metadata));
    }
}
