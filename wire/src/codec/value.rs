//! How each of Kafka's primitive types, and arrays of anything, look on the wire.

use bytes::Bytes;
use zk_paths::ids::TopicId;

use super::{DecodeError, EncodeError, Reader, Writer};
use crate::schema::Type;
use crate::{Records, Str};

/// A message's version and what it means for lengths and tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    /// The API's version.
    pub number: i16,
    /// Compact lengths and tagged fields (KIP-482).
    pub flexible: bool,
}

/// Something with a place in a message.
pub trait Value: Sized {
    /// What Kafka's schema calls it.
    const TYPE: Type;

    /// Reads a value that is not null.
    fn read(reader: &mut Reader<'_>, version: Version) -> Result<Self, DecodeError>;

    /// Appends the value.
    fn write(&self, writer: &mut Writer, version: Version) -> Result<(), EncodeError>;

    /// Draws a value that `version` can carry.
    #[cfg(any(test, feature = "random"))]
    fn random(random: &mut crate::random::Random, version: Version) -> Self;
}

/// A value that has a null form.
pub trait Nullable: Value {
    /// Reads a value or null.
    fn read_nullable(reader: &mut Reader<'_>, version: Version) -> Result<Option<Self>, DecodeError>;

    /// Appends a value or null.
    fn write_nullable(value: Option<&Self>, writer: &mut Writer, version: Version) -> Result<(), EncodeError>;
}

macro_rules! number {
    ($rust:ty, $kafka:ident) => {
        impl Value for $rust {
            const TYPE: Type = Type::$kafka;

            #[inline]
            fn read(reader: &mut Reader<'_>, _: Version) -> Result<Self, DecodeError> {
                reader.array().map(<$rust>::from_be_bytes)
            }

            #[inline]
            fn write(&self, writer: &mut Writer, _: Version) -> Result<(), EncodeError> {
                writer.raw(&self.to_be_bytes());
                Ok(())
            }

            #[cfg(any(test, feature = "random"))]
            fn random(random: &mut crate::random::Random, _: Version) -> Self {
                random.number() as $rust
            }
        }
    };
}

number!(i8, Int8);
number!(i16, Int16);
number!(u16, Uint16);
number!(i32, Int32);
number!(i64, Int64);
number!(f64, Float64);

impl Value for bool {
    const TYPE: Type = Type::Bool;

    #[inline]
    fn read(reader: &mut Reader<'_>, _: Version) -> Result<Self, DecodeError> {
        reader.array().map(|[byte]| byte != 0)
    }

    #[inline]
    fn write(&self, writer: &mut Writer, _: Version) -> Result<(), EncodeError> {
        writer.raw(&[u8::from(*self)]);
        Ok(())
    }

    #[cfg(any(test, feature = "random"))]
    fn random(random: &mut crate::random::Random, _: Version) -> Self {
        random.below(2) == 1
    }
}

impl Value for TopicId {
    const TYPE: Type = Type::Uuid;

    #[inline]
    fn read(reader: &mut Reader<'_>, _: Version) -> Result<Self, DecodeError> {
        reader.array().map(TopicId)
    }

    #[inline]
    fn write(&self, writer: &mut Writer, _: Version) -> Result<(), EncodeError> {
        writer.raw(&self.0);
        Ok(())
    }

    #[cfg(any(test, feature = "random"))]
    fn random(random: &mut crate::random::Random, _: Version) -> Self {
        TopicId(std::array::from_fn(|_| random.next() as u8))
    }
}

impl Value for Str {
    const TYPE: Type = Type::String;

    #[inline]
    fn read(reader: &mut Reader<'_>, version: Version) -> Result<Self, DecodeError> {
        let length = reader.string_length(version)?;
        let length = reader.not_null(length)?;
        reader.str(length)
    }

    #[inline]
    fn write(&self, writer: &mut Writer, version: Version) -> Result<(), EncodeError> {
        writer.str(self, version)
    }

    #[cfg(any(test, feature = "random"))]
    fn random(random: &mut crate::random::Random, _: Version) -> Self {
        random.text().into()
    }
}

impl Nullable for Str {
    #[inline]
    fn read_nullable(reader: &mut Reader<'_>, version: Version) -> Result<Option<Self>, DecodeError> {
        match reader.string_length(version)? {
            Some(length) => reader.str(length).map(Some),
            None => Ok(None),
        }
    }

    #[inline]
    fn write_nullable(value: Option<&Self>, writer: &mut Writer, version: Version) -> Result<(), EncodeError> {
        match value {
            Some(value) => writer.str(value, version),
            None => writer.null_str(version),
        }
    }
}

impl Value for Bytes {
    const TYPE: Type = Type::Bytes;

    #[inline]
    fn read(reader: &mut Reader<'_>, version: Version) -> Result<Self, DecodeError> {
        let length = reader.length(version)?;
        let length = reader.not_null(length)?;
        reader.bytes(length)
    }

    #[inline]
    fn write(&self, writer: &mut Writer, version: Version) -> Result<(), EncodeError> {
        writer.length(Some(self.len()), version)?;
        writer.shared(self);
        Ok(())
    }

    #[cfg(any(test, feature = "random"))]
    fn random(random: &mut crate::random::Random, _: Version) -> Self {
        random.bytes().into()
    }
}

impl Nullable for Bytes {
    #[inline]
    fn read_nullable(reader: &mut Reader<'_>, version: Version) -> Result<Option<Self>, DecodeError> {
        match reader.length(version)? {
            Some(length) => reader.bytes(length).map(Some),
            None => Ok(None),
        }
    }

    #[inline]
    fn write_nullable(value: Option<&Self>, writer: &mut Writer, version: Version) -> Result<(), EncodeError> {
        match value {
            Some(value) => value.write(writer, version),
            None => writer.length(None, version),
        }
    }
}

impl Value for Records {
    const TYPE: Type = Type::Records;

    #[inline]
    fn read(reader: &mut Reader<'_>, version: Version) -> Result<Self, DecodeError> {
        Ok(match Bytes::read_nullable(reader, version)? {
            Some(bytes) => Records::Bytes(bytes),
            None => Records::Null,
        })
    }

    #[inline]
    fn write(&self, writer: &mut Writer, version: Version) -> Result<(), EncodeError> {
        match self {
            Records::Null => writer.length(None, version),
            Records::Bytes(bytes) => bytes.write(writer, version),
            Records::External { len } => {
                writer.length(Some(*len), version)?;
                writer.external(*len);
                Ok(())
            }
        }
    }

    #[cfg(any(test, feature = "random"))]
    fn random(random: &mut crate::random::Random, version: Version) -> Self {
        if random.null() { Records::Null } else { Records::Bytes(Bytes::random(random, version)) }
    }
}

impl<T: Value> Value for Vec<T> {
    const TYPE: Type = Type::Array(&T::TYPE);

    #[inline]
    fn read(reader: &mut Reader<'_>, version: Version) -> Result<Self, DecodeError> {
        let count = reader.length(version)?;
        let count = reader.not_null(count)?;
        reader.elements(count, version)
    }

    #[inline]
    fn write(&self, writer: &mut Writer, version: Version) -> Result<(), EncodeError> {
        writer.length(Some(self.len()), version)?;
        self.iter().try_for_each(|element| element.write(writer, version))
    }

    #[cfg(any(test, feature = "random"))]
    fn random(random: &mut crate::random::Random, version: Version) -> Self {
        (0..random.count()).map(|_| T::random(random, version)).collect()
    }
}

impl<T: Value> Nullable for Vec<T> {
    #[inline]
    fn read_nullable(reader: &mut Reader<'_>, version: Version) -> Result<Option<Self>, DecodeError> {
        match reader.length(version)? {
            Some(count) => reader.elements(count, version).map(Some),
            None => Ok(None),
        }
    }

    #[inline]
    fn write_nullable(value: Option<&Self>, writer: &mut Writer, version: Version) -> Result<(), EncodeError> {
        match value {
            Some(value) => value.write(writer, version),
            None => writer.length(None, version),
        }
    }
}
