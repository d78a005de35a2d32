//! The server without sockets, files and clocks: one [`Event`] in, what should happen as [`Effect`]s out.
//!
//! Effects are to be carried out in order, and none behind an [`Effect::Log`] before that transaction is durable: the
//! state is ahead of the disk, what the world sees is not. A watch event therefore stands before the answer that shows
//! its change, and answers of one connection stand in the order of its requests. When a transaction cannot be made
//! durable, the whole core is to be thrown away.
//!
//! Failed writes take no transaction number (ZooKeeper logs them as error transactions); so the log has no gaps.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::acl::{self, Acl, Id, perms};
use crate::jute::{Decoder, Encoder};
use crate::proto::{
    self, BadRequest, ConnectRequest, Create, ErrorCode, EventKind, Life, PING_XID, Read, Request, SetWatches, Write,
    Written,
};
use crate::state::State;
use crate::tree::{self, Node, Undo, split};
use crate::txn::{Change, TxnHeader, TxnWriter};
use crate::watches::Watches;

/// Names a connection; never used twice in one life of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

/// The time, as the core is told it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// For ctime and mtime: milliseconds since 1970.
    pub wall_ms: i64,
    /// For session timeouts.
    pub monotonic: Duration,
}

/// What can happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A connection sent its first frame.
    Connect {
        /// Its name from now on.
        conn: ConnId,
        /// Its other end.
        peer: SocketAddr,
        /// What it asks for.
        request: ConnectRequest,
        /// 16 random bytes, used if this makes a session.
        new_password: [u8; 16],
    },
    /// It sent another one.
    Request {
        /// Which.
        conn: ConnId,
        /// The frame without its length.
        frame: Bytes,
    },
    /// It is gone.
    Disconnect {
        /// Which.
        conn: ConnId,
    },
    /// Time went by.
    Tick,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Make this transaction durable before anything that follows.
    Log(Vec<u8>),
    /// Send the answer to a request.
    Reply(ConnId, Vec<u8>),
    /// Send a watch event.
    Notify(ConnId, Bytes),
    /// Send what is queued, then close.
    Close(ConnId),
    /// Close at once and say why: the connection takes more memory than there is for it.
    Evict(ConnId, Evicted),
}

/// A connection that had to go because all watches together took more than [`Limits::max_watch_bytes`], and its were
/// the most.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "watches take more than {limit} bytes, and the {watches} of {peer} (session {session_id:#x}) are the most of them"
)]
pub struct Evicted {
    /// Its other end.
    pub peer: SocketAddr,
    /// Its session, which lives on.
    pub session_id: i64,
    /// How many watches it had.
    pub watches: usize,
    /// The bound that was passed.
    pub limit: usize,
}

/// What of the configuration the core decides by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Least session timeout.
    pub min_session_timeout_ms: i32,
    /// Greatest session timeout.
    pub max_session_timeout_ms: i32,
    /// How much memory all watches together may take, in bytes. Past it the connection with the most is closed.
    pub max_watch_bytes: usize,
    /// Whether nodes may have a time to live (`zookeeper.extendedTypesEnabled`).
    pub extended_types: bool,
    /// What becomes of containers and of nodes with a time to live.
    pub reaping: Reaping,
}

/// How nodes go that nobody deletes (`ContainerManager`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reaping {
    /// How often is looked (`znode.container.checkIntervalMs`).
    pub interval: Duration,
    /// How many may go per look; Apache's server spreads as many over a minute (`znode.container.maxPerMinute`).
    pub most: usize,
    /// Containers that never had a child go after so long; `None` keeps them
    /// (`znode.container.maxNeverUsedIntervalMs`).
    pub never_used: Option<Duration>,
}

impl Default for Reaping {
    fn default() -> Reaping {
        Reaping { interval: Duration::from_secs(60), most: 10_000, never_used: None }
    }
}

/// The largest answer to a multiRead in bytes; more is MARSHALLINGERROR. Clients take 1 MiB unless told otherwise.
pub const MAX_MULTI_READ_BYTES: usize = 32 << 20;

/// A connection with a session.
#[derive(Debug, Clone)]
pub struct Conn {
    /// Its other end.
    pub peer: SocketAddr,
    /// Its session.
    pub session_id: i64,
    identities: Arc<[Id]>,
}

/// The server's state and rules.
#[derive(Debug)]
pub struct Core {
    limits: Limits,
    state: State,
    watches: Watches,
    conns: HashMap<ConnId, Conn>,
    next_reaping: Duration,
}

/// Something a watch may announce.
struct Happening {
    kind: EventKind,
    path: Box<str>,
    acl: Arc<[Acl]>,
}

impl Happening {
    fn new(kind: EventKind, path: &str, node: &Node) -> Happening {
        let path = if path.is_empty() { "/" } else { path };
        Happening { kind, path: path.into(), acl: node.acl.clone() }
    }
}

/// Who asks.
#[derive(Clone)]
struct Asker {
    conn: ConnId,
    session_id: i64,
    identities: Arc<[Id]>,
}

impl Core {
    /// Starts with what was recovered and no connection.
    pub fn new(state: State, limits: Limits) -> Core {
        Core {
            limits,
            state,
            watches: Watches::default(),
            conns: HashMap::new(),
            next_reaping: limits.reaping.interval,
        }
    }

    /// The durable part.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The same, for taking a snapshot of it, which changes nothing that anybody sees.
    pub fn state_mut(&mut self) -> &mut State {
        &mut self.state
    }

    /// Who watches what.
    pub fn watches(&self) -> &Watches {
        &self.watches
    }

    /// The connections that have a session.
    pub fn conns(&self) -> &HashMap<ConnId, Conn> {
        &self.conns
    }

    /// Lets one event happen.
    pub fn handle(&mut self, event: Event, now: Now, out: &mut Vec<Effect>) {
        match event {
            Event::Connect { conn, peer, request, new_password } => {
                self.connect(conn, peer, &request, new_password, now, out);
            }
            Event::Request { conn, frame } => self.request(conn, &frame, now, out),
            Event::Disconnect { conn } => self.forget(conn),
            Event::Tick => {
                for session_id in self.state.sessions.expired(now.monotonic) {
                    let conn = self.close_session(session_id, now, out);
                    out.extend(conn.map(Effect::Close));
                }
                if now.monotonic >= self.next_reaping {
                    self.next_reaping = now.monotonic + self.limits.reaping.interval;
                    self.reap(now, out);
                }
            }
        }
    }

    fn connect(
        &mut self,
        conn: ConnId,
        peer: SocketAddr,
        request: &ConnectRequest,
        new_password: [u8; 16],
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        if request.last_zxid_seen > self.state.zxid {
            return out.push(Effect::Close(conn));
        }
        let timeout_ms =
            request.timeout_ms.min(self.limits.max_session_timeout_ms).max(self.limits.min_session_timeout_ms);
        let known = self.state.sessions.get(request.session_id).map(|session| session.password);
        let (session_id, password) = match known {
            _ if request.session_id == 0 => (self.open_session(timeout_ms, new_password, now, out), new_password),
            Some(password) if password[..] == request.password[..] => (request.session_id, password),
            _ => {
                out.push(Effect::Reply(conn, proto::connect_response(0, 0, &[0; 16], request.knows_read_only)));
                return out.push(Effect::Close(conn));
            }
        };
        if let Some(before) = self.state.sessions.attach(session_id, conn, timeout_ms, now.monotonic) {
            self.forget(before);
            out.push(Effect::Close(before));
        }
        let identities = [Id::of_address(peer.ip())].into();
        self.conns.insert(conn, Conn { peer, session_id, identities });
        let response = proto::connect_response(timeout_ms, session_id, &password, request.knows_read_only);
        out.push(Effect::Reply(conn, response));
    }

    fn open_session(&mut self, timeout_ms: i32, password: [u8; 16], now: Now, out: &mut Vec<Effect>) -> i64 {
        let session_id = self.state.sessions.next_id();
        let mut txn = TxnWriter::new(&self.header(session_id, now));
        txn.push(&Change::OpenSession { timeout_ms, password });
        self.state.sessions.add(session_id, timeout_ms, password, now.monotonic);
        self.log(txn, out);
        session_id
    }

    /// Ends a session, by its own wish or by its silence. Answers the connection that is to be closed with it.
    fn close_session(&mut self, session_id: i64, now: Now, out: &mut Vec<Effect>) -> Option<ConnId> {
        let header = self.header(session_id, now);
        let mut txn = TxnWriter::new(&header);
        txn.push(&Change::CloseSession);
        let mut happened = Vec::new();
        for deleted in self.state.tree.delete_ephemerals(session_id, header.zxid) {
            let parent = split(&deleted.path).map_or("/", |(parent, _)| if parent.is_empty() { "/" } else { parent });
            let parent = Happening { kind: EventKind::ChildrenChanged, path: parent.into(), acl: deleted.parent_acl };
            happened.push(Happening { kind: EventKind::Deleted, path: deleted.path, acl: deleted.acl });
            happened.push(parent);
        }
        let conn = self.state.sessions.remove(session_id).and_then(|session| session.conn);
        self.log(txn, out);
        self.announce(happened, out);
        if let Some(conn) = conn {
            self.forget(conn);
        }
        conn
    }

    fn reap(&mut self, now: Now, out: &mut Vec<Effect>) {
        let Reaping { most, never_used, .. } = self.limits.reaping;
        let spent: Vec<Box<str>> = self.state.tree.spent(now.wall_ms, never_used).take(most).map(Box::from).collect();
        for path in spent {
            let header = self.header(0, now);
            let change = Change::Delete { path: path.clone() };
            let mut txn = TxnWriter::new(&header);
            txn.push(&change);
            let gone = self.state.tree.node(&path).map(|node| Happening::new(EventKind::Deleted, &path, node));
            if self.state.tree.apply(&header, change).is_ok() {
                self.log(txn, out);
                let happened = gone.into_iter().chain(self.children_changed(&path)).collect();
                self.announce(happened, out);
            }
        }
    }

    fn children_changed(&self, path: &str) -> Option<Happening> {
        let (parent, _) = split(path)?;
        self.state.tree.node(parent).map(|node| Happening::new(EventKind::ChildrenChanged, parent, node))
    }

    /// A connection has no session any more; the session may live on.
    fn forget(&mut self, conn: ConnId) {
        self.watches.remove_connection(conn);
        if let Some(gone) = self.conns.remove(&conn) {
            self.state.sessions.detach(gone.session_id, conn);
        }
    }

    fn request(&mut self, conn: ConnId, frame: &[u8], now: Now, out: &mut Vec<Effect>) {
        let Some(known) = self.conns.get(&conn) else { return };
        let asker = Asker { conn, session_id: known.session_id, identities: known.identities.clone() };
        self.state.sessions.touch(asker.session_id, now.monotonic);
        let Ok((header, mut body)) = proto::decode_header(frame) else {
            self.forget(conn);
            return out.push(Effect::Close(conn));
        };
        match proto::decode_body(header.op, &mut body) {
            Ok(Request::CloseSession) => {
                self.close_session(asker.session_id, now, out);
                out.push(Effect::Reply(conn, proto::reply(header.xid, self.state.zxid, None).into_frame()));
                out.push(Effect::Close(conn));
            }
            Ok(request) => {
                let (reply, and_close) = self.answer(&asker, header.xid, request, now, out);
                self.bound_watches(out);
                out.push(Effect::Reply(conn, reply));
                if and_close {
                    self.forget(conn);
                    out.push(Effect::Close(conn));
                }
            }
            Err(BadRequest::Body(_)) => self.reply_error(conn, header.xid, ErrorCode::MarshallingError, out),
            Err(BadRequest::UnknownOp(_)) => {
                self.reply_error(conn, header.xid, ErrorCode::Unimplemented, out);
                self.forget(conn);
                out.push(Effect::Close(conn));
            }
        }
    }

    /// Takes watches away until they fit, always from whoever has the most: one client cannot spend what others need.
    fn bound_watches(&mut self, out: &mut Vec<Effect>) {
        let limit = self.limits.max_watch_bytes;
        while self.watches.bytes() > limit {
            let Some((conn, watches)) = self.watches.largest_holder() else { return };
            if let Some(Conn { peer, session_id, .. }) = self.conns.get(&conn) {
                out.push(Effect::Evict(conn, Evicted { peer: *peer, session_id: *session_id, watches, limit }));
            }
            self.watches.remove_connection(conn);
            self.forget(conn);
        }
    }

    fn reply_error(&self, conn: ConnId, xid: i32, error: ErrorCode, out: &mut Vec<Effect>) {
        out.push(Effect::Reply(conn, proto::reply(xid, self.state.zxid, Some(error)).into_frame()));
    }

    /// The answer to a request, and whether the connection is to be closed behind it.
    fn answer(
        &mut self,
        asker: &Asker,
        xid: i32,
        request: Request<'_>,
        now: Now,
        out: &mut Vec<Effect>,
    ) -> (Vec<u8>, bool) {
        /// Where the zxid stands in a reply's frame: behind the length and the xid.
        const ZXID_AT: usize = 8;
        let failed_auth = |result: &Result<(), ErrorCode>| *result == Err(ErrorCode::AuthFailed);
        let xid = if request == Request::Ping { PING_XID } else { xid };
        let mut body = proto::reply(xid, 0, None);
        let result = self.respond(asker, request, now, &mut body, out);
        let and_close = failed_auth(&result);
        let mut reply = match result {
            Ok(()) => body,
            Err(error) => proto::reply(xid, 0, Some(error)),
        };
        reply.patch_long(ZXID_AT, self.state.zxid);
        (reply.into_frame(), and_close)
    }

    fn respond(
        &mut self,
        asker: &Asker,
        request: Request<'_>,
        now: Now,
        body: &mut Encoder,
        out: &mut Vec<Effect>,
    ) -> Result<(), ErrorCode> {
        match request {
            Request::Write(write) => {
                let written = self.write(asker, std::slice::from_ref(&write), now, out).map_err(|(_, error)| error)?;
                written.iter().for_each(|written| written.encode(body));
            }
            Request::Multi(writes) => {
                let result = self.write(asker, &writes, now, out);
                proto::multi_response(&result, writes.len(), body);
            }
            Request::MultiRead(reads) => self.multi_read(asker, &reads, body)?,
            Request::Exists { path, watch } => self.exists(asker, path, watch, body)?,
            Request::GetData { path, watch } => {
                let node = self.readable(asker, path, perms::READ)?;
                encode_data(node, body);
                if watch {
                    self.watches.add_data(path, asker.conn);
                }
            }
            Request::GetChildren { path, watch, with_stat } => {
                let node = self.readable(asker, path, perms::READ)?;
                encode_strings(node.children(), body);
                if with_stat {
                    node.stat().encode(body);
                }
                if watch {
                    self.watches.add_child(path, asker.conn);
                }
            }
            Request::GetAcl { path } => {
                let node = self.readable(asker, path, perms::READ | perms::ADMIN)?;
                match acl::check(&node.acl, perms::ADMIN, &asker.identities) {
                    Ok(()) => Acl::encode_all(&node.acl, body),
                    Err(_) => proto::masked_acl(&node.acl, body),
                }
                node.stat().encode(body);
            }
            Request::GetAllChildrenNumber { path } => {
                self.readable(asker, path, perms::READ)?;
                body.int(self.state.tree.descendants(path).unwrap_or(0) as i32);
            }
            Request::GetEphemerals { prefix } => {
                let prefix = if matches!(prefix.trim(), "" | "/") { "" } else { prefix };
                let own = self.state.tree.ephemerals_of(asker.session_id);
                let paths: Vec<&str> = own.filter(|path| path.starts_with(prefix)).collect();
                encode_strings(paths.into_iter(), body);
            }
            Request::Sync { path } => body.string(path),
            Request::Ping | Request::CloseSession => {}
            // Java looks for the last slash first, and stumbles (`PathParentIterator.next`).
            Request::CheckWatches { path, .. } if !path.is_empty() && !path.contains('/') => {
                return Err(ErrorCode::MarshallingError);
            }
            Request::CheckWatches { path, kind } if !path.is_empty() && self.watches.contains(path, kind) => {}
            Request::RemoveWatches { path, kind } if self.watches.remove(path, asker.conn, kind) => {}
            Request::CheckWatches { .. } | Request::RemoveWatches { .. } => return Err(ErrorCode::NoWatcher),
            Request::AddWatch { path, recursive } => {
                self.watches.add_persistent(path, asker.conn, recursive);
                body.int(0);
            }
            Request::SetWatches(watches) => self.set_watches(asker, &watches, out),
            Request::Auth { scheme, auth } => self.authenticate(asker, scheme, auth)?,
            Request::WhoAmI => proto::client_infos(&asker.identities, body),
            Request::Sasl => return Err(ErrorCode::AuthFailed),
            Request::Reconfig => return Err(ErrorCode::ReconfigDisabled),
        }
        Ok(())
    }

    /// A node that the asker may use in this way.
    fn readable(&self, asker: &Asker, path: &str, wanted: i32) -> Result<&Node, ErrorCode> {
        let node = self.state.tree.node(path).ok_or(ErrorCode::NoNode)?;
        acl::check(&node.acl, wanted, &asker.identities)?;
        Ok(node)
    }

    /// Watches also what is missing.
    fn exists(&mut self, asker: &Asker, path: &str, watch: bool, body: &mut Encoder) -> Result<(), ErrorCode> {
        if path.contains('\0') {
            return Err(ErrorCode::BadArguments);
        }
        let result = self.readable(asker, path, perms::READ).map(|node| node.stat().encode(body));
        if watch && result != Err(ErrorCode::NoAuth) {
            self.watches.add_data(path, asker.conn);
        }
        result
    }

    fn multi_read(&self, asker: &Asker, reads: &[Read<'_>], body: &mut Encoder) -> Result<(), ErrorCode> {
        for read in reads {
            let (Read::Data(path) | Read::Children(path)) = read;
            match (self.readable(asker, path, perms::READ), read) {
                (Err(error), _) => proto::multi_error(error as i32, body),
                (Ok(node), Read::Data(_)) => {
                    proto::multi_header(proto::op::GET_DATA, body);
                    encode_data(node, body);
                }
                (Ok(node), Read::Children(_)) => {
                    proto::multi_header(proto::op::GET_CHILDREN, body);
                    encode_strings(node.children(), body);
                }
            }
            if body.len() > MAX_MULTI_READ_BYTES {
                return Err(ErrorCode::MarshallingError);
            }
        }
        proto::multi_end(body);
        Ok(())
    }

    /// Sets a client's watches again after a reconnect; what happened since it last heard is told at once
    /// (`DataTree.setWatches`).
    fn set_watches(&mut self, asker: &Asker, watches: &SetWatches<'_>, out: &mut Vec<Effect>) {
        let conn = asker.conn;
        let mut tell = |kind, path: &str| out.push(Effect::Notify(conn, proto::watch_event(kind, path).into()));
        let tree = &self.state.tree;
        for path in &watches.data {
            match tree.node(path) {
                None => tell(EventKind::Deleted, path),
                Some(node) if node.mzxid > watches.relative_zxid => tell(EventKind::DataChanged, path),
                Some(_) => self.watches.add_data(path, conn),
            }
        }
        for path in &watches.exist {
            match tree.node(path) {
                Some(_) => tell(EventKind::Created, path),
                None => self.watches.add_data(path, conn),
            }
        }
        for path in &watches.child {
            match tree.node(path) {
                None => tell(EventKind::Deleted, path),
                Some(node) if node.pzxid > watches.relative_zxid => tell(EventKind::ChildrenChanged, path),
                Some(_) => self.watches.add_child(path, conn),
            }
        }
        watches.persistent.iter().for_each(|path| self.watches.add_persistent(path, conn, false));
        watches.recursive.iter().for_each(|path| self.watches.add_persistent(path, conn, true));
    }

    /// The `ip` scheme is answered with success and changes nothing, as on Apache's server: every connection has its
    /// address from the start.
    fn authenticate(&mut self, asker: &Asker, scheme: &str, auth: &[u8]) -> Result<(), ErrorCode> {
        let proven = match scheme {
            "digest" => Id::of_digest(auth),
            "ip" => return Ok(()),
            _ => return Err(ErrorCode::AuthFailed),
        };
        if let Some(conn) = self.conns.get_mut(&asker.conn)
            && !conn.identities.contains(&proven)
        {
            conn.identities = conn.identities.iter().cloned().chain([proven]).collect();
        }
        Ok(())
    }

    /// Carries out all of the writes or none; the error says which one failed.
    fn write(
        &mut self,
        asker: &Asker,
        writes: &[Write<'_>],
        now: Now,
        out: &mut Vec<Effect>,
    ) -> Result<Vec<Written>, (usize, ErrorCode)> {
        let header = self.header(asker.session_id, now);
        let mut txn = TxnWriter::new(&header);
        let (mut undos, mut happened, mut results) = (Vec::new(), Vec::new(), Vec::with_capacity(writes.len()));
        for (index, write) in writes.iter().enumerate() {
            match self.write_one(asker, &header, write, &mut txn, &mut undos, &mut happened) {
                Ok(written) => results.push(written),
                Err(error) => {
                    undos.into_iter().rev().for_each(|undo| self.state.tree.undo(undo));
                    return Err((index, error));
                }
            }
        }
        self.log(txn, out);
        self.announce(happened, out);
        Ok(results)
    }

    fn write_one(
        &mut self,
        asker: &Asker,
        header: &TxnHeader,
        write: &Write<'_>,
        txn: &mut TxnWriter,
        undos: &mut Vec<Undo>,
        happened: &mut Vec<Happening>,
    ) -> Result<Written, ErrorCode> {
        let Some(change) = self.settle(asker, write)? else { return Ok(Written::Checked) };
        txn.push(&change);
        let path: Box<str> = match &change {
            Change::Create { path, .. } | Change::Delete { path } => path.clone(),
            Change::SetData { path, .. } | Change::SetAcl { path, .. } => path.clone(),
            Change::OpenSession { .. } | Change::CloseSession => return Err(ErrorCode::SystemError),
        };
        if let (Change::Delete { .. }, Some(node)) = (&change, self.state.tree.node(&path)) {
            happened.push(Happening::new(EventKind::Deleted, &path, node));
        }
        undos.push(self.state.tree.apply(header, change).map_err(|_| ErrorCode::SystemError)?);
        self.conclude(write, &path, happened)
    }

    /// What a write that took place means for watches and for the answer.
    fn conclude(&self, write: &Write<'_>, path: &str, happened: &mut Vec<Happening>) -> Result<Written, ErrorCode> {
        if let Write::Delete { .. } = write {
            happened.extend(self.children_changed(path));
            return Ok(Written::Deleted);
        }
        let node = self.state.tree.node(path).ok_or(ErrorCode::SystemError)?;
        Ok(match write {
            Write::Create(create) => {
                happened.push(Happening::new(EventKind::Created, path, node));
                happened.extend(self.children_changed(path));
                let with_stat = create.op != proto::op::CREATE;
                Written::Created { with_stat, path: path.to_string(), stat: node.stat() }
            }
            Write::SetData { .. } => {
                happened.push(Happening::new(EventKind::DataChanged, path, node));
                Written::DataSet(node.stat())
            }
            _ => Written::AclSet(node.stat()),
        })
    }

    /// Decides whether a write may be and what exactly it is to change (`PrepRequestProcessor.pRequest2Txn`, checks in
    /// its order). A check changes nothing.
    fn settle(&self, asker: &Asker, write: &Write<'_>) -> Result<Option<Change>, ErrorCode> {
        match write {
            Write::Create(create) => self.settle_create(asker, create).map(Some),
            Write::Delete { path, version } => {
                let (parent, _) = split(path).ok_or(ErrorCode::BadArguments)?;
                if path.contains('\0') || matches!(*path, "/" | "/zookeeper" | "/zookeeper/quota" | "/zookeeper/config")
                {
                    return Err(ErrorCode::BadArguments);
                }
                self.readable(asker, parent, perms::DELETE)?;
                let node = self.state.tree.node(path).ok_or(ErrorCode::NoNode)?;
                next_version(node.version, *version)?;
                if node.children().len() > 0 {
                    return Err(ErrorCode::NotEmpty);
                }
                Ok(Some(Change::Delete { path: (*path).into() }))
            }
            Write::SetData { path, data, version } => {
                check_path(path)?;
                let node = self.readable(asker, path, perms::WRITE)?;
                let version = next_version(node.version, *version)?;
                Ok(Some(Change::SetData { path: (*path).into(), data: data.map(Box::from), version }))
            }
            Write::SetAcl { path, acl, version } => {
                check_path(path)?;
                let acl = acl::fix_up(acl, &asker.identities)?;
                let node = self.readable(asker, path, perms::ADMIN)?;
                let version = next_version(node.aversion, *version)?;
                Ok(Some(Change::SetAcl { path: (*path).into(), acl: acl.into(), version }))
            }
            Write::Check { path, version } => {
                check_path(path)?;
                let node = self.readable(asker, path, perms::READ)?;
                next_version(node.version, *version)?;
                Ok(None)
            }
        }
    }

    fn settle_create(&self, asker: &Asker, create: &Create<'_>) -> Result<Change, ErrorCode> {
        let mode = create.mode(self.limits.extended_types)?;
        let (parent_path, _) = split(create.path).ok_or(ErrorCode::BadArguments)?;
        if create.path.contains('\0') {
            return Err(ErrorCode::BadArguments);
        }
        let acl = acl::fix_up(&create.acl, &asker.identities)?;
        let parent = self.readable(asker, parent_path, perms::CREATE)?;
        let path = match mode.sequential {
            true => format!("{}{:010}", create.path, parent.cversion),
            false => create.path.to_string(),
        };
        check_path(&path)?;
        if self.state.tree.node(&path).is_some() {
            return Err(ErrorCode::NodeExists);
        }
        if parent.is_ephemeral() {
            return Err(ErrorCode::NoChildrenForEphemerals);
        }
        let owner = match mode.life {
            Life::Persistent => 0,
            Life::Ephemeral => asker.session_id,
            Life::Container => tree::CONTAINER,
            Life::Ttl(ttl_ms) => tree::owner_of_ttl(ttl_ms),
        };
        Ok(Change::Create {
            path: path.into(),
            data: create.data.map(Box::from),
            acl: acl.into(),
            owner,
            parent_cversion: parent.cversion.wrapping_add(1),
        })
    }

    fn header(&self, session_id: i64, now: Now) -> TxnHeader {
        TxnHeader { zxid: self.state.zxid + 1, time_ms: now.wall_ms, session_id }
    }

    fn log(&mut self, txn: TxnWriter, out: &mut Vec<Effect>) {
        if let Some(bytes) = txn.finish() {
            self.state.zxid += 1;
            out.push(Effect::Log(bytes));
        }
    }

    /// Tells the watchers, but only those who may read the node (ZOOKEEPER-4799).
    fn announce(&mut self, happened: Vec<Happening>, out: &mut Vec<Effect>) {
        for Happening { kind, path, acl } in happened {
            let watchers = self.watches.trigger(&path, kind);
            if watchers.is_empty() {
                continue;
            }
            let frame = Bytes::from(proto::watch_event(kind, &path));
            let may_read = |conn: &ConnId| {
                self.conns.get(conn).is_some_and(|c| acl::check(&acl, perms::READ, &c.identities).is_ok())
            };
            out.extend(watchers.into_iter().filter(may_read).map(|conn| Effect::Notify(conn, frame.clone())));
        }
    }
}

fn next_version(current: i32, expected: i32) -> Result<i32, ErrorCode> {
    if expected != -1 && expected != current { Err(ErrorCode::BadVersion) } else { Ok(current.wrapping_add(1)) }
}

/// What may name a znode (`PathUtils.validatePath`). Java looks at UTF-16 units and refuses surrogates, and with them
/// everything above U+FFFF.
fn check_path(path: &str) -> Result<(), ErrorCode> {
    let good_name = |name: &str| !matches!(name, "" | "." | "..");
    let bad_char =
        |c: char| matches!(c, '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{e000}'..='\u{f8ff}' | '\u{fff0}'..);
    let good = path == "/"
        || (path.strip_prefix('/').is_some_and(|names| names.split('/').all(good_name)) && !path.contains(bad_char));
    if good { Ok(()) } else { Err(ErrorCode::BadArguments) }
}

fn encode_data(node: &Node, body: &mut Encoder) {
    body.buffer(node.data.as_deref());
    node.stat().encode(body);
}

fn encode_strings<'a>(strings: impl ExactSizeIterator<Item = &'a str>, body: &mut Encoder) {
    body.int(strings.len() as i32);
    strings.for_each(|text| body.string(text));
}

/// Tries bytes as a request on a fresh server; nothing may panic. For fuzz targets.
pub fn fuzz(bytes: &[u8]) {
    let now = Now { wall_ms: 0, monotonic: Duration::ZERO };
    let limits = Limits {
        min_session_timeout_ms: 1,
        max_session_timeout_ms: 1000,
        max_watch_bytes: 100_000,
        extended_types: true,
        reaping: Reaping::default(),
    };
    let mut core = Core::new(State::new(Duration::from_secs(1), 0), limits);
    let conn = ConnId(1);
    let peer = SocketAddr::from(([127, 0, 0, 1], 1));
    let request =
        ConnectRequest { last_zxid_seen: 0, timeout_ms: 10, session_id: 0, password: vec![], knows_read_only: true };
    let mut out = Vec::new();
    core.handle(Event::Connect { conn, peer, request, new_password: [0; 16] }, now, &mut out);
    let mut rest = Decoder::new(bytes);
    while let Ok(Some(frame)) = rest.buffer() {
        core.handle(Event::Request { conn, frame: Bytes::copy_from_slice(frame) }, now, &mut out);
    }
}

#[cfg(test)]
mod tests;
