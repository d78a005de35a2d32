//! How values become bytes and bytes values: the reader with its limits, the writer with its parts, the traits between.
//!
//! Invariants: nothing read from a frame is trusted before it was checked against the bytes that are left, and nothing
//! is allocated before its memory was taken from the request's [`Budget`]. Nothing here panics on outside input, and
//! nothing recurses deeper than the declarations nest. Absent: sockets, files, any knowledge of single APIs.

mod error;
mod reader;
mod value;
mod writer;

pub use error::{DecodeError, DecodeFault, EncodeError};
pub use reader::{Budget, Reader};
pub use value::{Nullable, Value, Version};
pub use writer::{Encoded, Part, Writer};

use crate::{ApiKey, VersionRange};

/// A whole message: request, response or something embedded in another message's byte field.
pub trait Message: Value + Default {
    /// Kafka's name, for example `ProduceRequest`.
    const NAME: &'static str;
    /// Versions that can be read and written.
    const VERSIONS: VersionRange;
    /// First version with compact lengths and tagged fields.
    const FIRST_FLEXIBLE: Option<i16>;

    /// Reads one message. Bytes after its end are left alone, as `AbstractRequest.parseRequest` does.
    fn decode(reader: &mut Reader<'_>, version: i16) -> Result<Self, DecodeError> {
        if !Self::VERSIONS.contains(version) {
            return Err(DecodeError::unsupported(Self::NAME, version));
        }
        Self::read(reader, Self::version(version)).map_err(|error| error.inside(Self::NAME, version))
    }

    /// Appends the message without header or size.
    fn encode(&self, writer: &mut Writer, version: i16) -> Result<(), EncodeError> {
        if !Self::VERSIONS.contains(version) {
            return Err(EncodeError::Unsupported { message: Self::NAME, version });
        }
        self.write(writer, Self::version(version))
    }

    /// The version number together with what it means for the encoding.
    fn version(number: i16) -> Version {
        Version { number, flexible: Self::FIRST_FLEXIBLE.is_some_and(|first| number >= first) }
    }
}

/// A message that asks and gets a response of its own type.
pub trait Request: Message {
    /// Which API it calls.
    const KEY: ApiKey;
    /// What answers it, in the same version.
    type Response: Message;
}
