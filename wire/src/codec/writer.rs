//! Writes values into one buffer, and remembers where bytes from elsewhere belong between its bytes.
//!
//! A fetch response is a few hundred bytes of our own around record data that lies in files: those stretches become
//! [`Part::External`], and the connection moves them from file to socket. Byte fields of a page and more are shared, not
//! copied. Whatever remains is one buffer, cut where the others go.

use std::ops::Range;

use bytes::Bytes;

use super::{EncodeError, Value, Version};

/// Shorter byte fields are copied: cheaper than a part of their own.
const SHARE_FROM: usize = 4096;
/// Room for most responses without growing.
const INITIAL_CAPACITY: usize = 256;
/// The longest string in either encoding.
const MAX_STRING: usize = i16::MAX as usize;

/// A frame ready to be sent, its size prefix included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// In the order in which they go out; a small message is one part.
    pub parts: Vec<Part>,
}

impl Encoded {
    /// Bytes on the wire, external parts and size prefix included.
    pub fn len(&self) -> usize {
        self.parts.iter().map(Part::len).sum()
    }

    /// Whether there is nothing to send; never so for an encoded message.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The frame as one stretch of memory; `None` when a part lies elsewhere.
    pub fn into_bytes(self) -> Option<Bytes> {
        if let [Part::Bytes(only)] = self.parts.as_slice() {
            return Some(only.clone());
        }
        let mut whole = Vec::with_capacity(self.len());
        for part in &self.parts {
            match part {
                Part::Bytes(bytes) => whole.extend_from_slice(bytes),
                Part::External { .. } => return None,
            }
        }
        Some(whole.into())
    }
}

/// A stretch of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Bytes in memory.
    Bytes(Bytes),
    /// Bytes the connection fetches itself; in the order in which the message named them.
    External {
        /// How many bytes belong here.
        len: usize,
    },
}

impl Part {
    /// Bytes on the wire.
    pub fn len(&self) -> usize {
        match self {
            Part::Bytes(bytes) => bytes.len(),
            Part::External { len } => *len,
        }
    }

    /// Whether the part is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A message being written.
#[derive(Debug)]
pub struct Writer {
    buffer: Vec<u8>,
    /// Parts from elsewhere and the place in `buffer` before which each belongs, ascending.
    cuts: Vec<(usize, Part)>,
}

impl Default for Writer {
    fn default() -> Self {
        Writer::new()
    }
}

impl Writer {
    /// An empty message.
    pub fn new() -> Writer {
        Writer { buffer: Vec::with_capacity(INITIAL_CAPACITY), cuts: Vec::new() }
    }

    /// Begins a frame: leaves room for its size.
    pub(crate) fn new_frame() -> Writer {
        let mut writer = Writer::new();
        writer.raw(&[0; 4]);
        writer
    }

    /// Appends bytes as they are.
    #[inline]
    pub fn raw(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Appends bytes that may be shared instead of copied.
    pub fn shared(&mut self, bytes: &Bytes) {
        if bytes.len() < SHARE_FROM {
            self.raw(bytes);
        } else {
            self.cuts.push((self.buffer.len(), Part::Bytes(bytes.clone())));
        }
    }

    /// Leaves a gap that the connection fills.
    pub fn external(&mut self, len: usize) {
        if len > 0 {
            self.cuts.push((self.buffer.len(), Part::External { len }));
        }
    }

    /// Appends an unsigned variable-length integer.
    #[inline]
    pub fn unsigned_varint(&mut self, value: u32) {
        let (bytes, length) = varint(value);
        self.raw(bytes.get(..length).unwrap_or_default());
    }

    /// Appends a 32-bit (or compact) length or count; `None` is null.
    #[inline]
    pub fn length(&mut self, length: Option<usize>, version: Version) -> Result<(), EncodeError> {
        let length = match length {
            None => -1,
            Some(length) => i32::try_from(length).map_err(|_| EncodeError::TooLarge { length })?,
        };
        if version.flexible {
            self.unsigned_varint(length.wrapping_add(1) as u32);
        } else {
            self.raw(&length.to_be_bytes());
        }
        Ok(())
    }

    /// Appends a string.
    #[inline]
    pub fn str(&mut self, text: &crate::Str, version: Version) -> Result<(), EncodeError> {
        let bytes = text.as_bytes();
        let length = bytes.len();
        if length > MAX_STRING {
            return Err(EncodeError::LongString { length });
        }
        if version.flexible {
            self.unsigned_varint(length as u32 + 1);
        } else {
            self.raw(&(length as i16).to_be_bytes());
        }
        self.raw(bytes);
        Ok(())
    }

    /// Appends a null string.
    #[inline]
    pub fn null_str(&mut self, version: Version) -> Result<(), EncodeError> {
        if version.flexible {
            self.raw(&[0])
        } else {
            self.raw(&(-1i16).to_be_bytes())
        }
        Ok(())
    }

    /// Appends a structure behind its marker byte, or the null marker.
    pub fn nullable_struct<T: Value>(&mut self, value: Option<&T>, version: Version) -> Result<(), EncodeError> {
        match value {
            None => {
                self.raw(&(-1i8).to_be_bytes());
                Ok(())
            }
            Some(value) => {
                self.raw(&[1]);
                value.write(self, version)
            }
        }
    }

    /// Ends a structure without tagged fields.
    #[inline]
    pub fn no_tagged_fields(&mut self) {
        self.raw(&[0]);
    }

    /// Announces how many tagged fields follow.
    #[inline]
    pub fn tagged_field_count(&mut self, count: u32) {
        self.unsigned_varint(count);
    }

    /// Begins a tagged field; its value follows, then [`Writer::end_tagged_field`] with what this returned.
    pub fn begin_tagged_field(&mut self, tag: u32) -> usize {
        self.unsigned_varint(tag);
        self.buffer.len()
    }

    /// Puts the size in front of the value that was written since `start`.
    pub fn end_tagged_field(&mut self, start: usize) {
        let outside: usize =
            self.cuts.iter().rev().take_while(|(at, _)| *at >= start).map(|(_, part)| part.len()).sum();
        let size = self.buffer.len() - start + outside;
        let (bytes, length) = varint(u32::try_from(size).unwrap_or(u32::MAX));
        self.buffer.splice(start..start, bytes.iter().copied().take(length));
        for (at, _) in self.cuts.iter_mut().rev().take_while(|(at, _)| *at >= start) {
            *at += length;
        }
    }

    /// The message without a size prefix, in parts.
    pub fn finish(self) -> Encoded {
        Encoded { parts: join(self.buffer.into(), self.cuts) }
    }

    /// The message as one stretch of memory; `None` when a part of it lies elsewhere.
    pub fn into_bytes(self) -> Option<Bytes> {
        self.finish().into_bytes()
    }

    /// Ends a frame: fills in its size.
    pub(crate) fn finish_frame(mut self) -> Result<Encoded, EncodeError> {
        let outside: usize = self.cuts.iter().map(|(_, part)| part.len()).sum();
        let length = (self.buffer.len() + outside).saturating_sub(4);
        let size = i32::try_from(length).map_err(|_| EncodeError::TooLarge { length })?;
        if let Some(prefix) = self.buffer.first_chunk_mut::<4>() {
            *prefix = size.to_be_bytes();
        }
        Ok(self.finish())
    }
}

/// Slices the buffer at the cuts and puts the other parts between the slices.
fn join(buffer: Bytes, cuts: Vec<(usize, Part)>) -> Vec<Part> {
    let mut parts = Vec::with_capacity(2 * cuts.len() + 1);
    let own = |range: Range<usize>, parts: &mut Vec<Part>| {
        if !range.is_empty() {
            parts.push(Part::Bytes(buffer.slice(range)));
        }
    };
    let mut from = 0;
    for (at, part) in cuts {
        own(from..at, &mut parts);
        parts.push(part);
        from = at;
    }
    own(from..buffer.len(), &mut parts);
    parts
}

/// The encoding of a number and how many of its bytes count.
fn varint(mut value: u32) -> ([u8; 5], usize) {
    let mut bytes = [0; 5];
    let mut length = 0;
    for byte in &mut bytes {
        length += 1;
        if value < 0x80 {
            *byte = value as u8;
            break;
        }
        *byte = value as u8 | 0x80;
        value >>= 7;
    }
    (bytes, length)
}

#[cfg(test)]
mod tests;
