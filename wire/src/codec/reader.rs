//! Reads values from one frame, within the frame and within a budget of memory.
//!
//! Invariant: `rest` is always a tail of `frame` (or of the tagged field being read), so slices handed out share the
//! frame's memory. A count is believed only after it was compared with the bytes left (an element takes at least one,
//! as in Kafka's generated readers) *and* the memory of its elements was taken from the budget.

use bytes::Bytes;

use super::{DecodeError, DecodeFault, Value, Version};

/// What an allocation costs beside its contents.
const ALLOCATION_COST: usize = 16;
/// Taken for every unknown tagged field, though nothing of it is kept: bounds the work a frame can ask for.
const TAG_COST: usize = 8;
/// The longest string in either encoding.
const MAX_STRING: usize = i16::MAX as usize;

/// Memory that decoding one request may still take, in bytes. The frame itself is not part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    left: usize,
}

impl Budget {
    /// A budget of so many bytes.
    pub const fn new(bytes: usize) -> Budget {
        Budget { left: bytes }
    }

    /// What an honest frame of this size can need: 1 MiB, and eight bytes of values for each byte of the frame.
    pub const fn for_frame(frame_bytes: usize) -> Budget {
        Budget { left: (1 << 20) + frame_bytes.saturating_mul(8) }
    }

    /// Bytes not taken yet.
    pub const fn left(&self) -> usize {
        self.left
    }
}

/// A position in a frame.
#[derive(Debug)]
pub struct Reader<'a> {
    frame: &'a Bytes,
    rest: &'a [u8],
    budget: Budget,
}

impl<'a> Reader<'a> {
    /// Starts at the first byte of a frame (without its size prefix).
    pub fn new(frame: &'a Bytes, budget: Budget) -> Reader<'a> {
        Reader { frame, rest: frame, budget }
    }

    /// Bytes not read yet.
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// Bytes read so far.
    pub fn position(&self) -> usize {
        self.rest.as_ptr() as usize - self.frame.as_ptr() as usize
    }

    /// What is left of the memory budget.
    pub fn budget(&self) -> Budget {
        self.budget
    }

    #[cold]
    #[inline(never)]
    fn fault(&self, fault: DecodeFault) -> DecodeError {
        let position = u32::try_from(self.position()).unwrap_or(u32::MAX);
        DecodeError { message: "", version: 0, position, fault }
    }

    #[inline]
    fn charge(&mut self, bytes: usize) -> Result<(), DecodeError> {
        match self.budget.left.checked_sub(bytes) {
            Some(left) => {
                self.budget.left = left;
                Ok(())
            }
            None => Err(self.fault(DecodeFault::OverBudget)),
        }
    }

    /// The next `N` bytes: fixed-width numbers and ids.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let Some((head, rest)) = self.rest.split_first_chunk::<N>() else {
            return Err(self.fault(DecodeFault::CutShort));
        };
        self.rest = rest;
        Ok(*head)
    }

    #[inline]
    fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let Some((head, rest)) = self.rest.split_at_checked(length) else {
            return Err(self.fault(DecodeFault::Oversized(u32::try_from(length).unwrap_or(u32::MAX))));
        };
        self.rest = rest;
        Ok(head)
    }

    /// The next `length` bytes, sharing the frame's memory.
    #[inline]
    pub fn bytes(&mut self, length: usize) -> Result<Bytes, DecodeError> {
        let start = self.position();
        self.take(length)?;
        Ok(self.frame.slice(start..start + length))
    }

    /// The next `length` bytes as text, sharing the frame's memory. What is not UTF-8 becomes U+FFFD, in memory of its
    /// own: Kafka reads strings so (`Readable.readString`), and clients with a Latin-1 client id live off it.
    #[inline]
    pub fn str(&mut self, length: usize) -> Result<crate::Str, DecodeError> {
        if length > MAX_STRING {
            return Err(self.fault(DecodeFault::LongString(u32::try_from(length).unwrap_or(u32::MAX))));
        }
        self.charge(length)?;
        let bytes = self.bytes(length)?;
        match crate::Str::try_from(bytes) {
            Ok(text) => Ok(text),
            Err(crate::NotUtf8(bytes)) => self.repaired(&bytes),
        }
    }

    #[cold]
    fn repaired(&mut self, bytes: &[u8]) -> Result<crate::Str, DecodeError> {
        self.charge(ALLOCATION_COST + bytes.len() * char::REPLACEMENT_CHARACTER.len_utf8())?;
        Ok(String::from_utf8_lossy(bytes).into_owned().into())
    }

    /// An unsigned variable-length integer of up to 32 bits, seven bits a byte, lowest first.
    #[inline]
    pub fn unsigned_varint(&mut self) -> Result<u32, DecodeError> {
        match self.rest.split_first() {
            Some((&byte, rest)) if byte < 0x80 => {
                self.rest = rest;
                Ok(u32::from(byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u32, DecodeError> {
        let mut value = 0u32;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.array()?;
            let bits = u32::from(byte & 0x7f);
            if shift == 28 && byte > 0x0f {
                return Err(self.fault(DecodeFault::LongVarint));
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(self.fault(DecodeFault::LongVarint))
    }

    /// A length or count with a 32-bit prefix (or compact); `None` is null.
    #[inline]
    pub fn length(&mut self, version: Version) -> Result<Option<usize>, DecodeError> {
        if version.flexible {
            return self.compact_length();
        }
        let length = i32::from_be_bytes(self.array()?);
        self.plain_length(length)
    }

    /// A string's length with a 16-bit prefix (or compact); `None` is null.
    #[inline]
    pub fn string_length(&mut self, version: Version) -> Result<Option<usize>, DecodeError> {
        if version.flexible {
            return self.compact_length();
        }
        let length = i16::from_be_bytes(self.array()?);
        self.plain_length(i32::from(length))
    }

    /// Zero is null, anything else one more than the length.
    #[inline]
    fn compact_length(&mut self) -> Result<Option<usize>, DecodeError> {
        Ok(self.unsigned_varint()?.checked_sub(1).map(|length| length as usize))
    }

    #[inline]
    fn plain_length(&self, length: i32) -> Result<Option<usize>, DecodeError> {
        match usize::try_from(length) {
            Ok(length) => Ok(Some(length)),
            Err(_) if length == -1 => Ok(None),
            Err(_) => Err(self.fault(DecodeFault::Negative(length))),
        }
    }

    /// For values that may not be null.
    #[inline]
    pub fn not_null<T>(&self, value: Option<T>) -> Result<T, DecodeError> {
        value.ok_or_else(|| self.fault(DecodeFault::Null))
    }

    /// `count` elements.
    #[inline]
    pub fn elements<T: Value>(&mut self, count: usize, version: Version) -> Result<Vec<T>, DecodeError> {
        if count > self.rest.len() {
            return Err(self.fault(DecodeFault::Oversized(u32::try_from(count).unwrap_or(u32::MAX))));
        }
        if count == 0 {
            return Ok(Vec::new());
        }
        self.charge(count.saturating_mul(size_of::<T>()).saturating_add(ALLOCATION_COST))?;
        let mut elements = Vec::with_capacity(count);
        for _ in 0..count {
            elements.push(T::read(self, version)?);
        }
        Ok(elements)
    }

    /// A structure behind a marker byte: negative is null, anything else announces the structure.
    pub fn nullable_struct<T: Value>(&mut self, version: Version) -> Result<Option<T>, DecodeError> {
        let [marker] = self.array()?;
        if i8::from_be_bytes([marker]) < 0 { Ok(None) } else { T::read(self, version).map(Some) }
    }

    /// Passes over the tagged fields of a structure that knows none.
    #[inline]
    pub fn skip_tagged_fields(&mut self) -> Result<(), DecodeError> {
        match self.rest.split_first() {
            Some((0, rest)) => {
                self.rest = rest;
                Ok(())
            }
            _ => self.tagged_fields(|_, _| Ok(false)),
        }
    }

    /// Reads the tagged fields of a structure. `known` reads the value of a tag it knows and answers `true`; the
    /// values of all others are passed over.
    #[inline]
    pub fn tagged_fields(
        &mut self,
        mut known: impl FnMut(&mut Reader<'a>, u32) -> Result<bool, DecodeError>,
    ) -> Result<(), DecodeError> {
        let count = self.unsigned_varint()?;
        let mut least = 0u32;
        for _ in 0..count {
            let tag = self.unsigned_varint()?;
            if tag < least {
                return Err(self.fault(DecodeFault::TagOrder(tag)));
            }
            least = tag.saturating_add(1);
            let size = self.unsigned_varint()? as usize;
            let value = self.take(size)?;
            self.charge(TAG_COST)?;
            let after = std::mem::replace(&mut self.rest, value);
            if known(self, tag)? && !self.rest.is_empty() {
                return Err(self.fault(DecodeFault::TagSize(tag)));
            }
            self.rest = after;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
