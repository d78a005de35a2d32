//! Fetched bytes for a consumer that does not know their format, converted piece by piece while the answer is sent
//! (`LazyDownConversionRecords`, KIP-283).
//!
//! The answer's length goes out before its bytes, so it is a promise made on the first batch: the larger of that batch,
//! converted, and of the fetched bytes as stored. Always: exactly as many bytes are sent. What is too much is cut off, as a
//! fetch of any age may end within a batch. What is missing is filled with the beginning of a batch that claims to be longer
//! than what is left, which consumers pass over in the same way. Memory holds one piece: [`PIECE`] stored bytes, or one batch.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use world::DiskFile;

use super::{ConvertError, down_convert};
use crate::batch::{Batch, BatchError, BatchHeader, Batches, HEADER_SIZE, LOG_OVERHEAD};
use crate::be::put_at;
use crate::memory::ConversionMemory;

/// Stored bytes that are converted at once.
const PIECE: usize = 128 * 1024;

/// Why a fetch cannot be converted.
#[derive(Debug, thiserror::Error)]
pub enum DownConversionError {
    /// What is stored has no old form, or is damaged.
    #[error(transparent)]
    Convert(#[from] ConvertError),
    /// The file could not be read.
    #[error("could not read what is to be converted: {0}")]
    Read(#[from] io::Error),
}

/// A fetch under conversion.
#[derive(Debug)]
pub struct DownConversion {
    file: Arc<dyn DiskFile>,
    /// Where the stored bytes that are not converted yet begin, and where they end.
    stored: Range<u64>,
    magic: u8,
    first_offset: i64,
    memory: ConversionMemory,
    /// Converted to know the length, and not sent yet.
    first: Option<Bytes>,
    len: usize,
    sent: usize,
}

impl DownConversion {
    /// Converts the first batch that has an old form. `stored` is where the file holds what was fetched, `first_offset` what
    /// the consumer asked for. Reads the file.
    pub fn begin(
        file: Arc<dyn DiskFile>,
        stored: Range<u64>,
        magic: u8,
        first_offset: i64,
        memory: ConversionMemory,
    ) -> Result<DownConversion, DownConversionError> {
        let stored_len = (stored.end - stored.start) as usize;
        let (first, len, sent) = (None, 0, 0);
        let mut conversion = DownConversion { file, stored, magic, first_offset, memory, first, len, sent };
        let mut any = false;
        while let Some(batch) = conversion.next_batch()? {
            any = true;
            let mut converted = Vec::new();
            down_convert(&batch, magic, first_offset, &conversion.memory, &mut converted)?;
            if !converted.is_empty() {
                conversion.len = stored_len.max(converted.len());
                conversion.first = Some(converted.into());
                return Ok(conversion);
            }
        }
        // Nothing of it has an old form: so few bytes tell a consumer that there is something it cannot see.
        conversion.len = if any { LOG_OVERHEAD } else { 0 };
        Ok(conversion)
    }

    /// Bytes that will come.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether none will come.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The next bytes; none when all have come. Reads the file.
    pub fn next_piece(&mut self) -> io::Result<Bytes> {
        let left = self.len - self.sent;
        if left == 0 {
            return Ok(Bytes::new());
        }
        let mut piece = match self.first.take() {
            Some(first) => first,
            None => self.convert_more()?.unwrap_or_else(|| filler(left)),
        };
        piece.truncate(left);
        self.sent += piece.len();
        Ok(piece)
    }

    /// Some more of what is stored; `None` when no more of it can be converted.
    fn convert_more(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            let batches = self.next_batches()?;
            if batches.is_empty() {
                return Ok(None);
            }
            let mut converted = Vec::new();
            for batch in batches {
                match down_convert(&batch, self.magic, self.first_offset, &self.memory, &mut converted) {
                    Ok(()) => {}
                    Err(ConvertError::Zstd) => {
                        // The consumer will ask again from here, and then be told.
                        self.stored.start = self.stored.end;
                        break;
                    }
                    Err(error) => return Err(io::Error::other(error)),
                }
            }
            if !converted.is_empty() {
                return Ok(Some(converted.into()));
            }
        }
    }

    /// The next batches, as many as fit a piece, or one.
    fn next_batches(&mut self) -> io::Result<Vec<Batch>> {
        let bytes = self.read(PIECE)?;
        let mut batches = Vec::new();
        for batch in Batches::new(bytes) {
            let batch = batch.map_err(io::Error::other)?;
            self.stored.start += batch.header.size as u64;
            batches.push(batch);
        }
        if batches.is_empty() {
            batches.extend(self.next_batch().map_err(io::Error::other)?);
        }
        Ok(batches)
    }

    /// The next batch; `None` at the end, where one may be cut short.
    fn next_batch(&mut self) -> Result<Option<Batch>, DownConversionError> {
        let header = match BatchHeader::parse(&self.read(HEADER_SIZE)?) {
            Err(BatchError::Truncated { .. }) => return Ok(None),
            parsed => parsed.map_err(ConvertError::from)?,
        };
        if header.size > self.left() {
            return Ok(None);
        }
        let batch = Batch::parse(&self.read(header.size)?).map_err(ConvertError::from)?;
        self.stored.start += header.size as u64;
        Ok(Some(batch))
    }

    /// Stored bytes that are not converted yet.
    fn left(&self) -> usize {
        (self.stored.end - self.stored.start) as usize
    }

    fn read(&self, most: usize) -> io::Result<Bytes> {
        let mut bytes = vec![0; most.min(self.left())];
        let read = self.file.read_at(&mut bytes, self.stored.start)?;
        bytes.truncate(read);
        Ok(bytes.into())
    }
}

/// The beginning of a batch that is longer than the `left` bytes that are left for it.
fn filler(left: usize) -> Bytes {
    let mut bytes = vec![0; (left + 1).clamp(LOG_OVERHEAD, PIECE)];
    put_at(&mut bytes, 0, &(-1i64).to_be_bytes());
    put_at(&mut bytes, 8, &((left + 1).max(HEADER_SIZE) as i32).to_be_bytes());
    bytes.into()
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;
    use std::path::Path;

    use world::{Disk, MemDisk};

    use super::*;
    use crate::batch::{BatchBuilder, ControlType, EndTransactionMarker, Record};
    use crate::compression::Codec;

    fn batch(base_offset: i64, codec: Codec, values: &[&[u8]]) -> Vec<u8> {
        let mut builder = BatchBuilder::new().base_offset(base_offset).compression(codec);
        values.iter().for_each(|value| builder.append(100 + base_offset, Some(b"k"), Some(value), &[]));
        builder.build().unwrap().to_vec()
    }

    fn marker() -> Vec<u8> {
        EndTransactionMarker { control_type: ControlType::Commit, coordinator_epoch: 1 }.batch(1, 0, 0, 5).to_vec()
    }

    fn begin(stored: &[u8], magic: u8, first_offset: i64) -> Result<DownConversion, DownConversionError> {
        let disk = MemDisk::default();
        disk.create_dir_all(Path::new("/d")).unwrap();
        let file = disk.create_new(Path::new("/d/segment")).unwrap();
        file.write_at(&mut [IoSlice::new(b"before"), IoSlice::new(stored), IoSlice::new(b"behind")], 0).unwrap();
        let stored = 6..6 + stored.len() as u64;
        DownConversion::begin(file, stored, magic, first_offset, ConversionMemory::default())
    }

    /// All pieces, and what a consumer makes of them: whole batches up to the first that is cut short.
    fn converted(stored: &[u8], magic: u8, first_offset: i64) -> (usize, Vec<Record>) {
        let mut conversion = begin(stored, magic, first_offset).unwrap();
        let mut bytes = Vec::new();
        loop {
            let piece = conversion.next_piece().unwrap();
            if piece.is_empty() {
                break;
            }
            bytes.extend_from_slice(&piece);
        }
        assert_eq!(bytes.len(), conversion.len());
        let mut records = Vec::new();
        for batch in Batches::new(Bytes::from(bytes)).map(Result::unwrap) {
            assert!(batch.header.magic <= magic);
            batch.check_crc().unwrap();
            records.extend(batch.records(1 << 24).unwrap());
        }
        (conversion.len(), records)
    }

    fn offsets(records: &[Record]) -> Vec<i64> {
        records.iter().map(|record| record.offset).collect()
    }

    #[test]
    fn consumers_get_what_fits_into_the_promised_length() {
        for codec in [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4] {
            for magic in [0, 1] {
                let stored = [batch(5, codec, &[b"a", b"b"]), marker(), batch(8, codec, &[b"c"])].concat();
                let (len, records) = converted(&stored, magic, 5);
                assert_eq!(len, stored.len());
                assert_eq!(offsets(&records), [5, 6, 8], "{codec:?} magic {magic}");
                let timestamps: Vec<i64> = records.iter().map(|record| record.timestamp).collect();
                assert_eq!(timestamps, if magic == 0 { [-1, -1, -1] } else { [105, 105, 108] });
            }
        }
    }

    #[test]
    fn a_first_batch_that_grows_is_sent_whole_and_alone() {
        let many = batch(0, Codec::None, &[b"v".as_slice(); 100]);
        let (len, records) = converted(&[many.clone(), batch(100, Codec::None, &[b"w"])].concat(), 1, 0);
        assert_eq!(len, 100 * (34 + 2));
        assert_eq!(offsets(&records), (0..100).collect::<Vec<_>>());
        // From the middle of a batch that is not packed, only the rest is converted.
        let (_, records) = converted(&many, 1, 40);
        assert_eq!(offsets(&records), (40..100).collect::<Vec<_>>());
    }

    #[test]
    fn large_fetches_come_in_pieces_of_bounded_size() {
        let value = vec![1; 50_000];
        let stored: Vec<u8> = (0..40).flat_map(|offset| batch(offset, Codec::None, &[&value])).collect();
        let mut conversion = begin(&stored, 1, 0).unwrap();
        let mut pieces = Vec::new();
        while let Some(piece) = Some(conversion.next_piece().unwrap()).filter(|piece| !piece.is_empty()) {
            pieces.push(piece.len());
        }
        assert!(pieces.len() >= 20 && pieces.iter().all(|len| *len <= PIECE), "{pieces:?}");
        assert_eq!(offsets(&converted(&stored, 1, 0).1), (0..40).collect::<Vec<_>>());
    }

    #[test]
    fn what_has_no_old_form_is_filled_up() {
        assert_eq!(converted(&marker(), 1, 0), (LOG_OVERHEAD, vec![]));
        assert_eq!(converted(&[], 1, 0), (0, vec![]));
        assert_eq!(converted(&batch(0, Codec::None, &[b"v"])[..69], 1, 0), (0, vec![]));
        // Old batches pass as they are, and in front of zstd the rest is filled.
        let old = crate::legacy::tests::message(0, 3, -1, 0, None, b"old");
        let mixed = [old.clone(), batch(4, Codec::Zstd, &[b"new"])].concat();
        let (len, records) = converted(&mixed, 0, 0);
        assert_eq!((len, offsets(&records)), (mixed.len(), vec![3]));
        let refused = begin(&batch(4, Codec::Zstd, &[b"new"]), 1, 0).unwrap_err();
        assert!(matches!(refused, DownConversionError::Convert(ConvertError::Zstd)), "{refused}");
        let long = [old, vec![0; 300_000]].concat();
        assert!(matches!(begin(&long, 1, 0), Ok(conversion) if conversion.len() == long.len()));
    }

    #[test]
    fn fillers_announce_more_than_is_left() {
        for left in [1, 11, 12, 60, 61, 5000, PIECE, 10 * PIECE] {
            let bytes = filler(left);
            let announced = crate::be::i32_at(&bytes, 8).unwrap() as usize;
            assert!(announced + LOG_OVERHEAD > left && bytes.len() <= PIECE, "{left}");
        }
    }
}
