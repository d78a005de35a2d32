//! Requests out of a byte stream: a 4-byte length, then that many bytes. Memory follows the bytes that have arrived,
//! never the length that was announced, and a length outside `socket.request.max.bytes` ends the connection.

use std::io;
use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::buffers::{BufferPool, grow};

/// What a connection keeps of its own; larger frames borrow from the pool.
const OWN_BYTES: usize = 8 * 1024;

/// Why no further request can come out of a connection.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The length is negative or above `socket.request.max.bytes`.
    #[error("a request of {length} bytes was announced, allowed are 0 to {max}")]
    Length {
        /// As announced.
        length: i32,
        /// The largest allowed.
        max: usize,
    },
    /// The stream ended within a request.
    #[error("the connection ended after {arrived} bytes of a request of {expected}")]
    Cut {
        /// Bytes that arrived, with the length field.
        arrived: usize,
        /// Bytes that were announced, with the length field; 4 while the length itself is incomplete.
        expected: usize,
    },
    /// The machine has no memory for the rest of the request.
    #[error("no memory for a request of {bytes} bytes")]
    Memory {
        /// Bytes that were announced.
        bytes: usize,
    },
    /// The stream failed.
    #[error("reading failed: {0}")]
    Read(#[from] io::Error),
}

/// One request.
#[derive(Debug)]
pub struct Frame {
    /// Its bytes, without the length.
    pub bytes: Bytes,
    /// Its share of `queued.max.request.bytes`, until it is answered.
    pub memory: Option<OwnedSemaphorePermit>,
}

/// `queued.max.request.bytes`: memory for large requests of all connections together. A request waits for its share
/// before it is read; small ones stay in their connection's own buffer and are not counted.
#[derive(Debug, Clone)]
pub struct RequestMemory(Arc<Semaphore>);

impl RequestMemory {
    /// So many bytes; must be at least `socket.request.max.bytes`, or the largest requests would wait for ever.
    pub fn new(bytes: u64) -> RequestMemory {
        let units = usize::try_from(bytes / MEMORY_UNIT as u64).unwrap_or(usize::MAX);
        RequestMemory(Arc::new(Semaphore::new(units.clamp(1, Semaphore::MAX_PERMITS))))
    }

    async fn take(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let units = u32::try_from(bytes / MEMORY_UNIT).unwrap_or(u32::MAX);
        self.0.clone().acquire_many_owned(units).await.ok()
    }
}

/// Grain of [`RequestMemory`].
const MEMORY_UNIT: usize = 1024;

/// Reads one connection's requests.
#[derive(Debug)]
pub struct FrameReader {
    own: BytesMut,
    /// A large frame, which has a buffer of its own, is arriving.
    in_large: bool,
    max_bytes: usize,
    pool: Arc<BufferPool>,
    memory: Option<RequestMemory>,
}

impl FrameReader {
    /// `max_bytes` is `socket.request.max.bytes`.
    pub fn new(max_bytes: usize, pool: Arc<BufferPool>, memory: Option<RequestMemory>) -> FrameReader {
        FrameReader { own: BytesMut::new(), in_large: false, max_bytes, pool, memory }
    }

    /// Whether a request has begun to arrive and is not complete.
    pub fn is_within_a_request(&self) -> bool {
        self.in_large || !self.own.is_empty()
    }

    /// The next request without its length; `None` when the peer closed between two requests. Not cancel safe for
    /// large frames: a caller that stops waiting must drop the connection.
    pub async fn next<R: AsyncRead + Unpin + ?Sized>(&mut self, stream: &mut R) -> Result<Option<Frame>, FrameError> {
        while self.own.len() < 4 {
            if !self.fill(stream, 4).await? {
                return if self.own.is_empty() { Ok(None) } else { Err(self.cut(4)) };
            }
        }
        let length = (&self.own[..4]).get_i32();
        let frame_bytes = usize::try_from(length).ok().filter(|bytes| *bytes <= self.max_bytes);
        let frame_bytes = frame_bytes.ok_or(FrameError::Length { length, max: self.max_bytes })?;
        if 4 + frame_bytes <= OWN_BYTES || 4 + frame_bytes <= self.own.len() {
            let bytes = self.small(stream, frame_bytes).await?;
            return Ok(Some(Frame { bytes, memory: None }));
        }
        let memory = match &self.memory {
            Some(memory) => memory.take(frame_bytes).await,
            None => None,
        };
        self.in_large = true;
        let bytes = self.large(stream, frame_bytes).await?;
        self.in_large = false;
        Ok(Some(Frame { bytes, memory }))
    }

    async fn small<R: AsyncRead + Unpin + ?Sized>(
        &mut self,
        stream: &mut R,
        frame_bytes: usize,
    ) -> Result<Bytes, FrameError> {
        while self.own.len() < 4 + frame_bytes {
            if !self.fill(stream, 4 + frame_bytes).await? {
                return Err(self.cut(4 + frame_bytes));
            }
        }
        self.own.advance(4);
        Ok(self.own.split_to(frame_bytes).freeze())
    }

    async fn large<R: AsyncRead + Unpin + ?Sized>(
        &mut self,
        stream: &mut R,
        frame_bytes: usize,
    ) -> Result<Bytes, FrameError> {
        let mut frame = self.pool.take_frame(frame_bytes);
        frame.extend_from_slice(&self.own[4..]);
        self.own.clear();
        while frame.len() < frame_bytes {
            if !grow(&mut frame, frame_bytes) {
                return Err(FrameError::Memory { bytes: frame_bytes });
            }
            let left = frame_bytes - frame.len();
            if stream.read_buf(&mut (&mut frame).limit(left)).await? == 0 {
                return Err(FrameError::Cut { arrived: 4 + frame.len(), expected: 4 + frame_bytes });
            }
        }
        Ok(frame.freeze())
    }

    /// Reads once into the connection's own buffer, which is to hold `wanted` bytes; `false` at the end of the stream.
    async fn fill<R: AsyncRead + Unpin + ?Sized>(&mut self, stream: &mut R, wanted: usize) -> io::Result<bool> {
        if self.own.capacity() < wanted.max(self.own.len() + 1) || self.own.is_empty() {
            self.own.reserve(OWN_BYTES - self.own.len().min(OWN_BYTES - 1));
        }
        Ok(stream.read_buf(&mut self.own).await? > 0)
    }

    fn cut(&self, expected: usize) -> FrameError {
        FrameError::Cut { arrived: self.own.len(), expected }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    async fn frames(chunks: &[&[u8]], max: usize) -> (Vec<usize>, Option<FrameError>) {
        let (mut ours, mut theirs) = tokio::io::duplex(1 << 16);
        let chunks: Vec<Vec<u8>> = chunks.iter().map(|chunk| chunk.to_vec()).collect();
        let writer = tokio::spawn(async move {
            for chunk in chunks {
                // A reader that has given up closes its end: what is left unsent does not matter.
                let _ = theirs.write_all(&chunk).await;
            }
        });
        let mut reader = FrameReader::new(max, Arc::default(), None);
        let mut lengths = Vec::new();
        let error = loop {
            match reader.next(&mut ours).await {
                Ok(Some(Frame { bytes: frame, .. })) => {
                    assert!(frame.iter().enumerate().all(|(at, byte)| *byte == at as u8), "bytes in order");
                    lengths.push(frame.len());
                }
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        drop(ours);
        writer.await.unwrap();
        (lengths, error)
    }

    fn frame(length: usize) -> Vec<u8> {
        let mut bytes = (length as i32).to_be_bytes().to_vec();
        bytes.extend((0..length).map(|at| at as u8));
        bytes
    }

    #[tokio::test]
    async fn frames_come_out_whatever_the_chunks() {
        let lengths = [0, 1, 4, 5000, 8188, 8189, 70_000, 3, 200_000, 12];
        let stream: Vec<u8> = lengths.iter().flat_map(|length| frame(*length)).collect();
        for chunk_bytes in [1, 3, 1000, 9000, stream.len()] {
            let chunks: Vec<&[u8]> = stream.chunks(chunk_bytes).collect();
            let (read, error) = frames(&chunks, 1 << 20).await;
            assert_eq!(read, lengths, "chunks of {chunk_bytes}");
            assert!(error.is_none());
        }
    }

    #[tokio::test]
    async fn a_length_outside_the_bounds_ends_the_connection() {
        for length in [-1, i32::MIN, 1001, i32::MAX] {
            let (read, error) = frames(&[&frame(10), &length.to_be_bytes()], 1000).await;
            assert_eq!(read, [10]);
            assert!(matches!(error, Some(FrameError::Length { length: announced, max: 1000 }) if announced == length));
        }
    }

    #[tokio::test]
    async fn an_end_within_a_request_is_told_from_one_between_two() {
        for cut in [1, 4, 5, 100, 9000] {
            let (read, error) = frames(&[&frame(20_000)[..cut]], 1 << 20).await;
            assert!(read.is_empty());
            assert!(matches!(error, Some(FrameError::Cut { arrived, .. }) if arrived == cut), "{cut}: {error:?}");
        }
    }

    #[tokio::test]
    async fn large_requests_share_the_memory_that_is_set_aside() {
        let memory = RequestMemory::new(100 << 10);
        let stream = [frame(60_000), frame(60_000)].concat();
        let mut first = FrameReader::new(1 << 20, Arc::default(), Some(memory.clone()));
        let mut second = FrameReader::new(1 << 20, Arc::default(), Some(memory));
        let held = first.next(&mut &stream[..]).await.unwrap();
        let mut bytes = &stream[..];
        let mut waiting = Box::pin(second.next(&mut bytes));
        assert!(futures_util::poll!(&mut waiting).is_pending());
        drop(held);
        assert!(waiting.await.unwrap().is_some());
    }
}
