//! Why bytes are not a message, and why a message cannot be bytes in a version.

use std::fmt;

/// A frame that is not what it claims to be. The connection it came over cannot be used any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("reading {message} v{version} at byte {position}: {fault}")]
pub struct DecodeError {
    /// What was being read; empty while unknown.
    pub message: &'static str,
    /// Its version.
    pub version: i16,
    /// Byte of the frame at which reading stopped.
    pub position: u32,
    /// What was wrong there.
    pub fault: DecodeFault,
}

/// What was wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecodeFault {
    /// The frame ends inside a value.
    CutShort,
    /// A count or length exceeds the bytes that are left.
    Oversized(u32),
    /// Null where the version allows none.
    Null,
    /// A length below -1. Kafka takes any negative length of a nullable field for null; no client sends one.
    Negative(i32),
    /// A string over 32,767 bytes: the limit of both encodings (`MessageDataGenerator`).
    LongString(u32),
    /// A variable-length integer of more than 32 bits.
    LongVarint,
    /// Tagged fields not in strictly ascending order, as KIP-482 asks; Kafka's generated readers do not check it.
    TagOrder(u32),
    /// A tagged field whose value is shorter than its size says.
    TagSize(u32),
    /// The values would take more memory than the request may use.
    OverBudget,
    /// A version this build does not know.
    UnsupportedVersion,
}

impl DecodeError {
    pub(crate) fn unsupported(message: &'static str, version: i16) -> DecodeError {
        DecodeError { message, version, position: 0, fault: DecodeFault::UnsupportedVersion }
    }

    #[cold]
    pub(crate) fn inside(self, message: &'static str, version: i16) -> DecodeError {
        DecodeError { message, version, ..self }
    }
}

impl fmt::Display for DecodeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DecodeFault::CutShort => f.write_str("the frame ends inside a value"),
            DecodeFault::Oversized(size) => write!(f, "a length of {size} exceeds the frame"),
            DecodeFault::Null => f.write_str("null where the version allows none"),
            DecodeFault::Negative(length) => write!(f, "a length of {length}"),
            DecodeFault::LongString(length) => write!(f, "a string of {length} bytes, over 32767"),
            DecodeFault::LongVarint => f.write_str("a variable-length integer of more than 32 bits"),
            DecodeFault::TagOrder(tag) => write!(f, "tagged field {tag} out of order"),
            DecodeFault::TagSize(tag) => write!(f, "tagged field {tag} is shorter than its size"),
            DecodeFault::OverBudget => f.write_str("the values exceed the memory a request may use"),
            DecodeFault::UnsupportedVersion => f.write_str("the version is not supported"),
        }
    }
}

/// A value that cannot be written in the asked version: a mistake of the caller, not of the peer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The version does not carry the field, and dropping its value would change the meaning.
    #[error("{structure}.{field} is set, but version {version} does not carry it")]
    Absent {
        /// Kafka's structure.
        structure: &'static str,
        /// Our field.
        field: &'static str,
        /// The message's version.
        version: i16,
    },
    /// Null in a version that does not allow it.
    #[error("{structure}.{field} is null, which version {version} does not allow")]
    Null {
        /// Kafka's structure.
        structure: &'static str,
        /// Our field.
        field: &'static str,
        /// The message's version.
        version: i16,
    },
    /// A string over 32,767 bytes.
    #[error("a string of {length} bytes, over 32767")]
    LongString {
        /// Bytes of UTF-8.
        length: usize,
    },
    /// A message, array or byte field of 2 GiB and more.
    #[error("{length} bytes or elements do not fit a 32-bit length")]
    TooLarge {
        /// What was to be written.
        length: usize,
    },
    /// The message has no such version.
    #[error("{message} has no version {version}")]
    Unsupported {
        /// Kafka's message.
        message: &'static str,
        /// The asked version.
        version: i16,
    },
}

impl EncodeError {
    #[cold]
    pub(crate) fn absent(structure: &'static str, field: &'static str, version: super::Version) -> EncodeError {
        EncodeError::Absent { structure, field, version: version.number }
    }

    #[cold]
    pub(crate) fn null(structure: &'static str, field: &'static str, version: super::Version) -> EncodeError {
        EncodeError::Null { structure, field, version: version.number }
    }
}
