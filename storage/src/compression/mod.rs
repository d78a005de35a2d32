//! The four codecs of record batches, as Kafka frames them: gzip, snappy (xerial blocks), lz4 (frames), zstd.
//!
//! Reading is streaming: nothing larger than one block of the codec is held, and what a lying length asks for is
//! checked before it is allocated. Writing is streaming too ([`Packer`]): only what is packed grows.
//!
//! Surprises. Some clients send raw snappy without the xerial header; it is read. Lz4 in magic-0 messages carries a
//! header checksum computed over the magic number too (KAFKA-3160); it is read and written that way.

mod lz4;
mod snappy;
mod spare;
mod zstandard;

use std::fmt;
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
    /// `compression.gzip.level` (1–9, -1 = default), `compression.lz4.level` (1–17; 9, the default, is the fast encoder)
    /// or `compression.zstd.level`.
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
        Codec::Snappy => Box::new(snappy::Reader::new(bytes)),
        Codec::Lz4 => Box::new(lz4::Reader::new(bytes, lz4)?),
        Codec::Zstd => Box::new(zstandard::Reader::new(bytes)?),
    })
}

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
    let mut packer = Packer::new(compression, lz4, Vec::new())?;
    packer.write_all(bytes)?;
    Ok(packer.finish()?.into())
}

/// Compresses what is written to it.
pub struct Packer(Kind);

enum Kind {
    Plain(Vec<u8>),
    Gzip(flate2::write::GzEncoder<Vec<u8>>),
    Snappy(Box<snappy::Writer>),
    Lz4(lz4::Writer),
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
}

impl Packer {
    /// Appends to what `out` holds already.
    pub fn new(compression: Compression, lz4: Lz4Checksum, out: Vec<u8>) -> io::Result<Packer> {
        let Compression { codec, level } = compression;
        Ok(Packer(match codec {
            Codec::None => Kind::Plain(out),
            Codec::Gzip => {
                let level = level.and_then(|level| u32::try_from(level).ok()).filter(|level| (1..=9).contains(level));
                let level = level.map_or(flate2::Compression::default(), flate2::Compression::new);
                Kind::Gzip(flate2::write::GzEncoder::new(out, level))
            }
            Codec::Snappy => Kind::Snappy(Box::new(snappy::Writer::new(out))),
            Codec::Lz4 => Kind::Lz4(lz4::Writer::new(out, level, lz4)),
            Codec::Zstd => {
                let level = level.unwrap_or(zstd::DEFAULT_COMPRESSION_LEVEL);
                Kind::Zstd(zstd::stream::write::Encoder::new(out, level)?)
            }
        }))
    }

    /// Bytes in the output so far; the codec may hold back some more.
    pub fn written(&self) -> usize {
        match &self.0 {
            Kind::Plain(out) => out.len(),
            Kind::Gzip(encoder) => encoder.get_ref().len(),
            Kind::Snappy(writer) => writer.written(),
            Kind::Lz4(writer) => writer.written(),
            Kind::Zstd(encoder) => encoder.get_ref().len(),
        }
    }

    /// The output, whole.
    pub fn finish(self) -> io::Result<Vec<u8>> {
        match self.0 {
            Kind::Plain(out) => Ok(out),
            Kind::Gzip(encoder) => encoder.finish(),
            Kind::Snappy(writer) => writer.finish(),
            Kind::Lz4(writer) => writer.finish(),
            Kind::Zstd(encoder) => encoder.finish(),
        }
    }
}

impl Write for Packer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Kind::Plain(out) => out.write(bytes),
            Kind::Gzip(encoder) => encoder.write(bytes),
            Kind::Snappy(writer) => writer.write(bytes),
            Kind::Lz4(writer) => writer.write(bytes),
            Kind::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for Packer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Packer({} bytes so far)", self.written())
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

    #[test]
    fn levels_pack_harder() {
        // Words in no order: text that a longer search packs better.
        let word = |n: u32| format!("{:x} ", n.wrapping_mul(2_654_435_761) >> 22);
        let text: Vec<u8> = (0..40_000).flat_map(|n| word(n).into_bytes()).collect();
        for (codec, low, high) in [(Codec::Gzip, 1, 9), (Codec::Lz4, 9, 12), (Codec::Zstd, 1, 19)] {
            let size = |level| {
                let packed = compress(Compression { codec, level: Some(level) }, &text, Lz4Checksum::Standard).unwrap();
                assert_eq!(decompress_all(codec, packed.clone(), Lz4Checksum::Standard, text.len()).unwrap(), text);
                packed.len()
            };
            assert!(size(high) < size(low), "{codec:?}: {} at {high}, {} at {low}", size(high), size(low));
        }
        // 9 is Kafka's name for the fast encoder.
        let fast = compress(Codec::Lz4.into(), &text, Lz4Checksum::Standard).unwrap();
        assert_eq!(
            compress(Compression { codec: Codec::Lz4, level: Some(9) }, &text, Lz4Checksum::Standard).unwrap(),
            fast
        );
    }

    #[test]
    fn lz4_that_kafka_would_not_read_is_refused() {
        let good = compress(Codec::Lz4.into(), b"some text, some text", Lz4Checksum::Standard).unwrap();
        let put = |position: usize, value: u8| {
            let mut frame = good.to_vec();
            frame[position] = value;
            decompress_all(Codec::Lz4, frame.into(), Lz4Checksum::Magic0, 1000)
        };
        assert!(put(4, 0x60).is_ok());
        for (position, value, what) in [
            (0, 0, "not an lz4 frame"),
            (4, 0xa0, "version 2"),
            (4, 0x40, "depend on each other"),
            (4, 0x61, "reserved"),
            (5, 0x30, "block size"),
        ] {
            let text = put(position, value).unwrap_err().to_string();
            assert!(text.contains(what), "byte {position} as {value}: {text}");
        }
        for cut in 0..good.len() {
            assert!(decompress_all(Codec::Lz4, good.slice(..cut), Lz4Checksum::Standard, 1000).is_err(), "{cut}");
        }
    }

    #[test]
    fn zstd_frames_that_follow_each_other_are_one_stream() {
        let pack = |text: &[u8]| compress(Codec::Zstd.into(), text, Lz4Checksum::Standard).unwrap();
        let both = Bytes::from([pack(b"one "), pack(b"two")].concat());
        let read = |bytes| decompress_all(Codec::Zstd, bytes, Lz4Checksum::Standard, 100);
        assert_eq!(read(both.clone()).unwrap(), &b"one two"[..]);
        for cut in (0..both.len()).filter(|cut| *cut != pack(b"one ").len()) {
            assert!(read(both.slice(..cut)).is_err(), "{cut}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            fuzz(&bytes);
            let mut framed = snappy::HEADER.to_vec();
            framed.extend_from_slice(&bytes);
            fuzz(&framed);
        }
    }
}
