//! Zstandard frames, one after the other as Java's reader takes them. Decoders are kept between batches: making one costs
//! as much as unpacking a small batch.

use std::io::{self, Read};

use bytes::{Buf, Bytes};
use zstd::stream::raw::{DParameter, Decoder, Operation};

use super::{invalid, spare::Spare};

/// The largest window that zstd accepts by default, 128 MiB; Java's reader has the same bound.
const MAX_WINDOW_LOG: u32 = 27;
/// A decoder keeps the largest window that it has seen. Those that saw more than the default level writes are not kept.
const KEPT_WINDOW: u64 = 2 << 20;

static DECODERS: Spare<Decoder<'static>> = Spare::new(4);

/// Unpacks frames.
pub(super) struct Reader {
    rest: Bytes,
    decoder: Option<Decoder<'static>>,
    /// Between frames, where the bytes may end.
    at_frame_end: bool,
    /// The decoder is worth keeping.
    is_small: bool,
}

impl Reader {
    pub(super) fn new(bytes: Bytes) -> io::Result<Reader> {
        let decoder = match DECODERS.take() {
            Some(decoder) => decoder,
            None => {
                let mut decoder = Decoder::new()?;
                decoder.set_parameter(DParameter::WindowLogMax(MAX_WINDOW_LOG))?;
                decoder
            }
        };
        let is_small = window(&bytes).is_some_and(|window| window <= KEPT_WINDOW);
        Ok(Reader { rest: bytes, decoder: Some(decoder), at_frame_end: false, is_small })
    }
}

impl Read for Reader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let Some(decoder) = &mut self.decoder else { return Ok(0) };
        loop {
            if self.at_frame_end {
                if self.rest.is_empty() {
                    return Ok(0);
                }
                self.is_small &= window(&self.rest).is_some_and(|window| window <= KEPT_WINDOW);
                decoder.reinit()?;
                self.at_frame_end = false;
            }
            let had_input = !self.rest.is_empty();
            let status = decoder.run_on_buffers(&self.rest, buf)?;
            self.rest.advance(status.bytes_read);
            self.at_frame_end = status.remaining == 0;
            if status.bytes_written > 0 || buf.is_empty() {
                return Ok(status.bytes_written);
            }
            if !had_input && !self.at_frame_end {
                return Err(invalid("zstd data cut short".into()));
            }
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let Some(mut decoder) = self.decoder.take().filter(|_| self.is_small) else { return };
        if decoder.reinit().is_ok() {
            DECODERS.give(decoder);
        }
    }
}

/// The window that the frame at the start of `bytes` asks for (RFC 8878, 3.1.1.1); `None` if it is no such frame.
fn window(bytes: &[u8]) -> Option<u64> {
    let descriptor = *bytes.strip_prefix(&[0x28, 0xb5, 0x2f, 0xfd])?.first()?;
    let is_single_segment = descriptor & 0x20 != 0;
    if !is_single_segment {
        let byte = *bytes.get(5)?;
        let base = 1u64 << (10 + (byte >> 3));
        return Some(base + (base >> 3) * u64::from(byte & 7));
    }
    // The content is the window; its size follows the dictionary id.
    let at = 5 + [0, 1, 2, 4].get(usize::from(descriptor & 3))?;
    let len = [1, 2, 4, 8].get(usize::from(descriptor >> 6))?;
    let size = bytes.get(at..at + len)?;
    Some(size.iter().rev().fold(0, |size, byte| size << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_read_from_frame_headers() {
        // Streams without a known size get the level's window; whole slices theirs.
        let streamed = zstd::stream::encode_all(&[7u8; 1000][..], 3).unwrap();
        assert_eq!(window(&streamed), Some(2 << 20));
        for len in [1, 255, 256, 70_000] {
            let whole = zstd::bulk::compress(&vec![7u8; len], 3).unwrap();
            // The two-byte form counts from 256.
            let expected = if (256..65_792).contains(&len) { len - 256 } else { len };
            assert_eq!(window(&whole), Some(expected as u64), "{len}");
        }
        assert_eq!(window(b"no frame at all"), None);
    }
}
