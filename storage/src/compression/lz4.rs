//! Lz4 frames as Kafka reads and writes them: independent blocks only, no dictionary, checksums of blocks are verified,
//! those of the content are not (`Lz4BlockInputStream`, `Lz4BlockOutputStream`).
//!
//! ```text
//! magic 4 (LE) | flags 1 | block size 1 | content size 8, if flagged | header checksum 1 |
//! per block: length 4 (LE, highest bit: stored plain), bytes, checksum 4 if flagged | end 4 (0)
//! flags: 6–7 version 1 | 5 blocks are independent | 4 block checksums | 3 content size | 2 content checksum
//! ```
//!
//! The header checksum of magic 0 messages covers the frame's magic too; of those it is not verified (KAFKA-3160).

use std::io::{self, Read, Write};

use bytes::{Buf, Bytes};

use super::{Lz4Checksum, invalid, spare::Spare};

const MAGIC: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];
const FLAGS: u8 = 0x60;
const BLOCK_64_KIB: u8 = 4;
const BLOCK: usize = 64 * 1024;
const STORED: u32 = 0x8000_0000;
/// `compression.lz4.level` at which Kafka takes the fast encoder; any other takes the high-compression one.
const FAST_LEVEL: i32 = 9;

/// Room for one block, unpacked or packed; larger blocks than usual are not kept.
static BLOCKS: Spare<Vec<u8>> = Spare::new(8);

fn take_block(len: usize) -> Vec<u8> {
    let mut block = BLOCKS.take().unwrap_or_default();
    block.resize(len, 0);
    block
}

fn give_block(block: Vec<u8>) {
    if block.capacity() <= 2 * BLOCK {
        BLOCKS.give(block);
    }
}

/// Unpacks one block after the other.
pub(super) struct Reader {
    rest: Bytes,
    block_checksums: bool,
    max_block: usize,
    /// A block that was stored plain, as far as it is not read yet.
    stored: Bytes,
    block: Vec<u8>,
    position: usize,
    end: usize,
    finished: bool,
}

impl Reader {
    pub(super) fn new(mut bytes: Bytes, checksum: Lz4Checksum) -> io::Result<Reader> {
        let short = || invalid("lz4 frame cut short in its header".into());
        if bytes.len() < 6 {
            return Err(short());
        }
        if !bytes.starts_with(&MAGIC) {
            return Err(invalid("not an lz4 frame".into()));
        }
        let flags = bytes.get(4).copied().unwrap_or_default();
        let max_block = max_block(flags, bytes.get(5).copied().unwrap_or_default())?;
        let end = 6 + if flags & 8 != 0 { 8 } else { 0 };
        let (header, stored) = (bytes.get(..end).ok_or_else(short)?, bytes.get(end).copied().ok_or_else(short)?);
        if checksum == Lz4Checksum::Standard && stored != header_checksum(header, checksum) {
            return Err(invalid("the checksum of an lz4 header is wrong".into()));
        }
        bytes.advance(end + 1);
        let block_checksums = flags & 16 != 0;
        let block = take_block(0);
        let (stored, position, end, finished) = (Bytes::new(), 0, 0, false);
        Ok(Reader { rest: bytes, block_checksums, max_block, stored, block, position, end, finished })
    }

    fn next_block(&mut self) -> io::Result<()> {
        let word = self.word()?;
        let len = (word & !STORED) as usize;
        if len == 0 {
            self.finished = true;
            return Ok(());
        }
        if len > self.max_block || len > self.rest.len() {
            return Err(invalid(format!("lz4 block of {len} bytes, {} are left", self.rest.len().min(self.max_block))));
        }
        let packed = self.rest.split_to(len);
        if self.block_checksums && self.word()? != xxh32(&packed) {
            return Err(invalid("the checksum of an lz4 block is wrong".into()));
        }
        if word & STORED != 0 {
            self.stored = packed;
            return Ok(());
        }
        self.block.resize(self.max_block, 0);
        let unpacked = lz4_flex::block::decompress_into(&packed, &mut self.block);
        (self.position, self.end) = (0, unpacked.map_err(|error| invalid(error.to_string()))?);
        Ok(())
    }

    fn word(&mut self) -> io::Result<u32> {
        let word = self.rest.first_chunk::<4>().copied().map(u32::from_le_bytes);
        let word = word.ok_or_else(|| invalid("lz4 frame ends without its end mark".into()))?;
        self.rest.advance(4);
        Ok(word)
    }
}

fn max_block(flags: u8, sizes: u8) -> io::Result<usize> {
    if flags >> 6 != 1 {
        return Err(invalid(format!("lz4 frame of version {}", flags >> 6)));
    }
    if flags & 32 == 0 {
        return Err(invalid("lz4 blocks that depend on each other are not supported".into()));
    }
    match (flags & 3, sizes & 0x8f, sizes >> 4) {
        (0, 0, size @ 4..=7) => Ok(1 << (2 * size + 8)),
        _ => Err(invalid("reserved bits of an lz4 header are set, or its block size is none".into())),
    }
}

impl Read for Reader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.stored.is_empty() && self.position == self.end && !self.finished {
            self.next_block()?;
        }
        if !self.stored.is_empty() {
            let count = self.stored.len().min(buf.len());
            self.stored.copy_to_slice(buf.get_mut(..count).unwrap_or_default());
            return Ok(count);
        }
        let left = self.block.get(self.position..self.end).unwrap_or_default();
        let count = left.len().min(buf.len());
        if let (Some(to), Some(from)) = (buf.get_mut(..count), left.get(..count)) {
            to.copy_from_slice(from);
        }
        self.position += count;
        Ok(count)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        give_block(std::mem::take(&mut self.block));
    }
}

/// Packs blocks of 64 KiB behind what `out` holds already.
#[derive(Debug)]
pub(super) struct Writer {
    out: Vec<u8>,
    block: Vec<u8>,
    level: i32,
}

impl Writer {
    pub(super) fn new(mut out: Vec<u8>, level: Option<i32>, checksum: Lz4Checksum) -> Writer {
        let mut header = [0; 6];
        header.iter_mut().zip(MAGIC.iter().chain(&[FLAGS, BLOCK_64_KIB << 4])).for_each(|(to, from)| *to = *from);
        out.extend_from_slice(&header);
        out.push(header_checksum(&header, checksum));
        Writer { out, block: take_block(0), level: level.unwrap_or(FAST_LEVEL) }
    }

    pub(super) fn written(&self) -> usize {
        self.out.len()
    }

    pub(super) fn finish(mut self) -> io::Result<Vec<u8>> {
        self.end_block()?;
        self.out.extend_from_slice(&[0; 4]);
        Ok(std::mem::take(&mut self.out))
    }

    fn end_block(&mut self) -> io::Result<()> {
        let len = self.block.len();
        if len == 0 {
            return Ok(());
        }
        let at = self.out.len();
        self.out.resize(at + 4 + lz4_flex::block::get_maximum_output_size(len), 0);
        let room = self.out.get_mut(at + 4..).unwrap_or_default();
        let packed = pack(&self.block, room, self.level)?;
        let word = if packed < len {
            self.out.truncate(at + 4 + packed);
            packed as u32
        } else {
            self.out.truncate(at + 4);
            self.out.extend_from_slice(&self.block);
            len as u32 | STORED
        };
        if let Some(place) = self.out.get_mut(at..at + 4) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        self.block.clear();
        Ok(())
    }
}

fn pack(block: &[u8], room: &mut [u8], level: i32) -> io::Result<usize> {
    if level == FAST_LEVEL {
        return lz4_flex::block::compress_into(block, room).map_err(io::Error::other);
    }
    let mode = lz4::block::CompressionMode::HIGHCOMPRESSION(level);
    lz4::block::compress_to_buffer(block, Some(mode), false, room)
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.block.len() == BLOCK {
            self.end_block()?;
        }
        let count = bytes.len().min(BLOCK - self.block.len());
        self.block.extend_from_slice(bytes.get(..count).unwrap_or_default());
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        give_block(std::mem::take(&mut self.block));
    }
}

fn header_checksum(header: &[u8], checksum: Lz4Checksum) -> u8 {
    let covered = match checksum {
        Lz4Checksum::Standard => header.get(4..).unwrap_or_default(),
        Lz4Checksum::Magic0 => header,
    };
    (xxh32(covered) >> 8) as u8
}

/// XXH32 with seed 0 for inputs below 16 bytes, or longer ones through the four lanes.
fn xxh32(bytes: &[u8]) -> u32 {
    const P: [u32; 5] = [0x9e37_79b1, 0x85eb_ca77, 0xc2b2_ae3d, 0x27d4_eb2f, 0x1656_67b1];
    let word = |four: &[u8]| four.iter().rev().fold(0u32, |word, byte| word << 8 | u32::from(*byte));
    let mut stripes = bytes.chunks_exact(16);
    let mut hash = if bytes.len() < 16 {
        P[4]
    } else {
        let mut lanes = [P[0].wrapping_add(P[1]), P[1], 0, 0u32.wrapping_sub(P[0])];
        for stripe in stripes.by_ref() {
            for (lane, four) in lanes.iter_mut().zip(stripe.chunks_exact(4)) {
                *lane = lane.wrapping_add(word(four).wrapping_mul(P[1])).rotate_left(13).wrapping_mul(P[0]);
            }
        }
        let turns = [1, 7, 12, 18];
        lanes.iter().zip(turns).fold(0u32, |sum, (lane, turn)| sum.wrapping_add(lane.rotate_left(turn)))
    };
    hash = hash.wrapping_add(bytes.len() as u32);
    let rest = if bytes.len() < 16 { bytes } else { stripes.remainder() };
    let mut words = rest.chunks_exact(4);
    for four in words.by_ref() {
        hash = hash.wrapping_add(word(four).wrapping_mul(P[2])).rotate_left(17).wrapping_mul(P[3]);
    }
    for byte in words.remainder() {
        hash = hash.wrapping_add(u32::from(*byte).wrapping_mul(P[4])).rotate_left(11).wrapping_mul(P[0]);
    }
    hash = (hash ^ (hash >> 15)).wrapping_mul(P[1]);
    hash = (hash ^ (hash >> 13)).wrapping_mul(P[2]);
    hash ^ (hash >> 16)
}
