//! The record data of a produced or fetched partition, never looked into here.

use bytes::Bytes;

/// Record batches as one field of a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Records {
    /// No record data at all, which is not the same as none of length 0.
    #[default]
    Null,
    /// Record data in memory; read from a frame, it shares the frame's memory.
    Bytes(Bytes),
    /// Record data that the connection moves itself, from a file: only to be written.
    External {
        /// Length in bytes.
        len: usize,
    },
}

impl Records {
    /// Record data of length 0: what a fetch answers when there is nothing to read.
    pub const fn empty() -> Records {
        Records::Bytes(Bytes::new())
    }

    /// Length in bytes; null has none.
    pub fn len(&self) -> usize {
        match self {
            Records::Null => 0,
            Records::Bytes(bytes) => bytes.len(),
            Records::External { len } => *len,
        }
    }

    /// Whether there is no record data.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes in memory; `None` for null and for data that lies elsewhere.
    pub fn bytes(&self) -> Option<&Bytes> {
        match self {
            Records::Bytes(bytes) => Some(bytes),
            Records::Null | Records::External { .. } => None,
        }
    }
}

impl From<Bytes> for Records {
    fn from(bytes: Bytes) -> Records {
        Records::Bytes(bytes)
    }
}
