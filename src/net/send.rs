//! A reply on its way out: bytes from memory and regions of segment files, in order. Regions pass through one buffer of the
//! pool (pread, then write); what the page cache holds is read on the spot, what it does not is read by a blocking
//! thread, so that a cold read never holds up the connections that share this worker.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncWrite, AsyncWriteExt};
use wire::{Encoded, Part};
use world::DiskFile;

use super::buffers::BufferPool;

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

/// Writes a whole reply. `regions` fill the external parts in order. An error leaves the stream unusable.
pub async fn send<W: AsyncWrite + Unpin + ?Sized>(
    stream: &mut W,
    reply: Encoded,
    regions: &[Region],
    pool: &BufferPool,
) -> io::Result<u64> {
    if let [Part::Bytes(bytes)] = reply.parts.as_slice() {
        stream.write_all(bytes).await?;
        return Ok(bytes.len() as u64);
    }
    let buffer = pool.take_send();
    let size = buffer.len();
    let mut out = Coalescer { stream, buffer, size, filled: 0, sent: 0 };
    let result = out.parts(&reply.parts, regions).await;
    let Coalescer { buffer, sent, .. } = out;
    pool.give_send(buffer);
    result.map(|()| sent)
}

/// Collects small parts and file bytes into one buffer, so that a reply of many partitions is not many writes.
struct Coalescer<'a, W: ?Sized> {
    stream: &'a mut W,
    /// Empty while a blocking thread has it.
    buffer: Vec<u8>,
    size: usize,
    filled: usize,
    sent: u64,
}

impl<W: AsyncWrite + Unpin + ?Sized> Coalescer<'_, W> {
    async fn parts(&mut self, parts: &[Part], regions: &[Region]) -> io::Result<()> {
        let mut regions = regions.iter();
        for part in parts {
            match part {
                Part::Bytes(bytes) => self.bytes(bytes).await?,
                Part::External { len } => match regions.next() {
                    Some(region) if region.len == *len => self.region(region).await?,
                    _ => return Err(io::Error::other("a reply announced file bytes that it does not have")),
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
        self.buffer[self.filled..self.filled + bytes.len()].copy_from_slice(bytes);
        self.filled += bytes.len();
        Ok(())
    }

    async fn region(&mut self, region: &Region) -> io::Result<()> {
        let (mut position, end) = (region.position, region.position + region.len as u64);
        while position < end {
            if self.filled == self.size {
                self.flush().await?;
            }
            let wanted = (end - position).min((self.size - self.filled) as u64) as usize;
            let read = self.read(region, position, wanted).await?;
            if read == 0 {
                // The length is promised already: only closing the connection keeps the peer from misreading.
                let text = format!("{} bytes at {position} are no longer in the file", end - position);
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
            }
            self.filled += read;
            position += read as u64;
        }
        Ok(())
    }

    async fn read(&mut self, region: &Region, position: u64, wanted: usize) -> io::Result<usize> {
        let target = &mut self.buffer[self.filled..self.filled + wanted];
        match region.file.read_cached_at(target, position) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            result => return result,
        }
        let (file, filled) = (region.file.clone(), self.filled);
        let mut buffer = std::mem::take(&mut self.buffer);
        let read = tokio::task::spawn_blocking(move || {
            let result = file.read_at(&mut buffer[filled..filled + wanted], position);
            (buffer, result)
        });
        let (buffer, result) = read.await.map_err(io::Error::other)?;
        self.buffer = buffer;
        result
    }

    async fn flush(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.buffer[..self.filled]).await?;
        self.sent += self.filled as u64;
        self.filled = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;
    use std::path::Path;

    use bytes::Bytes;
    use world::{Disk, MemDisk};

    use super::super::buffers::SEND_BYTES;
    use super::*;

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
        let sent = send(&mut out, reply, &regions, &BufferPool::default()).await.unwrap();
        let expected = [b"head", &content[10..10 + SEND_BYTES], &big, &content[5..12], b"tail"].concat();
        assert!(out == expected, "the bytes differ");
        assert_eq!(sent, expected.len() as u64);
    }

    #[tokio::test]
    async fn a_file_that_became_shorter_is_an_error() {
        let regions = [Region { file: file(b"short"), position: 0, len: 100 }];
        let reply = Encoded { parts: vec![Part::External { len: 100 }, Part::Bytes(Bytes::new())] };
        let error = send(&mut Vec::new(), reply, &regions, &BufferPool::default()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
