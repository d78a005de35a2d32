//! The four codecs of record batches, as Kafka frames them: gzip, snappy (xerial blocks), lz4 (frames), zstd.
//!
//! Reading is streaming: nothing larger than one block of the codec is held, and what a lying length asks for is
//! checked before it is allocated. A reader stops after the first member or frame, as Java's does.
//!
//! Surprises. Some clients send raw snappy without the xerial header; it is read. Lz4 in magic-0 messages carries a
//! header checksum computed over the magic number too (KAFKA-3160); it is read and written that way. Lz4 levels above
//! the fast one are not implemented by the pure Rust encoder: every level writes fast blocks, which any reader takes.

use std::io::{self, Read, Write};

use bytes::{Buf, Bytes};

/// How a batch's records are compressed; the number is the lowest three bits of its attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Codec {
    /// Not at all.
    #[default]
    None,
    /// RFC 1952.
    Gzip,
    /// Snappy blocks in xerial's framing.
    Snappy,
    /// Lz4 frames.
    Lz4,
    /// Zstandard; since Produce version 7 and Fetch version 10 (KIP-110).
    Zstd,
}

impl Codec {
    /// The codec with this number in batch attributes; `None` for numbers nobody gave out.
    pub fn from_id(id: u8) -> Option<Codec> {
        [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd].get(usize::from(id)).copied()
    }

    /// Its number in batch attributes.
    pub fn id(self) -> u8 {
        self as u8
    }

    /// Its name in configurations and in Kafka's tools.
    pub fn name(self) -> &'static str {
        match self {
            Codec::None => "none",
            Codec::Gzip => "gzip",
            Codec::Snappy => "snappy",
            Codec::Lz4 => "lz4",
            Codec::Zstd => "zstd",
        }
    }

    /// The codec with this name; also `uncompressed`, as `compression.type` spells it.
    pub fn from_name(name: &str) -> Option<Codec> {
        match name {
            "none" | "uncompressed" => Some(Codec::None),
            "gzip" => Some(Codec::Gzip),
            "snappy" => Some(Codec::Snappy),
            "lz4" => Some(Codec::Lz4),
            "zstd" => Some(Codec::Zstd),
            _ => None,
        }
    }
}

/// A codec with its level; `level` is `None` for the codec's default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Compression {
    /// Which codec.
    pub codec: Codec,
    /// `compression.gzip.level` (1–9, -1 = default) or `compression.zstd.level`; ignored by the others.
    pub level: Option<i32>,
}

impl From<Codec> for Compression {
    fn from(codec: Codec) -> Self {
        Compression { codec, level: None }
    }
}

/// Which lz4 header checksum a message uses: magic 0 has the historical one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lz4Checksum {
    /// As the lz4 frame format says.
    Standard,
    /// As Kafka before message format 1 wrote it.
    Magic0,
}

/// A stream of what `bytes` hold uncompressed. Damage shows as an error of the stream.
pub fn decompress(codec: Codec, bytes: Bytes, lz4: Lz4Checksum) -> io::Result<Box<dyn Read + Send>> {
    Ok(match codec {
        Codec::None => Box::new(bytes.reader()),
        Codec::Gzip => Box::new(flate2::bufread::GzDecoder::new(bytes.reader())),
        Codec::Snappy => Box::new(SnappyReader::new(bytes)),
        Codec::Lz4 => {
            let bytes = if lz4 == Lz4Checksum::Magic0 { with_header_checksum(&bytes, lz4_standard)? } else { bytes };
            Box::new(lz4_flex::frame::FrameDecoder::new(bytes.reader()))
        }
        Codec::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(bytes.reader())?.single_frame();
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
            Box::new(decoder)
        }
    })
}

/// The largest window that zstd accepts by default, 128 MiB; Java's reader has the same bound.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// As [`decompress`], collected. More than `limit` bytes are `InvalidData`.
pub fn decompress_all(codec: Codec, bytes: Bytes, lz4: Lz4Checksum, limit: usize) -> io::Result<Bytes> {
    if codec == Codec::None {
        return Ok(bytes);
    }
    let mut collected = Vec::new();
    decompress(codec, bytes, lz4)?.take(limit as u64 + 1).read_to_end(&mut collected)?;
    if collected.len() > limit {
        return Err(invalid(format!("{} data unpacks to more than {limit} bytes", codec.name())));
    }
    Ok(collected.into())
}

/// `bytes`, compressed.
pub fn compress(compression: Compression, bytes: &[u8], lz4: Lz4Checksum) -> io::Result<Bytes> {
    Ok(match compression.codec {
        Codec::None => Bytes::copy_from_slice(bytes),
        Codec::Gzip => {
            let level = match compression.level.map(u32::try_from) {
                Some(Ok(level)) if (1..=9).contains(&level) => flate2::Compression::new(level),
                _ => flate2::Compression::default(),
            };
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
            encoder.write_all(bytes)?;
            encoder.finish()?.into()
        }
        Codec::Snappy => xerial_compress(bytes)?.into(),
        Codec::Lz4 => {
            let framed: Bytes = lz4_compress(bytes)?.into();
            if lz4 == Lz4Checksum::Magic0 { with_header_checksum(&framed, lz4_magic0)? } else { framed }
        }
        Codec::Zstd => {
            let level = compression.level.unwrap_or(zstd::DEFAULT_COMPRESSION_LEVEL);
            zstd::bulk::compress(bytes, level)?.into()
        }
    })
}

fn lz4_compress(bytes: &[u8]) -> io::Result<Vec<u8>> {
    use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
    // Independent blocks: readers of Kafka's age refuse linked ones.
    let info = FrameInfo::new().block_mode(BlockMode::Independent).block_size(BlockSize::Max64KB);
    let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
    encoder.write_all(bytes)?;
    encoder.finish().map_err(io::Error::other)
}

const LZ4_MAGIC: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];

/// Copies an lz4 frame with its header-checksum byte computed anew.
fn with_header_checksum(frame: &Bytes, checksum: fn(&[u8]) -> u8) -> io::Result<Bytes> {
    let flags = frame.get(4).copied().ok_or_else(|| invalid("lz4 frame cut short in its header".into()))?;
    // Content size (bit 3) and dictionary id (bit 0) lengthen the header.
    let end = 6 + if flags & 8 != 0 { 8 } else { 0 } + if flags & 1 != 0 { 4 } else { 0 };
    let header = frame.get(..end).ok_or_else(|| invalid("lz4 frame cut short in its header".into()))?;
    if !header.starts_with(&LZ4_MAGIC) {
        return Err(invalid("not an lz4 frame".into()));
    }
    let computed = checksum(header);
    let mut copy = frame.to_vec();
    if let Some(byte) = copy.get_mut(end) {
        *byte = computed;
    }
    Ok(copy.into())
}

fn lz4_standard(header: &[u8]) -> u8 {
    (xxh32(header.get(4..).unwrap_or_default()) >> 8) as u8
}

fn lz4_magic0(header: &[u8]) -> u8 {
    (xxh32(header) >> 8) as u8
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

/// Magic, version 1, compatible from 1.
const XERIAL_HEADER: [u8; 16] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1];
const XERIAL_BLOCK: usize = 32 * 1024;
/// A snappy copy element of 3 bytes yields at most 64, so honest data never unpacks to more than this many times.
const SNAPPY_MAX_RATIO: usize = 24;

fn xerial_compress(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut out = XERIAL_HEADER.to_vec();
    let mut encoder = snap::raw::Encoder::new();
    for block in bytes.chunks(XERIAL_BLOCK) {
        let packed = encoder.compress_vec(block).map_err(io::Error::other)?;
        out.extend_from_slice(&(packed.len() as u32).to_be_bytes());
        out.extend_from_slice(&packed);
    }
    Ok(out)
}

/// Unpacks one block after the other.
struct SnappyReader {
    rest: Bytes,
    framed: bool,
    block: Vec<u8>,
    position: usize,
}

impl SnappyReader {
    fn new(mut bytes: Bytes) -> SnappyReader {
        let magic = XERIAL_HEADER.get(..8).unwrap_or_default();
        let framed = bytes.starts_with(magic) && bytes.len() >= XERIAL_HEADER.len();
        if framed {
            bytes.advance(XERIAL_HEADER.len());
        }
        SnappyReader { rest: bytes, framed, block: Vec::new(), position: 0 }
    }

    fn next_block(&mut self) -> io::Result<()> {
        let packed = if self.framed {
            let len = self.rest.first_chunk::<4>().copied().map(u32::from_be_bytes);
            let len = len.ok_or_else(|| invalid("snappy block cut short".into()))? as usize;
            self.rest.advance(4);
            if len > self.rest.len() {
                return Err(invalid(format!("snappy block of {len} bytes, {} are left", self.rest.len())));
            }
            self.rest.split_to(len)
        } else {
            std::mem::take(&mut self.rest)
        };
        let unpacked = snap::raw::decompress_len(&packed).map_err(|error| invalid(error.to_string()))?;
        if unpacked > packed.len().saturating_mul(SNAPPY_MAX_RATIO) + 64 {
            return Err(invalid(format!("snappy block of {} bytes claims {unpacked}", packed.len())));
        }
        self.block.clear();
        self.block.resize(unpacked, 0);
        self.position = 0;
        let written = snap::raw::Decoder::new().decompress(&packed, &mut self.block);
        self.block.truncate(written.map_err(|error| invalid(error.to_string()))?);
        Ok(())
    }
}

impl Read for SnappyReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.position >= self.block.len() && !self.rest.is_empty() {
            self.next_block()?;
        }
        let left = self.block.get(self.position..).unwrap_or_default();
        let read = left.len().min(buf.len());
        buf.iter_mut().zip(left).for_each(|(to, from)| *to = *from);
        self.position += read;
        Ok(read)
    }
}

fn invalid(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

/// Feeds arbitrary bytes to every reader; for fuzzing. Must neither panic nor allocate without bound.
pub fn fuzz(bytes: &[u8]) {
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        for lz4 in [Lz4Checksum::Standard, Lz4Checksum::Magic0] {
            let _ = decompress_all(codec, Bytes::copy_from_slice(bytes), lz4, 1 << 20);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CODECS: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

    fn round_trip(codec: Codec, lz4: Lz4Checksum, bytes: &[u8]) {
        let packed = compress(codec.into(), bytes, lz4).unwrap();
        assert_eq!(decompress_all(codec, packed, lz4, bytes.len()).unwrap(), bytes, "{codec:?} {lz4:?}");
    }

    #[test]
    fn every_codec_reads_what_it_wrote() {
        let text: Vec<u8> = (0..200_000u32).map(|n| (n % 251) as u8 ^ (n >> 12) as u8).collect();
        for codec in CODECS {
            for len in [0, 1, 100, 32 * 1024, 65_537, text.len()] {
                round_trip(codec, Lz4Checksum::Standard, &text[..len]);
                round_trip(codec, Lz4Checksum::Magic0, &text[..len]);
            }
        }
    }

    #[test]
    fn a_bomb_is_refused_at_the_limit() {
        let zeros = vec![0; 8 << 20];
        for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
            let packed = compress(codec.into(), &zeros, Lz4Checksum::Standard).unwrap();
            let error = decompress_all(codec, packed, Lz4Checksum::Standard, 1 << 20).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{codec:?}");
        }
        // A raw snappy block that claims 4 GiB.
        let lie = Bytes::from_static(&[0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0]);
        assert!(decompress_all(Codec::Snappy, lie, Lz4Checksum::Standard, usize::MAX >> 1).is_err());
    }

    #[test]
    fn lz4_headers_are_the_known_bytes() {
        let standard = compress(Codec::Lz4.into(), b"x", Lz4Checksum::Standard).unwrap();
        assert_eq!(standard[..7], [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82]);
        let old = compress(Codec::Lz4.into(), b"x", Lz4Checksum::Magic0).unwrap();
        assert_eq!(old[..7], [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x1a]);
        assert!(decompress_all(Codec::Lz4, old, Lz4Checksum::Standard, 10).is_err());
    }

    #[test]
    fn raw_snappy_is_read_too() {
        let raw = snap::raw::Encoder::new().compress_vec(b"hello hello hello").unwrap();
        let read = decompress_all(Codec::Snappy, raw.into(), Lz4Checksum::Standard, 100).unwrap();
        assert_eq!(read, &b"hello hello hello"[..]);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            fuzz(&bytes);
            let mut framed = XERIAL_HEADER.to_vec();
            framed.extend_from_slice(&bytes);
            fuzz(&framed);
        }
    }
}
