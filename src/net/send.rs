//! A reply on its way out: bytes from memory and regions of segment files, in order.
//!
//! There are two ways for bytes of a file ([`Way`]). Long regions go from the page cache to the socket by sendfile, which
//! copies nothing (a third of the processor time of pread and write, `docs/performance.md`); from which length on is
//! `klamm.sendfile.min.bytes`. Short ones, and all of them where the stream is no socket, pass through one buffer of the
//! pool. What the page cache does not hold is read by a blocking thread into that buffer, so that a cold read never holds
//! up the connections that share this worker.

use std::fmt;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use client::transport::Stream;
use rustix::io::Errno;
use tokio::io::{AsyncWrite, AsyncWriteExt, Interest};
use tokio::net::TcpStream;
use wire::{Encoded, Part};
use world::DiskFile;

use super::buffers::{BufferPool, SendBuffer};

/// Bytes of a region that are looked for in the page cache, and then sent, at once.
const SENDFILE_STEP: u64 = 256 * 1024;
/// Distance of the bytes by which presence in the page cache is judged. Pages come and go in runs: where both ends of such a
/// stretch are present the rest nearly always is, and else this worker waits for one read of the disk.
const PROBE_STRIDE: u64 = 64 * 1024;

/// Where a reply goes.
pub trait Out: AsyncWrite + Unpin {
    /// The socket that file bytes may be handed to directly, if there is one.
    fn socket(&self) -> Option<&TcpStream>;
}

impl Out for dyn Stream + '_ {
    fn socket(&self) -> Option<&TcpStream> {
        self.as_tcp()
    }
}

/// Consecutive bytes of a file.
#[derive(Debug, Clone)]
pub struct Region {
    /// The file; it stays readable even when its segment is deleted meanwhile.
    pub file: Arc<dyn DiskFile>,
    /// Where the bytes start.
    pub position: u64,
    /// How many there are.
    pub len: usize,
}

/// Bytes that are made while they are sent, because all of them together would take too much memory.
pub trait Piecewise: fmt::Debug + Send {
    /// How many there will be.
    fn promised(&self) -> usize;
    /// The next ones; none when there are no more. May take long: it is asked by a blocking thread.
    fn next_piece(&mut self) -> io::Result<Bytes>;
}

/// What an external part of a reply is.
#[derive(Debug)]
pub enum Content {
    /// Bytes of a file, as they are.
    Region(Region),
    /// Bytes that are yet to be made.
    Made(Box<dyn Piecewise>),
}

impl Content {
    fn len(&self) -> usize {
        match self {
            Content::Region(region) => region.len,
            Content::Made(made) => made.promised(),
        }
    }
}

/// Writes a whole reply. `contents` are the external parts, in order. An error leaves the stream unusable.
pub async fn send<W: Out + ?Sized>(
    stream: &mut W,
    reply: Encoded,
    contents: Vec<Content>,
    pool: &BufferPool,
) -> io::Result<u64> {
    if let [Part::Bytes(bytes)] = reply.parts.as_slice() {
        stream.write_all(bytes).await?;
        return Ok(bytes.len() as u64);
    }
    let buffer = pool.take_send();
    let size = buffer.bytes.len();
    let sendfile = pool.sendfile_min_bytes.map(|min_bytes| Sendfile { min_bytes });
    let mut out = Coalescer { stream, buffer, size, sendfile, filled: 0, sent: 0 };
    out.parts(&reply.parts, contents).await?;
    Ok(out.sent)
}

/// Collects small parts and file bytes into one buffer, so that a reply of many partitions is not many writes.
struct Coalescer<'a, W: ?Sized> {
    stream: &'a mut W,
    buffer: SendBuffer<'a>,
    size: usize,
    sendfile: Option<Sendfile>,
    filled: usize,
    sent: u64,
}

impl<W: Out + ?Sized> Coalescer<'_, W> {
    async fn parts(&mut self, parts: &[Part], contents: Vec<Content>) -> io::Result<()> {
        let mut contents = contents.into_iter();
        for part in parts {
            match part {
                Part::Bytes(bytes) => self.bytes(bytes).await?,
                Part::External { len } => match contents.next().filter(|content| content.len() == *len) {
                    Some(Content::Region(region)) => self.region(&region).await?,
                    Some(Content::Made(made)) => self.made(made).await?,
                    None => return Err(io::Error::other("a reply announced bytes that it does not have")),
                },
            }
        }
        self.flush().await
    }

    async fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.len() > self.size - self.filled {
            self.flush().await?;
        }
        if bytes.len() > self.size {
            self.sent += bytes.len() as u64;
            return self.stream.write_all(bytes).await;
        }
        self.buffer.bytes[self.filled..self.filled + bytes.len()].copy_from_slice(bytes);
        self.filled += bytes.len();
        Ok(())
    }

    async fn made(&mut self, mut made: Box<dyn Piecewise>) -> io::Result<()> {
        let mut left = made.promised();
        while left > 0 {
            let making = tokio::task::spawn_blocking(move || {
                let piece = made.next_piece();
                (made, piece)
            });
            let (rest, piece) = making.await.map_err(io::Error::other)?;
            let piece = piece?;
            // The length is promised already: only closing the connection keeps the peer from misreading.
            left = left.checked_sub(piece.len()).filter(|_| !piece.is_empty()).ok_or_else(|| {
                io::Error::new(io::ErrorKind::UnexpectedEof, format!("{left} bytes of a reply could not be made"))
            })?;
            made = rest;
            self.bytes(&piece).await?;
        }
        Ok(())
    }

    async fn region(&mut self, region: &Region) -> io::Result<()> {
        let (mut position, end) = (region.position, region.position + region.len as u64);
        while position < end {
            let handed_over = match self.sendfile {
                Some(sendfile) => sendfile.carry(self, region, position, end).await?,
                None => 0,
            };
            position += if handed_over > 0 { handed_over } else { Copying.carry(self, region, position, end).await? };
        }
        Ok(())
    }

    async fn read(&mut self, region: &Region, position: u64, wanted: usize) -> io::Result<usize> {
        let target = &mut self.buffer.bytes[self.filled..self.filled + wanted];
        match region.file.read_cached_at(target, position) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            result => return result,
        }
        let (file, filled) = (region.file.clone(), self.filled);
        let mut buffer = std::mem::take(&mut self.buffer.bytes);
        let read = tokio::task::spawn_blocking(move || {
            let result = file.read_at(&mut buffer[filled..filled + wanted], position);
            (buffer, result)
        });
        let (buffer, result) = read.await.map_err(io::Error::other)?;
        self.buffer.bytes = buffer;
        result
    }

    async fn flush(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.buffer.bytes[..self.filled]).await?;
        self.sent += self.filled as u64;
        self.filled = 0;
        Ok(())
    }
}

/// A way on which bytes of a file leave.
trait Way {
    /// Brings the next bytes of a region on their way, [position, end) being left of it. Answers how many; 0 means that
    /// these cannot go this way.
    async fn carry<W: Out + ?Sized>(
        &self,
        out: &mut Coalescer<'_, W>,
        region: &Region,
        position: u64,
        end: u64,
    ) -> io::Result<u64>;
}

/// From the page cache to the socket, without a copy.
#[derive(Debug, Clone, Copy)]
struct Sendfile {
    /// What is left of a region must be at least so long; less is cheaper to copy behind the bytes before it into one write.
    min_bytes: u64,
}

impl Way for Sendfile {
    async fn carry<W: Out + ?Sized>(
        &self,
        out: &mut Coalescer<'_, W>,
        region: &Region,
        position: u64,
        end: u64,
    ) -> io::Result<u64> {
        let len = (end - position).min(SENDFILE_STEP);
        if end - position < self.min_bytes || out.stream.socket().is_none() || !is_cached(region, position, len) {
            return Ok(0);
        }
        out.flush().await?;
        let Some(socket) = out.stream.socket() else { return Ok(0) };
        let sent = sendfile(socket, region, position, len).await?;
        out.sent += sent;
        Ok(sent)
    }
}

/// By pread behind the bytes that wait already, and with them by one write. Open to everything.
#[derive(Debug, Clone, Copy)]
struct Copying;

impl Way for Copying {
    async fn carry<W: Out + ?Sized>(
        &self,
        out: &mut Coalescer<'_, W>,
        region: &Region,
        position: u64,
        end: u64,
    ) -> io::Result<u64> {
        if out.filled == out.size {
            out.flush().await?;
        }
        let wanted = (end - position).min((out.size - out.filled) as u64) as usize;
        let read = out.read(region, position, wanted).await?;
        if read == 0 {
            // The length is promised already: only closing the connection keeps the peer from misreading.
            let text = format!("{} bytes at {position} are no longer in the file", end - position);
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
        }
        out.filled += read;
        Ok(read as u64)
    }
}

/// Whether the page cache seems to hold these bytes. A file that ends before them is not: the copying path says so.
fn is_cached(region: &Region, position: u64, len: u64) -> bool {
    let end = position + len;
    let places = (position..end).step_by(PROBE_STRIDE as usize).chain([end.saturating_sub(1)]);
    region.file.fd().is_some() && places.into_iter().all(|at| matches!(region.file.read_cached_at(&mut [0], at), Ok(1)))
}

/// Hands file bytes to the socket, as many as it takes; 0 when the file cannot do this.
async fn sendfile(socket: &TcpStream, region: &Region, position: u64, len: u64) -> io::Result<u64> {
    let attempt = || {
        let Some(file) = region.file.fd() else { return Ok(0) };
        match rustix::fs::sendfile(socket, file, Some(&mut position.clone()), len as usize) {
            Ok(sent) => Ok(sent as u64),
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => Ok(0),
            Err(errno) => Err(io::Error::from(errno)),
        }
    };
    socket.async_io(Interest::WRITABLE, attempt).await
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;
    use std::path::Path;

    use bytes::Bytes;
    use client::transport::{BindOptions, Network, TcpNetwork};
    use tokio::io::AsyncReadExt;
    use world::{Disk, MemDisk, RealDisk};

    use super::super::buffers::SEND_BYTES;
    use super::*;

    impl Out for Vec<u8> {
        fn socket(&self) -> Option<&TcpStream> {
            None
        }
    }

    fn file(bytes: &[u8]) -> Arc<dyn DiskFile> {
        let disk = MemDisk::default();
        disk.create_dir_all(Path::new("/d")).unwrap();
        let file = disk.create_new(Path::new("/d/segment")).unwrap();
        file.write_at(&mut [IoSlice::new(bytes)], 0).unwrap();
        file
    }

    #[tokio::test]
    async fn parts_and_regions_leave_in_order() {
        let content: Vec<u8> = (0..SEND_BYTES + 1000).map(|at| (at % 251) as u8).collect();
        let file = file(&content);
        let regions = [
            Region { file: file.clone(), position: 10, len: SEND_BYTES },
            Region { file: file.clone(), position: 0, len: 0 },
            Region { file, position: 5, len: 7 },
        ];
        let big = vec![9; SEND_BYTES + 1];
        let reply = Encoded {
            parts: vec![
                Part::Bytes(Bytes::from_static(b"head")),
                Part::External { len: SEND_BYTES },
                Part::External { len: 0 },
                Part::Bytes(Bytes::from(big.clone())),
                Part::External { len: 7 },
                Part::Bytes(Bytes::from_static(b"tail")),
            ],
        };
        let mut out = Vec::new();
        let sent = send(&mut out, reply, regions.map(Content::Region).into(), &BufferPool::default()).await.unwrap();
        let expected = [b"head", &content[10..10 + SEND_BYTES], &big, &content[5..12], b"tail"].concat();
        assert!(out == expected, "the bytes differ");
        assert_eq!(sent, expected.len() as u64);
    }

    #[tokio::test]
    async fn a_file_that_became_shorter_is_an_error() {
        let regions = [Region { file: file(b"short"), position: 0, len: 100 }];
        let reply = Encoded { parts: vec![Part::External { len: 100 }, Part::Bytes(Bytes::new())] };
        let error = send(&mut Vec::new(), reply, regions.map(Content::Region).into(), &BufferPool::default())
            .await
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    /// Promises `len` bytes and makes those in the pieces.
    #[derive(Debug)]
    struct Pieces {
        len: usize,
        pieces: Vec<&'static [u8]>,
    }

    impl Piecewise for Pieces {
        fn promised(&self) -> usize {
            self.len
        }

        fn next_piece(&mut self) -> io::Result<Bytes> {
            Ok(self.pieces.pop().map(Bytes::from_static).unwrap_or_default())
        }
    }

    #[tokio::test]
    async fn made_bytes_are_as_many_as_were_promised_or_the_connection_ends() {
        for (len, sent) in [(5, Some(&b"headabcdetail"[..])), (4, None), (6, None)] {
            let made = Content::Made(Box::new(Pieces { len, pieces: vec![b"de", b"abc"] }));
            let tail = Part::Bytes(Bytes::from_static(b"tail"));
            let reply = Encoded { parts: vec![Part::Bytes(Bytes::from_static(b"head")), Part::External { len }, tail] };
            let mut out = Vec::new();
            let result = send(&mut out, reply, vec![made], &BufferPool::default()).await;
            assert_eq!(result.is_ok().then_some(out.as_slice()), sent, "{len} promised");
        }
    }

    /// What the other end of a socket receives of a reply with one region of `announced` bytes, out of a real file.
    async fn through_a_socket(
        content: &[u8],
        announced: usize,
        sendfile_min_bytes: Option<u64>,
    ) -> (io::Result<u64>, Vec<u8>) {
        let dir = tempfile::tempdir().unwrap();
        let file = RealDisk.create_new(&dir.path().join("segment")).unwrap();
        file.write_at(&mut [IoSlice::new(content)], 0).unwrap();
        let acceptor = TcpNetwork.bind("127.0.0.1:0".parse().unwrap(), &BindOptions::default()).await.unwrap();
        let address = acceptor.local_addr().to_string();
        let mut receiver = TcpNetwork.connect(&address, std::time::Duration::from_secs(5)).await.unwrap();
        let (mut sender, _) = acceptor.accept().await.unwrap();
        let receiving = tokio::spawn(async move {
            let mut received = Vec::new();
            receiver.read_to_end(&mut received).await.unwrap();
            received
        });
        let head = Part::Bytes(Bytes::from_static(b"head"));
        let tail = Part::Bytes(Bytes::from_static(b"tail"));
        let reply = Encoded { parts: vec![head, Part::External { len: announced }, tail] };
        let regions = [Region { file, position: 3, len: announced }];
        let pool = BufferPool::new(sendfile_min_bytes);
        let sent = send(sender.as_mut(), reply, regions.map(Content::Region).into(), &pool).await;
        drop(sender);
        (sent, receiving.await.unwrap())
    }

    #[tokio::test]
    async fn long_regions_reach_a_socket_whole_and_in_order() {
        let content: Vec<u8> = (0..4_000_000u32).map(|at| (at % 251) as u8).collect();
        const FROM: u64 = 64 * 1024;
        let lengths = [1, FROM - 1, FROM, SENDFILE_STEP, SENDFILE_STEP + 1, 3_999_997];
        let ways = [Some(FROM), Some(0), None];
        for (len, way) in lengths.into_iter().flat_map(|len| ways.map(|way| (len, way))) {
            let (sent, received) = through_a_socket(&content, len as usize, way).await;
            let expected = [b"head", &content[3..3 + len as usize], b"tail"].concat();
            assert!(received == expected, "the bytes differ for {len}, {way:?}");
            assert_eq!(sent.unwrap(), expected.len() as u64);
        }
    }

    #[tokio::test]
    async fn a_long_region_of_a_file_that_became_shorter_is_an_error() {
        for way in [Some(0), None] {
            let (sent, received) = through_a_socket(&[1; 300_000], 400_000, way).await;
            assert_eq!(sent.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
            assert!(received.len() <= 4 + 299_997);
        }
    }
}
