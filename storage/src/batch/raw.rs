//! Records of magic 2 batches as they lie in memory: nothing is copied, and nothing is allocated for a record. For the
//! cleaner, which looks at every key of a log and copies most records as they are. Headers are not looked at.

use std::ops::Range;

use super::BatchError;
use crate::be::varlong_at;

/// One record in the bytes that were walked over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RawRecord<'a> {
    /// All of it, length field included.
    pub(crate) range: Range<usize>,
    /// Where its offset delta begins; from there on it does not depend on the batch's base timestamp.
    pub(crate) rest: usize,
    /// Distance from the batch's base timestamp.
    pub(crate) timestamp_delta: i64,
    /// Distance from the batch's base offset.
    pub(crate) offset_delta: i64,
    /// `None` is Kafka's null.
    pub(crate) key: Option<&'a [u8]>,
    /// Not a tombstone.
    pub(crate) has_value: bool,
}

/// Walks over `count` records that fill `bytes`; after an error it is over.
#[derive(Debug)]
pub(crate) struct RawRecords<'a> {
    bytes: &'a [u8],
    position: usize,
    index: usize,
    count: usize,
}

impl<'a> RawRecords<'a> {
    /// The (unpacked) records of a batch that declares `count` of them.
    pub(crate) fn new(bytes: &'a [u8], count: i32) -> Result<RawRecords<'a>, BatchError> {
        let what = || format!("the batch declares {count} records");
        let count = usize::try_from(count).map_err(|_| BatchError::BadRecord { index: 0, what: what() })?;
        Ok(RawRecords { bytes, position: 0, index: 0, count })
    }

    fn record(&self) -> Option<RawRecord<'a>> {
        let start = self.position;
        let (size, body) = varlong_at(self.bytes, start)?;
        let end = body.checked_add(usize::try_from(size).ok()?)?;
        let bytes = self.bytes.get(..end)?;
        // One byte of attributes, which mean nothing.
        let (timestamp_delta, rest) = varlong_at(bytes, body.checked_add(1)?)?;
        let (offset_delta, position) = varlong_at(bytes, rest)?;
        let (key, position) = field(bytes, position)?;
        let (value, _) = field(bytes, position)?;
        Some(RawRecord { range: start..end, rest, timestamp_delta, offset_delta, key, has_value: value.is_some() })
    }

    fn end(&mut self, what: &str) -> BatchError {
        let index = self.index;
        self.count = 0;
        self.position = self.bytes.len();
        BatchError::BadRecord { index, what: what.to_owned() }
    }
}

impl<'a> Iterator for RawRecords<'a> {
    type Item = Result<RawRecord<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.index >= self.count {
            let left = self.position < self.bytes.len();
            return left.then(|| Err(self.end("bytes are left behind the last declared record")));
        }
        let Some(record) = self.record() else { return Some(Err(self.end("its lengths do not fit its bytes"))) };
        self.position = record.range.end;
        self.index += 1;
        Some(Ok(record))
    }
}

/// A length and its bytes, with the position behind them.
fn field(bytes: &[u8], position: usize) -> Option<(Option<&[u8]>, usize)> {
    let (len, start) = varlong_at(bytes, position)?;
    let Ok(len) = usize::try_from(len) else { return Some((None, start)) };
    let end = start.checked_add(len)?;
    Some((Some(bytes.get(start..end)?), end))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::batch::{Batch, BatchBuilder, HEADER_SIZE, Header};

    #[test]
    fn raw_records_are_what_the_other_readers_see() {
        let mut builder = BatchBuilder::new().base_offset(40);
        let header = Header { key: "h".into(), value: None };
        builder.append(100, Some(b"key"), Some(b"value"), &[header]);
        builder.append_at(300, -5, None, None, &[]);
        builder.append_at(301, 1 << 40, Some(b""), Some(&[7; 300]), &[]);
        let batch = Batch::parse(&builder.build().unwrap()).unwrap();
        let bytes = &batch.bytes[HEADER_SIZE..];
        let raw: Vec<_> = RawRecords::new(bytes, 3).unwrap().map(Result::unwrap).collect();
        let read = batch.records(1 << 20).unwrap();
        assert_eq!(raw.len(), read.len());
        for (raw, read) in raw.iter().zip(&read) {
            assert_eq!((raw.key, raw.has_value), (read.key.as_deref(), read.value.is_some()));
            assert_eq!((40 + raw.offset_delta, 100 + raw.timestamp_delta), (read.offset, read.timestamp));
        }
        assert_eq!((raw[0].range.start, raw[2].range.end), (0, bytes.len()));
        assert!(RawRecords::new(bytes, 2).unwrap().last().unwrap().is_err());
        assert!(RawRecords::new(bytes, 4).unwrap().last().unwrap().is_err());
        assert!(RawRecords::new(bytes, -1).is_err());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100), count in 0..20i32) {
            assert!(RawRecords::new(&bytes, count).unwrap().count() <= 21);
        }
    }
}
