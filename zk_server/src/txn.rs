//! What is written down of every change: a transaction is a header and the changes it makes, all or none.
//!
//! ```text
//! zxid i64 | time_ms i64 | session_id i64 | changes i32 | change …      (numbers big-endian, strings as in jute)
//!   change: kind u8, then
//!     1 create        path, data, owner i64, parent_cversion i32, acl
//!     2 delete        path
//!     3 set data      path, data, version i32
//!     4 set acl       path, acl, version i32
//!     5 open session  timeout_ms i32, password 16 bytes
//!     6 close session (its ephemerals go with it)
//! ```
//!
//! A change says what is to be, not what was asked for: versions and sequence numbers are settled, so applying it
//! again after a restart decides nothing.

use std::sync::Arc;

use crate::acl::Acl;
use crate::jute::{Decoder, Encoder, JuteError};

/// Which transaction, when, and for which session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TxnHeader {
    /// Numbers transactions from 1 without gaps.
    pub zxid: i64,
    /// Wall-clock time that becomes ctime and mtime.
    pub time_ms: i64,
    /// Who asked.
    pub session_id: i64,
}

/// One settled change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A new znode.
    Create {
        /// Its final path.
        path: Box<str>,
        /// Null and empty differ.
        data: Option<Box<[u8]>>,
        /// Who may do what.
        acl: Arc<[Acl]>,
        /// The session of an ephemeral node, else 0.
        owner: i64,
        /// How many children the parent has had, this one included.
        parent_cversion: i32,
    },
    /// A znode goes.
    Delete {
        /// Its path.
        path: Box<str>,
    },
    /// New data.
    SetData {
        /// Its path.
        path: Box<str>,
        /// Null and empty differ.
        data: Option<Box<[u8]>>,
        /// The version it gets.
        version: i32,
    },
    /// A new ACL.
    SetAcl {
        /// Its path.
        path: Box<str>,
        /// Who may do what.
        acl: Arc<[Acl]>,
        /// The ACL version it gets.
        version: i32,
    },
    /// The header's session begins.
    OpenSession {
        /// As negotiated.
        timeout_ms: i32,
        /// What a client must show to continue it.
        password: [u8; 16],
    },
    /// The header's session ends, and its ephemerals with it.
    CloseSession,
}

/// Writes a transaction while its changes are being settled.
#[derive(Debug)]
pub struct TxnWriter {
    out: Encoder,
    changes: i32,
}

const HEADER_BYTES: usize = 24;

impl TxnWriter {
    /// Starts with no change.
    pub fn new(header: &TxnHeader) -> TxnWriter {
        let mut out = Encoder::new();
        out.long(header.zxid);
        out.long(header.time_ms);
        out.long(header.session_id);
        out.int(0);
        TxnWriter { out, changes: 0 }
    }

    /// Adds a change.
    pub fn push(&mut self, change: &Change) {
        self.changes += 1;
        change.encode(&mut self.out);
    }

    /// The bytes to log; `None` when nothing changes.
    pub fn finish(self) -> Option<Vec<u8>> {
        let mut bytes = self.out.into_bytes();
        bytes.get_mut(HEADER_BYTES..HEADER_BYTES + 4)?.copy_from_slice(&self.changes.to_be_bytes());
        (self.changes > 0).then_some(bytes)
    }
}

/// Reads a transaction back.
pub fn decode(bytes: &[u8]) -> Result<(TxnHeader, Vec<Change>), JuteError> {
    let mut input = Decoder::new(bytes);
    let header = TxnHeader { zxid: input.long()?, time_ms: input.long()?, session_id: input.long()? };
    let changes = input.vector(1, Change::decode)?;
    match input.remaining() {
        0 => Ok((header, changes)),
        left => Err(JuteError::Short { needed: 0, left }),
    }
}

impl Change {
    fn encode(&self, out: &mut Encoder) {
        match self {
            Change::Create { path, data, acl, owner, parent_cversion } => {
                out.fixed(&[1]);
                out.string(path);
                out.buffer(data.as_deref());
                out.long(*owner);
                out.int(*parent_cversion);
                Acl::encode_all(acl, out);
            }
            Change::Delete { path } => {
                out.fixed(&[2]);
                out.string(path);
            }
            Change::SetData { path, data, version } => {
                out.fixed(&[3]);
                out.string(path);
                out.buffer(data.as_deref());
                out.int(*version);
            }
            Change::SetAcl { path, acl, version } => {
                out.fixed(&[4]);
                out.string(path);
                Acl::encode_all(acl, out);
                out.int(*version);
            }
            Change::OpenSession { timeout_ms, password } => {
                out.fixed(&[5]);
                out.int(*timeout_ms);
                out.fixed(password);
            }
            Change::CloseSession => out.fixed(&[6]),
        }
    }

    fn decode(input: &mut Decoder<'_>) -> Result<Change, JuteError> {
        Ok(match input.fixed::<1>()? {
            [1] => Change::Create {
                path: input.string()?.into(),
                data: input.buffer()?.map(Box::from),
                owner: input.long()?,
                parent_cversion: input.int()?,
                acl: Acl::decode_all(input)?,
            },
            [2] => Change::Delete { path: input.string()?.into() },
            [3] => Change::SetData {
                path: input.string()?.into(),
                data: input.buffer()?.map(Box::from),
                version: input.int()?,
            },
            [4] => Change::SetAcl { path: input.string()?.into(), acl: Acl::decode_all(input)?, version: input.int()? },
            [5] => Change::OpenSession { timeout_ms: input.int()?, password: input.fixed()? },
            [6] => Change::CloseSession,
            [kind] => return Err(JuteError::Unknown(kind.into())),
        })
    }
}

/// Tries bytes as a logged transaction; nothing may panic. For fuzz targets.
pub fn fuzz(bytes: &[u8]) {
    let _ = decode(bytes);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn random_bytes_do_no_harm(mut bytes in prop::collection::vec(any::<u8>(), 0..100), kind in 1u8..7) {
            fuzz(&bytes);
            if let Some(at) = bytes.get_mut(24..29) {
                at.copy_from_slice(&[0, 0, 0, 1, kind]);
            }
            fuzz(&bytes);
        }
    }

    #[test]
    fn every_change_reads_back_and_no_prefix_does() {
        let changes = vec![
            Change::Create { path: "/a".into(), data: None, acl: Acl::open(), owner: 7, parent_cversion: 3 },
            Change::Delete { path: "/b".into() },
            Change::SetData { path: "/c".into(), data: Some(Box::from(&b""[..])), version: 9 },
            Change::SetAcl { path: "/d".into(), acl: Acl::read_only(), version: 1 },
            Change::OpenSession { timeout_ms: 6000, password: [3; 16] },
            Change::CloseSession,
        ];
        let header = TxnHeader { zxid: 1, time_ms: 2, session_id: 3 };
        let mut writer = TxnWriter::new(&header);
        changes.iter().for_each(|change| writer.push(change));
        let bytes = writer.finish().unwrap();
        assert_eq!(decode(&bytes), Ok((header, changes)));
        (0..bytes.len()).for_each(|len| assert!(decode(&bytes[..len]).is_err(), "{len} bytes"));
        assert_eq!(TxnWriter::new(&header).finish(), None);
    }
}
