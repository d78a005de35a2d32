//! Snappy in xerial's framing, as snappy-java writes it. Raw snappy without a header, as some clients send it, is read too.
//!
//! ```text
//! 82 'SNAPPY' 0 | version 4 (1) | compatible from 4 (1) | per block of at most 32 KiB: length 4, raw snappy
//! ```

use std::io::{self, Read, Write};

use bytes::{Buf, Bytes};

use super::invalid;

/// Magic, version 1, compatible from 1.
pub(super) const HEADER: [u8; 16] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1];
const MAGIC_LEN: usize = 8;
const BLOCK: usize = 32 * 1024;
/// A snappy copy element of 3 bytes yields at most 64, so honest data never unpacks to more than this many times.
const MAX_RATIO: usize = 24;

/// Packs blocks behind what `out` holds already.
#[derive(Debug)]
pub(super) struct Writer {
    out: Vec<u8>,
    block: Vec<u8>,
    encoder: snap::raw::Encoder,
}

impl Writer {
    pub(super) fn new(mut out: Vec<u8>) -> Writer {
        out.extend_from_slice(&HEADER);
        Writer { out, block: Vec::new(), encoder: snap::raw::Encoder::new() }
    }

    pub(super) fn written(&self) -> usize {
        self.out.len()
    }

    pub(super) fn finish(mut self) -> io::Result<Vec<u8>> {
        self.end_block()?;
        Ok(self.out)
    }

    fn end_block(&mut self) -> io::Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        let packed = self.encoder.compress_vec(&self.block).map_err(io::Error::other)?;
        self.out.extend_from_slice(&(packed.len() as u32).to_be_bytes());
        self.out.extend_from_slice(&packed);
        self.block.clear();
        Ok(())
    }
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

/// Unpacks one block after the other.
#[derive(Debug)]
pub(super) struct Reader {
    rest: Bytes,
    framed: bool,
    block: Vec<u8>,
    position: usize,
}

impl Reader {
    pub(super) fn new(mut bytes: Bytes) -> Reader {
        let framed = bytes.starts_with(HEADER.get(..MAGIC_LEN).unwrap_or_default()) && bytes.len() >= HEADER.len();
        if framed {
            bytes.advance(HEADER.len());
        }
        Reader { rest: bytes, framed, block: Vec::new(), position: 0 }
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
        if unpacked > packed.len().saturating_mul(MAX_RATIO) + 64 {
            return Err(invalid(format!("snappy block of {} bytes claims {unpacked}", packed.len())));
        }
        self.block.resize(unpacked, 0);
        self.position = 0;
        let written = snap::raw::Decoder::new().decompress(&packed, &mut self.block);
        self.block.truncate(written.map_err(|error| invalid(error.to_string()))?);
        Ok(())
    }
}

impl Read for Reader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.position >= self.block.len() && !self.rest.is_empty() {
            self.next_block()?;
        }
        let left = self.block.get(self.position..).unwrap_or_default();
        let count = left.len().min(buf.len());
        if let (Some(to), Some(from)) = (buf.get_mut(..count), left.get(..count)) {
            to.copy_from_slice(from);
        }
        self.position += count;
        Ok(count)
    }
}
