//! What can go wrong with one ZooKeeper operation, each with the path it was tried on.
//!
//! The distinction that matters most: [`ZkError::UnknownOutcome`] says that a write may or may not have happened. Whoever
//! gets it reads back before deciding; nobody may treat it as a failure or as a success.

use thiserror::Error;

/// Why a ZooKeeper operation gave no result.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ZkError {
    /// There is no such node; for a create, no such parent.
    #[error("{path}: no such znode (or no parent)")]
    NoNode {
        /// The path that was asked for.
        path: String,
    },
    /// A create found the node there.
    #[error("{path}: the znode exists already")]
    NodeExists {
        /// The path that was to be created.
        path: String,
    },
    /// The data version is not the expected one.
    #[error("{path}: the znode's data version is not the expected one")]
    BadVersion {
        /// The path whose version was compared.
        path: String,
    },
    /// A delete of a node that has children.
    #[error("{path}: the znode has children")]
    NotEmpty {
        /// The path that was to be deleted.
        path: String,
    },
    /// A create below an ephemeral node.
    #[error("{path}: an ephemeral znode cannot have children")]
    NoChildrenForEphemerals {
        /// The path that was to be created.
        path: String,
    },
    /// The session may not do this.
    #[error("{path}: not allowed by the znode's ACL")]
    NoAuth {
        /// The path that was asked for.
        path: String,
    },
    /// The server said that the session is over. Ephemeral nodes are gone or about to go.
    #[error("{path}: the ZooKeeper session has expired")]
    SessionExpired {
        /// The path that was asked for.
        path: String,
    },
    /// The connection broke after the write was sent and before its answer came: it may have been done. Read back.
    #[error("{path}: the connection broke before the answer came; the write may or may not have been done")]
    UnknownOutcome {
        /// The path that was to be written; of a multi, its first operation's.
        path: String,
    },
    /// The server does not know this operation (it is older than what we asked).
    #[error("{path}: the ZooKeeper server does not implement this operation")]
    Unimplemented {
        /// The path that was asked for.
        path: String,
    },
    /// The client was closed.
    #[error("{path}: the ZooKeeper client is closed")]
    Closed {
        /// The path that was asked for.
        path: String,
    },
    /// The request or its answer is malformed or larger than the client's limit.
    #[error("{path}: {reason}")]
    Protocol {
        /// The path that was asked for.
        path: String,
        /// What does not fit.
        reason: String,
    },
    /// Any other error code of the server.
    #[error("{path}: ZooKeeper answered error code {code}")]
    Other {
        /// The path that was asked for.
        path: String,
        /// The code, as in ZooKeeper's `KeeperException.Code`.
        code: i32,
    },
}

/// Why a multi changed nothing (or, for [`ZkError::UnknownOutcome`], perhaps everything).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MultiError {
    /// The server refused the whole because of this operation. Nothing was done.
    #[error("operation {index} of a multi failed: {error}")]
    Op {
        /// Position of the refused operation.
        index: usize,
        /// Why it was refused.
        error: ZkError,
    },
    /// The request as a whole had no result.
    #[error(transparent)]
    Request(#[from] ZkError),
}

impl MultiError {
    /// The error itself, whichever operation caused it.
    pub fn error(&self) -> &ZkError {
        match self {
            MultiError::Op { error, .. } | MultiError::Request(error) => error,
        }
    }
}

impl From<MultiError> for ZkError {
    fn from(error: MultiError) -> ZkError {
        match error {
            MultiError::Op { error, .. } | MultiError::Request(error) => error,
        }
    }
}
