//! A ZooKeeper in memory for tests: one tree ([`FakeZooKeeper`]), any number of sessions on it ([`FakeSession`], which is a
//! [`Zk`]), and the accidents that tests need: lost connections before or after a write took effect, expiry by the server,
//! ephemeral nodes that outlive their session (ZOOKEEPER-2985). A test double and never part of a running broker.
//!
//! Deterministic: time stands where the test puts it, transaction and session ids count up from 1, events are delivered
//! before the call that caused them returns. ACLs are absent.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, Weak};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::Notify;
use zk_paths::ids::ZkVersion;

use super::events::EventHub;
use super::{
    Change, CreateMode, Ensemble, EventReceiver, How, MultiError, Node, Op, OpResult, SessionId, Stat, Watch, Zk,
    ZkError, ZkEvent, parent,
};
use crate::locks::lock;

/// The server side: one tree of nodes. Cheap to clone; clones share the tree.
#[derive(Debug, Clone)]
pub struct FakeZooKeeper {
    server: Arc<Mutex<Server>>,
}

/// One client session on a [`FakeZooKeeper`]; after an expiry it lives on under a new session id, as the real one does.
pub struct FakeSession {
    server: Arc<Mutex<Server>>,
    client: Arc<Mutex<ClientState>>,
    hub: Arc<EventHub>,
    reconnected: Notify,
}

/// When a connection breaks, seen from the write that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// The server never saw the write.
    BeforeTheWrite,
    /// The server did the write; only its answer is lost.
    AfterTheWrite,
}

#[derive(Debug)]
struct Server {
    nodes: BTreeMap<String, FakeNode>,
    last_zxid: i64,
    last_session: i64,
    now_ms: i64,
    clients: Vec<(Weak<Mutex<ClientState>>, Weak<EventHub>)>,
}

#[derive(Debug, Clone, Default)]
struct FakeNode {
    data: Option<Bytes>,
    stat: Stat,
    next_sequence: i32,
}

#[derive(Debug)]
struct ClientState {
    session: SessionId,
    connected: bool,
    expired_at_server: bool,
    lose: Option<Lost>,
    watches: BTreeMap<Watch, u32>,
}

type Fired = Vec<(String, Change)>;

impl Default for FakeZooKeeper {
    fn default() -> Self {
        FakeZooKeeper::new()
    }
}

impl FakeZooKeeper {
    /// An empty tree: only `/`.
    pub fn new() -> FakeZooKeeper {
        let nodes = BTreeMap::from([("/".to_string(), FakeNode::default())]);
        let server = Server { nodes, last_zxid: 0, last_session: 0, now_ms: 0, clients: Vec::new() };
        FakeZooKeeper { server: Arc::new(Mutex::new(server)) }
    }

    /// A new connected session.
    pub fn session(&self) -> Arc<FakeSession> {
        let mut server = lock(&self.server);
        let session = server.new_session();
        let client = Arc::new(Mutex::new(ClientState {
            session,
            connected: true,
            expired_at_server: false,
            lose: None,
            watches: BTreeMap::new(),
        }));
        let hub = Arc::new(EventHub::default());
        server.clients.push((Arc::downgrade(&client), Arc::downgrade(&hub)));
        Arc::new(FakeSession { server: self.server.clone(), client, hub, reconnected: Notify::new() })
    }

    /// Sets the time that stats of later writes carry, milliseconds since 1970.
    pub fn set_now_ms(&self, now_ms: i64) {
        lock(&self.server).now_ms = now_ms;
    }

    /// The data at a path: `None` without a node, `Some(None)` for null data.
    pub fn data(&self, path: &str) -> Option<Option<Bytes>> {
        lock(&self.server).nodes.get(path).map(|node| node.data.clone())
    }

    /// Every path, in order.
    pub fn paths(&self) -> Vec<String> {
        lock(&self.server).nodes.keys().cloned().collect()
    }

    /// Creates a node and its missing parents, whatever is there; existing data is replaced. For setting a scene.
    pub fn put(&self, path: &str, data: &str) {
        let mut server = lock(&self.server);
        let ends = path.char_indices().skip(1).filter(|(_, c)| *c == '/').map(|(at, _)| at);
        let mut fired = Fired::new();
        for ancestor in ends.filter_map(|at| path.get(..at)) {
            let op = Op::Create { path: ancestor.into(), data: None, mode: CreateMode::Persistent };
            let _ = server.apply(SessionId(0), &op, &mut fired);
        }
        let data = Bytes::copy_from_slice(data.as_bytes());
        let create = Op::Create { path: path.into(), data: Some(data.clone()), mode: CreateMode::Persistent };
        if server.apply(SessionId(0), &create, &mut fired).is_err() {
            let set = Op::Set { path: path.into(), data, expected: ZkVersion::ANY };
            let _ = server.apply(SessionId(0), &set, &mut fired);
        }
        server.deliver(&fired);
    }
}

#[async_trait]
impl Ensemble for FakeZooKeeper {
    async fn connect(&self, _settings: &config::broker::ZooKeeper) -> Result<Arc<dyn Zk>, String> {
        Ok(self.session())
    }
}

impl FakeSession {
    /// Breaks the connection. Operations wait until [`FakeSession::reconnect`]; changes meanwhile fire no event.
    pub fn disconnect(&self) {
        let was_connected = std::mem::replace(&mut lock(&self.client).connected, false);
        if was_connected {
            self.hub.send(&ZkEvent::Disconnected);
        }
    }

    /// Connects again: to the same session, or, if the server expired it meanwhile, with notice to a new one.
    pub fn reconnect(&self) {
        let (session, how) = {
            let mut server = lock(&self.server);
            let mut client = lock(&self.client);
            client.connected = true;
            let expired = std::mem::take(&mut client.expired_at_server);
            if expired {
                client.session = server.new_session();
            }
            (client.session, if expired { How::New } else { How::Reconnected })
        };
        if how == How::New {
            self.hub.send(&ZkEvent::Expired);
        }
        self.hub.send(&ZkEvent::SessionEstablished { session, how });
        self.hub.send(&ZkEvent::Resync);
        self.reconnected.notify_waiters();
    }

    /// The server ends the session and removes its ephemeral nodes. A connected client learns it at once and gets a new
    /// session; one that is away learns it on [`FakeSession::reconnect`].
    pub fn expire(&self) {
        let session = lock(&self.client).session;
        let mut server = lock(&self.server);
        let fired = server.remove_ephemerals_of(session);
        drop(server);
        self.expire_keeping_ephemerals();
        lock(&self.server).deliver(&fired);
    }

    /// As [`FakeSession::expire`], but the ephemeral nodes are still there when the new session begins (ZOOKEEPER-2985).
    pub fn expire_keeping_ephemerals(&self) {
        let was_connected = {
            let mut client = lock(&self.client);
            client.expired_at_server = true;
            client.connected
        };
        if was_connected {
            self.disconnect();
            self.reconnect();
        }
    }

    /// Breaks the connection under the next write (and brings it back): the caller gets [`ZkError::UnknownOutcome`].
    pub fn lose_next_write(&self, lost: Lost) {
        lock(&self.client).lose = Some(lost);
    }

    /// Waits for a connection to the session that was current at the call.
    async fn connected(&self, path: &str) -> Result<SessionId, ZkError> {
        let asked_in = lock(&self.client).session;
        loop {
            let reconnected = self.reconnected.notified();
            let (session, connected) = {
                let client = lock(&self.client);
                (client.session, client.connected)
            };
            if session != asked_in {
                return Err(ZkError::SessionExpired { path: path.into() });
            }
            if connected {
                return Ok(session);
            }
            reconnected.await;
        }
    }

    /// Does the writes as one transaction, unless an accident was ordered.
    async fn write(&self, ops: &[Op]) -> Result<Vec<OpResult>, MultiError> {
        let path = ops.first().map_or("/", Op::path);
        let session = self.connected(path).await?;
        let lost = lock(&self.client).lose.take();
        if lost == Some(Lost::BeforeTheWrite) {
            return Err(self.lose_connection(path));
        }
        let result = {
            let mut server = lock(&self.server);
            let (result, fired) = server.transaction(session, ops);
            server.deliver(&fired);
            result
        };
        match lost {
            Some(_) => Err(self.lose_connection(path)),
            None => result,
        }
    }

    fn lose_connection(&self, path: &str) -> MultiError {
        self.disconnect();
        self.reconnect();
        MultiError::Request(ZkError::UnknownOutcome { path: path.into() })
    }

    async fn write_one(&self, op: Op) -> Result<OpResult, ZkError> {
        let mut results = self.write(&[op]).await?;
        results.pop().ok_or_else(|| ZkError::Protocol { path: String::new(), reason: "no result".into() })
    }
}

impl fmt::Debug for FakeSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FakeSession({})", lock(&self.client).session)
    }
}

#[async_trait]
impl Zk for FakeSession {
    async fn close(&self) {
        let session = lock(&self.client).session;
        let mut server = lock(&self.server);
        let fired = server.remove_ephemerals_of(session);
        server.deliver(&fired);
        drop(server);
        self.hub.close();
    }

    async fn get(&self, path: &str) -> Result<Node, ZkError> {
        self.connected(path).await?;
        lock(&self.server).node(path)
    }

    async fn exists(&self, path: &str) -> Result<Option<Stat>, ZkError> {
        self.connected(path).await?;
        Ok(lock(&self.server).node(path).ok().map(|node| node.stat))
    }

    async fn children(&self, path: &str) -> Result<Vec<String>, ZkError> {
        self.connected(path).await?;
        lock(&self.server).children(path)
    }

    async fn get_many(&self, paths: &[String]) -> Result<Vec<Option<Node>>, ZkError> {
        self.connected(paths.first().map_or("/", |path| path)).await?;
        let server = lock(&self.server);
        Ok(paths.iter().map(|path| server.node(path).ok()).collect())
    }

    async fn create(&self, path: &str, data: Option<Bytes>, mode: CreateMode) -> Result<String, ZkError> {
        match self.write_one(Op::Create { path: path.into(), data, mode }).await? {
            OpResult::Created(path) => Ok(path),
            other => Err(ZkError::Protocol { path: path.into(), reason: format!("{other:?} for a create") }),
        }
    }

    async fn set(&self, path: &str, data: Bytes, expected: ZkVersion) -> Result<Stat, ZkError> {
        match self.write_one(Op::Set { path: path.into(), data, expected }).await? {
            OpResult::Set(stat) => Ok(stat),
            other => Err(ZkError::Protocol { path: path.into(), reason: format!("{other:?} for a set") }),
        }
    }

    async fn delete(&self, path: &str, expected: ZkVersion) -> Result<(), ZkError> {
        self.write_one(Op::Delete { path: path.into(), expected }).await.map(drop)
    }

    async fn multi(&self, ops: Vec<Op>) -> Result<Vec<OpResult>, MultiError> {
        self.write(&ops).await
    }

    async fn sync(&self, path: &str) -> Result<(), ZkError> {
        self.connected(path).await.map(drop)
    }

    async fn watch(&self, watch: Watch) -> Result<(), ZkError> {
        self.connected(watch.path()).await?;
        if !matches!(watch, Watch::Data(_)) {
            lock(&self.server).node(watch.path())?;
        }
        *lock(&self.client).watches.entry(watch).or_default() += 1;
        Ok(())
    }

    fn unwatch(&self, watch: &Watch) {
        let mut client = lock(&self.client);
        if let Some(count) = client.watches.get_mut(watch) {
            *count -= 1;
        }
        client.watches.retain(|_, count| *count > 0);
    }

    fn subscribe(&self) -> EventReceiver {
        self.hub.subscribe()
    }

    fn session_id(&self) -> SessionId {
        lock(&self.client).session
    }
}

impl Server {
    fn new_session(&mut self) -> SessionId {
        self.last_session += 1;
        SessionId(self.last_session)
    }

    fn node(&self, path: &str) -> Result<Node, ZkError> {
        let node = self.nodes.get(path).ok_or_else(|| ZkError::NoNode { path: path.into() })?;
        Ok(Node { data: node.data.clone().unwrap_or_default(), stat: node.stat })
    }

    fn children(&self, path: &str) -> Result<Vec<String>, ZkError> {
        self.node(path)?;
        let of_path = self.nodes.keys().filter(|child| parent(child) == Some(path));
        Ok(of_path.filter_map(|child| child.rsplit('/').next()).map(str::to_string).collect())
    }

    /// All of the operations or none; the changes to tell are empty when none was done.
    fn transaction(&mut self, session: SessionId, ops: &[Op]) -> (Result<Vec<OpResult>, MultiError>, Fired) {
        let before = (ops.len() > 1).then(|| self.nodes.clone());
        let mut fired = Fired::new();
        let mut results = Vec::with_capacity(ops.len());
        self.last_zxid += 1;
        for (index, op) in ops.iter().enumerate() {
            match self.apply(session, op, &mut fired) {
                Ok(result) => results.push(result),
                Err(error) => {
                    self.nodes = before.unwrap_or_else(|| std::mem::take(&mut self.nodes));
                    return (Err(MultiError::Op { index, error }), Fired::new());
                }
            }
        }
        (Ok(results), fired)
    }

    fn apply(&mut self, session: SessionId, op: &Op, fired: &mut Fired) -> Result<OpResult, ZkError> {
        match op {
            Op::Check { path, version } => self.existing(path, *version).map(|_| OpResult::Checked),
            Op::Create { path, data, mode } => self.create(session, path, data.clone(), *mode, fired),
            Op::Set { path, data, expected } => {
                let (zxid, now_ms) = (self.last_zxid, self.now_ms);
                let node = self.existing(path, *expected)?;
                let length = data.len() as i32;
                node.stat = Stat {
                    version: ZkVersion(node.stat.version.0 + 1),
                    mzxid: zxid,
                    mtime: now_ms,
                    data_length: length,
                    ..node.stat
                };
                node.data = Some(data.clone());
                fired.push((path.clone(), Change::Data));
                Ok(OpResult::Set(node.stat))
            }
            Op::Delete { path, expected } => self.delete(path, *expected, fired),
        }
    }

    fn existing(&mut self, path: &str, version: ZkVersion) -> Result<&mut FakeNode, ZkError> {
        let node = self.nodes.get_mut(path).ok_or_else(|| ZkError::NoNode { path: path.into() })?;
        if version != ZkVersion::ANY && version != node.stat.version {
            return Err(ZkError::BadVersion { path: path.into() });
        }
        Ok(node)
    }

    fn create(
        &mut self,
        session: SessionId,
        path: &str,
        data: Option<Bytes>,
        mode: CreateMode,
        fired: &mut Fired,
    ) -> Result<OpResult, ZkError> {
        let above = parent(path).ok_or_else(|| ZkError::NodeExists { path: path.into() })?.to_string();
        let zxid = self.last_zxid;
        let holder = self.nodes.get_mut(&above).ok_or_else(|| ZkError::NoNode { path: path.into() })?;
        if holder.stat.ephemeral_owner != SessionId(0) {
            return Err(ZkError::NoChildrenForEphemerals { path: path.into() });
        }
        let path = match mode {
            CreateMode::Persistent | CreateMode::Ephemeral => path.to_string(),
            CreateMode::PersistentSequential | CreateMode::EphemeralSequential => {
                format!("{path}{:010}", holder.next_sequence)
            }
        };
        if self.nodes.contains_key(&path) {
            return Err(ZkError::NodeExists { path });
        }
        self.count_child(&above, 1, zxid);
        let ephemeral = matches!(mode, CreateMode::Ephemeral | CreateMode::EphemeralSequential);
        let stat = Stat {
            czxid: zxid,
            mzxid: zxid,
            pzxid: zxid,
            ctime: self.now_ms,
            mtime: self.now_ms,
            ephemeral_owner: if ephemeral { session } else { SessionId(0) },
            data_length: data.as_ref().map_or(0, |data| data.len() as i32),
            ..Stat::default()
        };
        self.nodes.insert(path.clone(), FakeNode { data, stat, next_sequence: 0 });
        fired.push((path.clone(), Change::Created));
        fired.push((above, Change::Children));
        Ok(OpResult::Created(path))
    }

    fn delete(&mut self, path: &str, expected: ZkVersion, fired: &mut Fired) -> Result<OpResult, ZkError> {
        if self.existing(path, expected)?.stat.num_children > 0 {
            return Err(ZkError::NotEmpty { path: path.into() });
        }
        self.nodes.remove(path);
        fired.push((path.to_string(), Change::Deleted));
        if let Some(above) = parent(path) {
            self.count_child(above, -1, self.last_zxid);
            fired.push((above.to_string(), Change::Children));
        }
        Ok(OpResult::Deleted)
    }

    /// Notes a child that came (+1) or went (−1). The sequence counts creations only.
    fn count_child(&mut self, above: &str, by: i32, zxid: i64) {
        if let Some(holder) = self.nodes.get_mut(above) {
            holder.stat.num_children += by;
            holder.stat.cversion += 1;
            holder.stat.pzxid = zxid;
            holder.next_sequence += by.max(0);
        }
    }

    fn remove_ephemerals_of(&mut self, session: SessionId) -> Fired {
        self.last_zxid += 1;
        let owned = self.nodes.iter().filter(|(_, node)| node.stat.ephemeral_owner == session);
        let owned: Vec<String> = owned.map(|(path, _)| path.clone()).collect();
        let mut fired = Fired::new();
        for path in owned {
            let _ = self.delete(&path, ZkVersion::ANY, &mut fired);
        }
        fired
    }

    /// Tells every connected client what its watches cover.
    fn deliver(&mut self, fired: &Fired) {
        self.clients.retain(|(client, _)| client.strong_count() > 0);
        for (client, hub) in &self.clients {
            let (Some(client), Some(hub)) = (client.upgrade(), hub.upgrade()) else { continue };
            let client = lock(&client);
            for (path, change) in fired.iter().filter(|(path, change)| client.covers(path, *change)) {
                hub.send(&ZkEvent::Changed { path: path.clone(), change: *change });
            }
        }
    }
}

impl ClientState {
    fn covers(&self, path: &str, change: Change) -> bool {
        self.connected && self.watches.keys().any(|watch| watch.covers(path, change))
    }
}

#[cfg(test)]
mod tests;
