//! The topics in a consumer's subscription, the metadata of protocol type `consumer`.
//!
//! ```text
//! version int16 | topics: int32 count, each int16 length + UTF-8 | user data and, from version 1 on, more
//! ```
//!
//! Only the part that all versions share is read (`ConsumerProtocolSubscription.json`). The coordinator looks at it for
//! one reason: offsets of topics that a living group still reads must not expire or be deleted under it.

use std::collections::BTreeSet;

use zk_paths::ids::TopicName;

/// The protocol type of groups whose metadata can be read here (`ConsumerProtocol.PROTOCOL_TYPE`).
pub const CONSUMER: &str = "consumer";

/// The topics of one subscription; `None` when the bytes are something else.
pub fn topics(metadata: &[u8]) -> Option<BTreeSet<TopicName>> {
    let (version, rest) = metadata.split_first_chunk::<2>()?;
    if i16::from_be_bytes(*version) < 0 {
        return None;
    }
    let (count, mut rest) = rest.split_first_chunk::<4>()?;
    let count = usize::try_from(i32::from_be_bytes(*count)).ok()?;
    let mut topics = BTreeSet::new();
    for _ in 0..count {
        let (length, after) = rest.split_first_chunk::<2>()?;
        let length = usize::try_from(i16::from_be_bytes(*length)).ok()?;
        let name = after.get(..length)?;
        topics.insert(TopicName::from(std::str::from_utf8(name).ok()?));
        rest = after.get(length..)?;
    }
    Some(topics)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(metadata: &[u8], expected: Option<&[&str]>) {
        let expected = expected.map(|names| names.iter().map(|name| TopicName::from(*name)).collect());
        assert_eq!(topics(metadata), expected, "{metadata:?}");
    }

    #[test]
    fn topics_of_every_version_are_read_and_lies_are_not() {
        check(b"\0\0\0\0\0\x02\0\x01a\0\x02bc\xff\xff\xff\xff", Some(&["a", "bc"]));
        check(b"\0\x03\0\0\0\0\xff\xff\xff\xff\0\0\0\0\0\0\0\0\0\0", Some(&[]));
        check(b"", None);
        check(b"\0\0", None);
        check(b"\xff\xff\0\0\0\0", None);
        check(b"\0\0\x7f\xff\xff\xff\0\x01a", None);
        check(b"\0\0\xff\xff\xff\xff", None);
        check(b"\0\0\0\0\0\x01\0\x05a", None);
        check(b"\0\0\0\0\0\x01\0\x01\xff", None);
    }
}
