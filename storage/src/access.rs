//! Whether a read may wait for the disk. A runtime's worker may not: it asks the page cache alone, and sends a blocking
//! thread when that does not know.

use std::io;
use std::sync::Arc;

use world::DiskFile;

/// How far a read may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// To the disk.
    Disk,
    /// To the page cache; an error of the kind `WouldBlock` says that the disk would be needed.
    PageCache,
}

impl Access {
    /// Fills `buf`, as far as the file goes.
    pub(crate) fn read_at(self, file: &Arc<dyn DiskFile>, buf: &mut [u8], position: u64) -> io::Result<usize> {
        if self == Access::Disk {
            return file.read_at(buf, position);
        }
        // Fewer bytes are also what the end of the file gives; whoever asks knows how many there are.
        let read = file.read_cached_at(buf, position)?;
        if read < buf.len() { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(read) }
    }
}
