//! Jute, ZooKeeper's encoding: big-endian numbers, byte strings and vectors behind a 32-bit length, -1 for null.
//!
//! Always: a length or a count is believed only as far as the bytes behind it reach, and nothing is allocated before
//! that check. Records are decoded in place; strings and buffers borrow from the frame.

use thiserror::Error;

/// Why bytes are not what they claim to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum JuteError {
    /// The record goes on behind the end of the bytes.
    #[error("{needed} bytes announced, {left} left")]
    Short {
        /// What the field needs.
        needed: usize,
        /// What is left.
        left: usize,
    },
    /// A length below -1.
    #[error("negative length {0}")]
    Negative(i32),
    /// A string that is not UTF-8.
    #[error("a string is not UTF-8")]
    Utf8,
    /// A null where ZooKeeper needs a value.
    #[error("null string")]
    Null,
    /// A number that names nothing.
    #[error("unknown kind {0}")]
    Unknown(i32),
}

/// Reads records from a byte slice.
#[derive(Debug, Clone)]
pub struct Decoder<'a> {
    rest: &'a [u8],
}

impl<'a> Decoder<'a> {
    /// Reads from the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Decoder<'a> {
        Decoder { rest: bytes }
    }

    /// How many bytes are left.
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    fn take(&mut self, needed: usize) -> Result<&'a [u8], JuteError> {
        let short = JuteError::Short { needed, left: self.rest.len() };
        let (taken, rest) = self.rest.split_at_checked(needed).ok_or(short)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], JuteError> {
        let short = JuteError::Short { needed: N, left: self.rest.len() };
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(short)?;
        self.rest = rest;
        Ok(*taken)
    }

    /// One byte: anything but 0 is true.
    pub fn bool(&mut self) -> Result<bool, JuteError> {
        Ok(self.array::<1>()? != [0])
    }

    /// 32 bits.
    pub fn int(&mut self) -> Result<i32, JuteError> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    /// 64 bits.
    pub fn long(&mut self) -> Result<i64, JuteError> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    /// A fixed number of bytes without a length before them.
    pub fn fixed<const N: usize>(&mut self) -> Result<[u8; N], JuteError> {
        self.array()
    }

    /// A byte string; null and empty differ.
    pub fn buffer(&mut self) -> Result<Option<&'a [u8]>, JuteError> {
        match self.int()? {
            -1 => Ok(None),
            length => self.take(usize::try_from(length).map_err(|_| JuteError::Negative(length))?).map(Some),
        }
    }

    /// A string that may be null.
    pub fn nullable_string(&mut self) -> Result<Option<&'a str>, JuteError> {
        self.buffer()?.map(|bytes| std::str::from_utf8(bytes).map_err(|_| JuteError::Utf8)).transpose()
    }

    /// A string that must not be null.
    pub fn string(&mut self) -> Result<&'a str, JuteError> {
        self.nullable_string()?.ok_or(JuteError::Null)
    }

    /// A vector; null reads as empty. `least` is the smallest size of an element in bytes: the count must fit into
    /// what is left.
    pub fn vector<T>(
        &mut self,
        least: usize,
        mut element: impl FnMut(&mut Decoder<'a>) -> Result<T, JuteError>,
    ) -> Result<Vec<T>, JuteError> {
        let count = match self.int()? {
            -1 => 0,
            count => usize::try_from(count).map_err(|_| JuteError::Negative(count))?,
        };
        let needed = count.saturating_mul(least);
        if needed > self.rest.len() {
            return Err(JuteError::Short { needed, left: self.rest.len() });
        }
        (0..count).map(|_| element(self)).collect()
    }

    /// A vector of strings, none of them null.
    pub fn strings(&mut self) -> Result<Vec<&'a str>, JuteError> {
        self.vector(4, Decoder::string)
    }
}

/// Writes records into a growing buffer.
#[derive(Debug, Default, Clone)]
pub struct Encoder {
    bytes: Vec<u8>,
}

impl Encoder {
    /// Starts empty.
    pub fn new() -> Encoder {
        Encoder::default()
    }

    /// Starts a frame: the length in front is filled in by [`Encoder::into_frame`].
    pub fn frame() -> Encoder {
        Encoder { bytes: vec![0; 4] }
    }

    /// Ends what [`Encoder::frame`] began.
    pub fn into_frame(mut self) -> Vec<u8> {
        let length = (self.bytes.len().saturating_sub(4)) as u32;
        if let Some(head) = self.bytes.first_chunk_mut::<4>() {
            *head = length.to_be_bytes();
        }
        self.bytes
    }

    /// What was written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// What was written so far.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Forgets everything behind the first `len` bytes.
    pub fn truncate(&mut self, len: usize) {
        self.bytes.truncate(len);
    }

    /// Overwrites 64 bits that were written before; nothing happens when they were not.
    pub fn patch_long(&mut self, position: usize, value: i64) {
        if let Some(place) = self.bytes.get_mut(position..position + 8) {
            place.copy_from_slice(&value.to_be_bytes());
        }
    }

    /// How many bytes were written.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// One byte.
    pub fn bool(&mut self, value: bool) {
        self.bytes.push(u8::from(value));
    }

    /// 32 bits.
    pub fn int(&mut self, value: i32) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    /// 64 bits.
    pub fn long(&mut self, value: i64) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    /// Bytes without a length before them.
    pub fn fixed(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// A byte string or null.
    pub fn buffer(&mut self, bytes: Option<&[u8]>) {
        match bytes {
            None => self.int(-1),
            Some(bytes) => {
                self.int(bytes.len() as i32);
                self.bytes.extend_from_slice(bytes);
            }
        }
    }

    /// A string.
    pub fn string(&mut self, text: &str) {
        self.buffer(Some(text.as_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let mut out = Encoder::new();
        out.bool(true);
        out.int(-7);
        out.long(1 << 40);
        out.buffer(None);
        out.buffer(Some(b""));
        out.string("/ä");
        let bytes = out.into_bytes();
        let mut input = Decoder::new(&bytes);
        assert_eq!(input.bool(), Ok(true));
        assert_eq!(input.int(), Ok(-7));
        assert_eq!(input.long(), Ok(1 << 40));
        assert_eq!(input.buffer(), Ok(None));
        assert_eq!(input.buffer(), Ok(Some(&b""[..])));
        assert_eq!(input.string(), Ok("/ä"));
        assert_eq!(input.remaining(), 0);
    }

    #[test]
    fn lengths_that_lie_are_refused_before_anything_is_allocated() {
        let short = |needed, left| Err(JuteError::Short { needed, left });
        assert_eq!(Decoder::new(&[0x7f, 0xff, 0xff, 0xff, 1]).buffer(), short(0x7fff_ffff, 1));
        assert_eq!(Decoder::new(&[0xff, 0xff, 0xff, 0xfe]).buffer(), Err(JuteError::Negative(-2)));
        assert_eq!(Decoder::new(&[0x7f, 0xff, 0xff, 0xff]).strings().map(|_| None), short(0x7fff_ffff * 4, 0));
        assert_eq!(Decoder::new(&[0, 0, 0, 1, 0xff]).string(), Err(JuteError::Utf8));
        assert_eq!(Decoder::new(&[0xff; 4]).string(), Err(JuteError::Null));
        assert_eq!(Decoder::new(&[0, 0]).int().map(|_| None), short(4, 2));
    }
}
