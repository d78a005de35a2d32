//! The bytes of the records in `__consumer_offsets`.
//!
//! ```text
//! offset commit   key 0, 1:  version int16 | group string | topic string | partition int32
//!                 value 0:   version int16 | offset int64 | metadata string | commit timestamp int64
//!                 value 1:   as 0 | expire timestamp int64
//!                 value 2:   as 0
//!                 value 3:   version int16 | offset int64 | leader epoch int32 | metadata string | commit timestamp int64
//!                 value 4:   as 3, compact strings and tagged fields
//! group metadata  key 2:     version int16 | group string
//!                 value 0:   version int16 | protocol type string | generation int32 | protocol string? | leader string?
//!                            | members: int32 count, each: id string | client id string | client host string
//!                                       | session timeout int32 | subscription bytes | assignment bytes
//!                 value 1:   members with rebalance timeout int32 before the session timeout
//!                 value 2:   as 1, with the state's timestamp int64 before the members
//!                 value 3:   as 2, members with group instance id string? after their id
//!                 value 4:   as 3, compact strings, bytes and arrays, tagged fields
//! ```
//!
//! Strings are int16 length and UTF-8, bytes int32 length; `?` may be null (length -1). Version 4 is read, never
//! written, as in Kafka 3.9: brokers before 3.5 could not read it. Keys of other versions belong to the newer group
//! protocols and are skipped (`GroupMetadataManager.readMessageKey`). Definitions: `OffsetCommitKey.json`,
//! `OffsetCommitValue.json`, `GroupMetadataKey.json`, `GroupMetadataValue.json`.
//!
//! Invariant: nothing is allocated by a count or a length that the bytes do not bear out.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use zk_paths::ids::{LeaderEpoch, Offset, TopicPartition};

use super::core::Text;
use super::core::record::{GroupValue, MemberValue, OffsetValue, Record};

/// The value versions to write; they follow `inter.broker.protocol.version`
/// (`config::MetadataVersion`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValueVersions {
    /// Of offset commits that bring no expiry time of their own; those that do are written as version 1.
    pub offset: i16,
    /// Of groups.
    pub group: i16,
}

impl ValueVersions {
    /// For clusters of Kafka 2.3 and newer.
    pub const NEWEST: ValueVersions = ValueVersions { offset: 3, group: 3 };
}

/// A record that cannot be read or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Ends in the middle of a field, or a length is wrong.
    #[error("the bytes of a record of the offsets topic end too early, or one of their lengths is wrong")]
    Malformed,
    /// Text that is none.
    #[error("a text in a record of the offsets topic is not UTF-8")]
    NotUtf8,
    /// A value from a newer broker.
    #[error("a value of the offsets topic has the unknown version {0}")]
    UnknownVersion(i16),
    /// Longer than 32767 bytes.
    #[error("a text of {0} bytes does not fit into a record of the offsets topic")]
    TooLong(usize),
}

/// Key and value of a record; no value is a tombstone.
pub fn encode(record: &Record, versions: ValueVersions) -> Result<(Bytes, Option<Bytes>), RecordError> {
    let mut key = BytesMut::new();
    match record {
        Record::OffsetCommit { group, partition, value } => {
            key.put_i16(1);
            put_string(&mut key, group)?;
            put_string(&mut key, &partition.topic)?;
            key.put_i32(partition.partition);
            let value = value.as_ref().map(|value| encode_offset(value, versions.offset)).transpose()?;
            Ok((key.freeze(), value))
        }
        Record::GroupMetadata { group, value } => {
            key.put_i16(2);
            put_string(&mut key, group)?;
            let value = value.as_ref().map(|value| encode_group(value, versions.group)).transpose()?;
            Ok((key.freeze(), value))
        }
    }
}

/// Reads a record; none when its key belongs to a newer group protocol.
pub fn decode(key: &Bytes, value: Option<&Bytes>) -> Result<Option<Record>, RecordError> {
    let mut key = Reader { bytes: key.clone(), is_flexible: false };
    match key.i16()? {
        0 | 1 => {
            let group = key.string()?;
            let partition = TopicPartition::new(key.string()?, key.i32()?);
            Ok(Some(Record::OffsetCommit { group, partition, value: value.map(decode_offset).transpose()? }))
        }
        2 => Ok(Some(Record::GroupMetadata { group: key.string()?, value: value.map(decode_group).transpose()? })),
        _ => Ok(None),
    }
}

fn encode_offset(value: &OffsetValue, version: i16) -> Result<Bytes, RecordError> {
    let version = if value.expire_timestamp_ms.is_some() { 1 } else { version };
    let mut out = BytesMut::new();
    out.put_i16(version);
    out.put_i64(value.offset.0);
    if version >= 3 {
        out.put_i32(value.leader_epoch.0);
    }
    put_string(&mut out, &value.metadata)?;
    out.put_i64(value.commit_timestamp_ms);
    if version == 1 {
        out.put_i64(value.expire_timestamp_ms.unwrap_or(-1));
    }
    Ok(out.freeze())
}

fn decode_offset(bytes: &Bytes) -> Result<OffsetValue, RecordError> {
    let mut value = Reader { bytes: bytes.clone(), is_flexible: false };
    let version = value.version()?;
    let offset = Offset(value.i64()?);
    let leader_epoch = if version >= 3 { LeaderEpoch(value.i32()?) } else { LeaderEpoch::NONE };
    let metadata = value.string()?;
    let commit_timestamp_ms = value.i64()?;
    let expire_timestamp_ms = if version == 1 { Some(value.i64()?).filter(|time| *time != -1) } else { None };
    value.tags()?;
    Ok(OffsetValue { offset, leader_epoch, metadata, commit_timestamp_ms, expire_timestamp_ms })
}

fn encode_group(value: &GroupValue, version: i16) -> Result<Bytes, RecordError> {
    let mut out = BytesMut::new();
    out.put_i16(version);
    put_string(&mut out, &value.protocol_type)?;
    out.put_i32(value.generation_id);
    put_nullable(&mut out, value.protocol.as_ref())?;
    put_nullable(&mut out, value.leader.as_ref())?;
    if version >= 2 {
        out.put_i64(value.state_since_ms.unwrap_or(-1));
    }
    out.put_i32(length(value.members.len())?);
    for member in &value.members {
        put_string(&mut out, &member.member_id)?;
        if version >= 3 {
            put_nullable(&mut out, member.group_instance_id.as_ref())?;
        }
        put_string(&mut out, &member.client_id)?;
        put_string(&mut out, &member.client_host)?;
        if version >= 1 {
            out.put_i32(member.rebalance_timeout_ms);
        }
        out.put_i32(member.session_timeout_ms);
        put_bytes(&mut out, &member.subscription)?;
        put_bytes(&mut out, &member.assignment)?;
    }
    Ok(out.freeze())
}

fn decode_group(bytes: &Bytes) -> Result<GroupValue, RecordError> {
    let mut value = Reader { bytes: bytes.clone(), is_flexible: false };
    let version = value.version()?;
    let protocol_type = value.string()?;
    let generation_id = value.i32()?;
    let protocol = value.nullable()?;
    let leader = value.nullable()?;
    let state_since_ms = if version >= 2 { Some(value.i64()?).filter(|time| *time != -1) } else { None };
    let mut members = Vec::new();
    for _ in 0..value.count()? {
        members.push(decode_member(&mut value, version)?);
    }
    value.tags()?;
    Ok(GroupValue { protocol_type, generation_id, protocol, leader, state_since_ms, members })
}

fn decode_member(value: &mut Reader, version: i16) -> Result<MemberValue, RecordError> {
    let member_id = value.string()?;
    let group_instance_id = if version >= 3 { value.nullable()? } else { None };
    let client_id = value.string()?;
    let client_host = value.string()?;
    let rebalance_timeout_ms = if version >= 1 { Some(value.i32()?) } else { None };
    let session_timeout_ms = value.i32()?;
    let member = MemberValue {
        member_id,
        group_instance_id,
        client_id,
        client_host,
        // Version 0 is from a time when a rebalance waited for the session timeout.
        rebalance_timeout_ms: rebalance_timeout_ms.unwrap_or(session_timeout_ms),
        session_timeout_ms,
        subscription: value.bytes()?,
        assignment: value.bytes()?,
    };
    value.tags()?;
    Ok(member)
}

fn put_string(out: &mut BytesMut, text: &str) -> Result<(), RecordError> {
    out.put_i16(i16::try_from(text.len()).map_err(|_| RecordError::TooLong(text.len()))?);
    out.put_slice(text.as_bytes());
    Ok(())
}

fn put_nullable(out: &mut BytesMut, text: Option<&Text>) -> Result<(), RecordError> {
    match text {
        Some(text) => put_string(out, text),
        None => {
            out.put_i16(-1);
            Ok(())
        }
    }
}

fn put_bytes(out: &mut BytesMut, bytes: &[u8]) -> Result<(), RecordError> {
    out.put_i32(length(bytes.len())?);
    out.put_slice(bytes);
    Ok(())
}

fn length(length: usize) -> Result<i32, RecordError> {
    i32::try_from(length).map_err(|_| RecordError::TooLong(length))
}

/// What is left of a key or a value; flexible from version 4 on.
struct Reader {
    bytes: Bytes,
    is_flexible: bool,
}

impl Reader {
    /// The version of a value, which decides about the encoding of the rest.
    fn version(&mut self) -> Result<i16, RecordError> {
        let version = self.i16()?;
        if !(0..=4).contains(&version) {
            return Err(RecordError::UnknownVersion(version));
        }
        self.is_flexible = version >= 4;
        Ok(version)
    }

    fn i16(&mut self) -> Result<i16, RecordError> {
        self.bytes.try_get_i16().map_err(|_| RecordError::Malformed)
    }

    fn i32(&mut self) -> Result<i32, RecordError> {
        self.bytes.try_get_i32().map_err(|_| RecordError::Malformed)
    }

    fn i64(&mut self) -> Result<i64, RecordError> {
        self.bytes.try_get_i64().map_err(|_| RecordError::Malformed)
    }

    fn unsigned_varint(&mut self) -> Result<usize, RecordError> {
        let mut value = 0_u32;
        for shift in (0..35).step_by(7) {
            let byte = self.bytes.try_get_u8().map_err(|_| RecordError::Malformed)?;
            let part = u32::from(byte & 0x7f).checked_shl(shift).ok_or(RecordError::Malformed)?;
            value |= part;
            if byte & 0x80 == 0 {
                return usize::try_from(value).map_err(|_| RecordError::Malformed);
            }
        }
        Err(RecordError::Malformed)
    }

    /// The count of an array; each element has at least one byte.
    fn count(&mut self) -> Result<usize, RecordError> {
        let count =
            if self.is_flexible { self.unsigned_varint()?.checked_sub(1) } else { usize::try_from(self.i32()?).ok() };
        count.filter(|count| *count <= self.bytes.len()).ok_or(RecordError::Malformed)
    }

    fn take(&mut self, length: usize) -> Result<Bytes, RecordError> {
        if length > self.bytes.len() {
            return Err(RecordError::Malformed);
        }
        Ok(self.bytes.split_to(length))
    }

    fn string(&mut self) -> Result<Text, RecordError> {
        self.nullable()?.ok_or(RecordError::Malformed)
    }

    fn nullable(&mut self) -> Result<Option<Text>, RecordError> {
        let length = if self.is_flexible {
            self.unsigned_varint()?.checked_sub(1)
        } else {
            match self.i16()? {
                -1 => None,
                length => Some(usize::try_from(length).map_err(|_| RecordError::Malformed)?),
            }
        };
        let Some(length) = length else { return Ok(None) };
        let bytes = self.take(length)?;
        Ok(Some(Text::from(std::str::from_utf8(&bytes).map_err(|_| RecordError::NotUtf8)?)))
    }

    /// A copy, so that a small member does not keep a whole read buffer alive.
    fn bytes(&mut self) -> Result<Bytes, RecordError> {
        let length =
            if self.is_flexible { self.unsigned_varint()?.checked_sub(1) } else { usize::try_from(self.i32()?).ok() };
        let bytes = self.take(length.ok_or(RecordError::Malformed)?)?;
        Ok(Bytes::copy_from_slice(&bytes))
    }

    /// Skips tagged fields: none is known yet.
    fn tags(&mut self) -> Result<(), RecordError> {
        if !self.is_flexible {
            return Ok(());
        }
        for _ in 0..self.unsigned_varint()? {
            self.unsigned_varint()?;
            let length = self.unsigned_varint()?;
            self.take(length)?;
        }
        Ok(())
    }
}

/// Feeds arbitrary bytes to everything that reads records; for fuzzing. Must neither panic nor allocate without bound.
/// The first byte says how many of the others are the key.
pub fn fuzz(bytes: &[u8]) {
    let Some((split, rest)) = bytes.split_first() else { return };
    let (key, value) = rest.split_at(usize::from(*split).min(rest.len()));
    let value = Bytes::copy_from_slice(value);
    let group_key = Bytes::from_static(b"\0\x02\0\x01g");
    let offset_key = Bytes::from_static(b"\0\x01\0\x01g\0\x01t\0\0\0\0");
    for key in [Bytes::copy_from_slice(key), group_key, offset_key] {
        if let Ok(Some(record)) = decode(&key, Some(&value)) {
            let _ = encode(&record, ValueVersions::NEWEST);
        }
    }
    let _ = super::core::subscription::topics(rest);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Written by Java's generated classes (`MessageUtil.toVersionPrefixedBytes`), every version.
    const JAVA: &str = include_str!("testdata/record-bytes.txt");

    fn java(name: &str) -> Bytes {
        let line = JAVA.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).unwrap();
        (0..line.len()).step_by(2).map(|at| u8::from_str_radix(&line[at..at + 2], 16).unwrap()).collect()
    }

    fn offset_value(version: i16) -> OffsetValue {
        OffsetValue {
            offset: Offset(1_234_567_890_123),
            leader_epoch: LeaderEpoch(if version >= 3 { 5 } else { -1 }),
            metadata: "note".into(),
            commit_timestamp_ms: 1_700_000_000_000,
            expire_timestamp_ms: (version == 1).then_some(1_700_000_600_000),
        }
    }

    fn group_value(version: i16) -> GroupValue {
        let rebalance_timeout_ms = |given, session| if version >= 1 { given } else { session };
        GroupValue {
            protocol_type: "consumer".into(),
            generation_id: 7,
            protocol: Some("range".into()),
            leader: Some("m-1".into()),
            state_since_ms: (version >= 2).then_some(1_700_000_000_001),
            members: vec![
                MemberValue {
                    member_id: "m-1".into(),
                    group_instance_id: (version >= 3).then(|| "till-1".into()),
                    client_id: "c1".into(),
                    client_host: "/127.0.0.1".into(),
                    rebalance_timeout_ms: rebalance_timeout_ms(300_000, 45_000),
                    session_timeout_ms: 45_000,
                    subscription: Bytes::from_static(&[1, 2, 3]),
                    assignment: Bytes::from_static(&[4, 5]),
                },
                MemberValue {
                    member_id: "m-2".into(),
                    group_instance_id: None,
                    client_id: "".into(),
                    client_host: "/10.0.0.9".into(),
                    rebalance_timeout_ms: rebalance_timeout_ms(60_000, 10_000),
                    session_timeout_ms: 10_000,
                    subscription: Bytes::new(),
                    assignment: Bytes::new(),
                },
            ],
        }
    }

    fn check(record: &Record, version: i16, key: &str, value: &str) {
        let (key, value) = (java(key), java(value));
        assert_eq!(decode(&key, Some(&value)), Ok(Some(record.clone())), "version {version}");
        // Version 0 of offsets and version 4 of both are read only.
        if version <= 3 {
            let versions = ValueVersions { offset: version, group: version };
            assert_eq!(encode(record, versions), Ok((key, Some(value))), "version {version}");
        }
    }

    #[test]
    fn every_version_is_read_and_written_as_java_does() {
        for version in 0..=4_i16 {
            let partition = TopicPartition::new("orders", 3);
            let value = Some(offset_value(version));
            let record = Record::OffsetCommit { group: "Grüße".into(), partition, value };
            check(&record, version, "offset_key_1", &format!("offset_value_{version}"));

            let record = Record::GroupMetadata { group: "Grüße".into(), value: Some(group_value(version)) };
            check(&record, version, "group_key_2", &format!("group_value_{version}"));

            let empty =
                GroupValue { generation_id: 8, protocol: None, leader: None, members: vec![], ..group_value(version) };
            let record = Record::GroupMetadata { group: "Grüße".into(), value: Some(empty) };
            check(&record, version, "group_key_2", &format!("empty_group_value_{version}"));
        }
    }

    #[test]
    fn tombstones_old_keys_and_keys_of_newer_protocols() {
        let partition = TopicPartition::new("orders", 3);
        let tombstone = Record::OffsetCommit { group: "Grüße".into(), partition, value: None };
        assert_eq!(encode(&tombstone, ValueVersions::NEWEST), Ok((java("offset_key_1"), None)));
        assert_eq!(decode(&java("offset_key_0"), None), Ok(Some(tombstone)));
        assert_eq!(decode(&Bytes::from_static(b"\0\x03\0\x01g"), None), Ok(None));
    }

    #[test]
    fn what_cannot_be_read_or_written_is_an_error() {
        let key = java("group_key_2");
        let unknown = Bytes::from_static(b"\0\x05");
        assert_eq!(decode(&key, Some(&unknown)), Err(RecordError::UnknownVersion(5)));
        for version in 0..=4 {
            let value = java(&format!("group_value_{version}"));
            for end in 0..value.len() {
                assert_eq!(decode(&key, Some(&value.slice(..end))), Err(RecordError::Malformed), "cut at {end}");
            }
        }
        // 2147483647 members in a value of a few bytes.
        let lie = Bytes::from_static(b"\0\0\0\0\0\0\0\x01\xff\xff\xff\xff\x7f\xff\xff\xff");
        assert_eq!(decode(&key, Some(&lie)), Err(RecordError::Malformed));
        let long = Record::GroupMetadata { group: "x".repeat(40_000).into(), value: None };
        assert_eq!(encode(&long, ValueVersions::NEWEST), Err(RecordError::TooLong(40_000)));
    }

    proptest! {
        #[test]
        fn no_bytes_can_make_decoding_panic(version in 0..6_u8, value in prop::collection::vec(any::<u8>(), 0..80)) {
            fuzz(&value);
            fuzz(&[&[0, 0, version], &value[..]].concat());
        }
    }
}
