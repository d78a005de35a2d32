//! ZooKeeper as the broker sees it: a session that lasts, reads, guarded writes, and events that all mean "read again".
//!
//! Nothing else in the broker talks to ZooKeeper. Three promises hold for every user of [`Zk`]:
//!
//! - A **read** is repeated over reconnects until it has an answer or the session is over.
//! - A **write** that was under way when a connection broke is reported as [`ZkError::UnknownOutcome`], never repeated
//!   here: its caller reads back. A write made while there is no connection waits for one.
//! - A **watch**, once registered, is armed again after every reconnect and in every new session; afterwards
//!   [`ZkEvent::Resync`] tells its users to read everything again, because events may have been missed in between.
//!
//! Paths are those of the cluster: the chroot of `zookeeper.connect` is put in front of them below this trait.
//!
//! In reading order: this file, `error`, `events`, `settings`; then how it is done: `session` asks, `supervisor` keeps the
//! session, `watches` keeps them set, `connection` and `jute` speak the protocol, `link` is what these share. On top of it:
//! [`registration`]. For tests: [`fake`]. Deliberately absent: ACLs other than open ones, and TLS and SASL towards
//! ZooKeeper (refused where the configuration is read).
//!
//! Why not the `zookeeper-client` crate: it sends every create of a multi as `create2`, which 3.4 refuses (so no broker
//! could register and no controller be elected there), cannot write null data, ends sessions by itself, and loses its
//! watches. What a broker needs of the protocol is small: `jute.rs` and `connection.rs`.

mod connection;
mod error;
mod events;
pub mod fake;
mod jute;
mod link;
pub mod registration;
mod session;
mod settings;
mod supervisor;
mod watches;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use zk_paths::ids::ZkVersion;

pub use error::{MultiError, ZkError};
pub use events::{Change, EventReceiver, How, ZkEvent};
pub use jute::fuzz;
pub use session::{ConnectError, ZkSession};
pub use settings::{BadConnectString, ZkSettings};

/// A ZooKeeper session that outlives connections and, with notice ([`ZkEvent::Expired`]), itself.
#[async_trait]
pub trait Zk: Send + Sync + fmt::Debug {
    /// Data and stat of a node; [`ZkError::NoNode`] when it is not there. Null data reads as empty.
    async fn get(&self, path: &str) -> Result<Node, ZkError>;
    /// Stat of a node, `None` when it is not there.
    async fn exists(&self, path: &str) -> Result<Option<Stat>, ZkError>;
    /// Names of the children, sorted.
    async fn children(&self, path: &str) -> Result<Vec<String>, ZkError>;
    /// Many nodes at once, in the order asked, `None` for those that are not there. Not one snapshot: each node is read
    /// at some moment of the call.
    async fn get_many(&self, paths: &[String]) -> Result<Vec<Option<Node>>, ZkError>;
    /// Creates a node and answers its path, which for sequential nodes ends in the ten digits that ZooKeeper chose.
    /// `None` is null data, which Kafka tells from empty data in some nodes (`/latest_producer_id_block`).
    async fn create(&self, path: &str, data: Option<Bytes>, mode: CreateMode) -> Result<String, ZkError>;
    /// Replaces the data if the version fits ([`ZkVersion::ANY`] fits always).
    async fn set(&self, path: &str, data: Bytes, expected: ZkVersion) -> Result<Stat, ZkError>;
    /// Deletes a node without children if the version fits ([`ZkVersion::ANY`] fits always).
    async fn delete(&self, path: &str, expected: ZkVersion) -> Result<(), ZkError>;
    /// Does all of the operations or none. The results are in the order of the operations.
    async fn multi(&self, ops: Vec<Op>) -> Result<Vec<OpResult>, MultiError>;
    /// Waits until the server we talk to has seen every write that was answered before this call.
    async fn sync(&self, path: &str) -> Result<(), ZkError>;

    /// Asks for [`ZkEvent::Changed`] about what the watch covers, from now until [`Zk::unwatch`]. Read after this
    /// returns, and no change is missed. Registering the same watch twice needs two [`Zk::unwatch`] to end it.
    async fn watch(&self, watch: Watch) -> Result<(), ZkError>;
    /// Takes back one registration. Events already queued may still be delivered.
    fn unwatch(&self, watch: &Watch);
    /// All events from now on. Every subscriber gets every event.
    fn subscribe(&self) -> EventReceiver;
    /// The session in use; changes only with [`ZkEvent::Expired`]. 0 before the first session.
    fn session_id(&self) -> SessionId;
    /// Ends the session, which removes its ephemeral nodes, and waits for that. Everything after it fails.
    async fn close(&self);
}

/// Where sessions come from: a real ensemble, or in a simulation a fake one.
#[async_trait]
pub trait Ensemble: Send + Sync + fmt::Debug {
    /// Opens a session as `zookeeper.*` says. The error is a sentence for the operator.
    async fn connect(&self, settings: &config::broker::ZooKeeper) -> Result<Arc<dyn Zk>, String>;
}

/// The ensemble that `zookeeper.connect` names.
#[derive(Debug, Clone, Copy)]
pub struct RealEnsemble;

#[async_trait]
impl Ensemble for RealEnsemble {
    async fn connect(&self, settings: &config::broker::ZooKeeper) -> Result<Arc<dyn Zk>, String> {
        let settings = ZkSettings::from_config(settings).map_err(|error| error.to_string())?;
        match ZkSession::connect(settings).await {
            Ok(session) => Ok(session),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// What a watch covers. A node need not exist to be watched, except where said.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Watch {
    /// Creation, deletion and data of one node.
    Data(String),
    /// The set of a node's children. The node must exist.
    Children(String),
    /// The set of a node's children and the data of each of them (`/brokers/topics`, `/brokers/ids`); nothing deeper.
    /// The node must exist. One recursive watch where the server knows them (3.6), else one watch per child.
    ChildrenAndData(String),
}

impl Watch {
    /// The path it hangs on.
    pub fn path(&self) -> &str {
        match self {
            Watch::Data(path) | Watch::Children(path) | Watch::ChildrenAndData(path) => path,
        }
    }

    /// Whether this change of this node is to be told.
    pub(crate) fn covers(&self, changed: &str, change: Change) -> bool {
        match (self, change) {
            (Watch::Data(path), Change::Created | Change::Deleted | Change::Data) => path == changed,
            (Watch::Children(path) | Watch::ChildrenAndData(path), Change::Children) => path == changed,
            (Watch::ChildrenAndData(path), Change::Data) => parent(changed) == Some(path),
            _ => false,
        }
    }
}

/// Tells sessions apart; what `ephemeralOwner` of an ephemeral node holds. 0 is no session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SessionId(pub i64);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// A node's data and stat, read together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Node {
    /// The data; null and empty are not told apart.
    pub data: Bytes,
    /// The stat that belongs to this data.
    pub stat: Stat,
}

/// What ZooKeeper knows of a node besides its data. Times are milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stat {
    /// Transaction that created the node; of a broker's znode, the broker epoch.
    pub czxid: i64,
    /// Transaction that last changed the data.
    pub mzxid: i64,
    /// When the node was created.
    pub ctime: i64,
    /// When the data was last changed.
    pub mtime: i64,
    /// Version of the data, counted from 0.
    pub version: ZkVersion,
    /// Version of the set of children.
    pub cversion: i32,
    /// Version of the ACL.
    pub aversion: i32,
    /// Session that owns an ephemeral node; 0 for others.
    pub ephemeral_owner: SessionId,
    /// Length of the data in bytes.
    pub data_length: i32,
    /// Number of children.
    pub num_children: i32,
    /// Transaction that last changed the set of children.
    pub pzxid: i64,
}

/// How long a node lives and who chooses the end of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreateMode {
    /// Stays until deleted.
    Persistent,
    /// Stays until deleted; ZooKeeper appends ten digits to the name.
    PersistentSequential,
    /// Goes with the session.
    Ephemeral,
    /// Goes with the session; ZooKeeper appends ten digits to the name.
    EphemeralSequential,
}

/// One operation of a [`Zk::multi`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Fails the multi unless the node exists with this data version.
    Check {
        /// The node.
        path: String,
        /// The version it must have.
        version: ZkVersion,
    },
    /// Creates a node.
    Create {
        /// Its path.
        path: String,
        /// Its data; `None` is null.
        data: Option<Bytes>,
        /// How long it lives.
        mode: CreateMode,
    },
    /// Replaces a node's data.
    Set {
        /// The node.
        path: String,
        /// The new data.
        data: Bytes,
        /// The version it must have.
        expected: ZkVersion,
    },
    /// Deletes a node.
    Delete {
        /// The node.
        path: String,
        /// The version it must have.
        expected: ZkVersion,
    },
}

impl Op {
    /// The path it works on.
    pub fn path(&self) -> &str {
        match self {
            Op::Check { path, .. } | Op::Create { path, .. } | Op::Set { path, .. } | Op::Delete { path, .. } => path,
        }
    }
}

/// What one operation of a successful [`Zk::multi`] gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpResult {
    /// The version fitted.
    Checked,
    /// The created node's path. Its stat is not told: servers disagree about it (3.8 answers −1 everywhere), so take a
    /// czxid from a [`Op::Set`] behind the create.
    Created(String),
    /// The node's stat after the change.
    Set(Stat),
    /// The node is gone.
    Deleted,
}

/// The parent of a path; `None` for `/`.
pub fn parent(path: &str) -> Option<&str> {
    match path.rfind('/')? {
        0 if path.len() > 1 => Some("/"),
        0 => None,
        slash => path.get(..slash),
    }
}
