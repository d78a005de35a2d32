//! The server without sockets, files and clocks: one [`Event`] in, what should happen as [`Effect`]s out.
//!
//! Effects are to be carried out in order, and none behind an [`Effect::Log`] before that transaction is durable: the
//! state is ahead of the disk, what the world sees is not. A watch event therefore stands before the answer that shows
//! its change, and answers of one connection stand in the order of its requests. When a transaction cannot be made
//! durable, the whole core is to be thrown away.
//!
//! Here: sessions, connections, and which request goes where. Below: what is read ([`reading`]), what is changed
//! ([`writing`]), and who somebody is ([`proving`]).
//!
//! Failed writes take no transaction number (ZooKeeper logs them as error transactions); so the log has no gaps.

mod proving;
mod reading;
mod writing;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::acl::{Acl, Id, perms};
use crate::auth::Auth;
use crate::jute::{Decoder, Encoder, JuteError};
use crate::proto::{self, BadRequest, ConnectRequest, ErrorCode, EventKind, PING_XID, Request};
use crate::sasl::{Exchange, SaslError};
use crate::state::State;
use crate::tree::{Node, split};
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
        /// As many again, used if the client asks for a SASL exchange.
        nonce: [u8; 16],
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
    /// Tell the operator.
    Warn(Warning),
}

/// What an operator should hear of a client: at most one line per connection and kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are what the messages name")]
pub enum Warning {
    /// All watches together took more than [`Limits::max_watch_bytes`], and this connection's were the most.
    #[error(
        "closing the connection of {peer} (session {session_id:#x}): all watches take more than {limit} bytes, and its \
         {watches} are the most"
    )]
    TooManyWatches { peer: SocketAddr, session_id: i64, watches: usize, limit: usize },
    /// The password of the session is another.
    #[error("incorrect password from {peer} for session {session_id:#x}")]
    WrongPassword { peer: SocketAddr, session_id: i64 },
    /// The client has seen transactions that this server does not have, as of another server's data.
    #[error("refusing {peer}: it has seen zxid {seen:#x}, the last one here is {last:#x}")]
    FromTheFuture { peer: SocketAddr, seen: i64, last: i64 },
    /// An auth packet of a scheme that does not exist, or with nothing in it.
    #[error("authentication of {peer} failed for scheme {scheme}")]
    AuthFailed { peer: SocketAddr, scheme: String },
    /// A SASL exchange that ended badly.
    #[error("{peer} failed to SASL authenticate: {error}")]
    SaslFailed { peer: SocketAddr, error: SaslError },
    /// None of the schemes that a client must prove was.
    #[error("closing the connection of {peer}: it proved none of the schemes {required}")]
    NotAuthenticated { peer: SocketAddr, required: String },
    /// An operation that does not exist.
    #[error("closing the connection of {peer}: operation {op} is not known")]
    UnknownOperation { peer: SocketAddr, op: i32 },
    /// A request whose body cannot be read.
    #[error("a request of {peer} (operation {op}) cannot be read: {error}")]
    BadBody { peer: SocketAddr, op: i32, error: JuteError },
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
    /// Whether a reconfiguration is UNIMPLEMENTED, as on a standalone server that would allow them, or
    /// RECONFIGDISABLED.
    pub reconfig_enabled: bool,
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
    sasl: Exchange,
    nonce: [u8; 16],
    /// Whether the operator has heard that it sends what cannot be read.
    complained: bool,
}

/// The server's state and rules.
#[derive(Debug)]
pub struct Core {
    limits: Limits,
    auth: Auth,
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
    pub fn new(state: State, limits: Limits, auth: Auth) -> Core {
        Core {
            limits,
            auth,
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
            Event::Connect { conn, peer, request, new_password, nonce } => {
                self.connect(conn, peer, &request, (new_password, nonce), now, out);
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
        (new_password, nonce): ([u8; 16], [u8; 16]),
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        if request.last_zxid_seen > self.state.zxid {
            let (seen, last) = (request.last_zxid_seen, self.state.zxid);
            out.push(Effect::Warn(Warning::FromTheFuture { peer, seen, last }));
            return out.push(Effect::Close(conn));
        }
        let timeout_ms =
            request.timeout_ms.min(self.limits.max_session_timeout_ms).max(self.limits.min_session_timeout_ms);
        let known = self.state.sessions.get(request.session_id).map(|session| session.password);
        let (session_id, password) = match known {
            _ if request.session_id == 0 => (self.open_session(timeout_ms, new_password, now, out), new_password),
            Some(password) if password[..] == request.password[..] => (request.session_id, password),
            known => {
                if known.is_some() {
                    out.push(Effect::Warn(Warning::WrongPassword { peer, session_id: request.session_id }));
                }
                out.push(Effect::Reply(conn, proto::connect_response(0, 0, &[0; 16], request.knows_read_only)));
                return out.push(Effect::Close(conn));
            }
        };
        if let Some(before) = self.state.sessions.attach(session_id, conn, timeout_ms, now.monotonic) {
            self.forget(before);
            out.push(Effect::Close(before));
        }
        let identities = [Id::of_address(peer.ip())].into();
        let sasl = Exchange::default();
        self.conns.insert(conn, Conn { peer, session_id, identities, sasl, nonce, complained: false });
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
        let proves = matches!(header.op, proto::op::AUTH | proto::op::SASL);
        if !proves && !self.auth.admits(&asker.identities) {
            return self.turn_away(&asker, header.xid, out);
        }
        match proto::decode_body(header.op, &mut body) {
            Ok(Request::Auth { scheme, auth }) => self.authenticate(&asker, header.xid, scheme, auth, out),
            Ok(Request::Sasl { token }) => self.sasl(&asker, header.xid, token, out),
            Err(_) if proves => self.close(conn, out),
            Ok(Request::CloseSession) => {
                self.close_session(asker.session_id, now, out);
                out.push(Effect::Reply(conn, proto::reply(header.xid, self.state.zxid, None).into_frame()));
                out.push(Effect::Close(conn));
            }
            Ok(request) => {
                let reply = self.answer(&asker, header.xid, request, now, out);
                self.bound_watches(out);
                out.push(Effect::Reply(conn, reply));
            }
            Err(BadRequest::Body(error)) => {
                self.complain(conn, header.op, error, out);
                self.reply_error(conn, header.xid, ErrorCode::MarshallingError, out);
            }
            Err(BadRequest::UnknownOp(op)) => {
                self.warn(conn, out, |peer| Warning::UnknownOperation { peer, op });
                self.reply_error(conn, header.xid, ErrorCode::Unimplemented, out);
                self.close(conn, out);
            }
        }
    }

    /// Ends a connection behind what was answered; its session lives on.
    fn close(&mut self, conn: ConnId, out: &mut Vec<Effect>) {
        self.forget(conn);
        out.push(Effect::Close(conn));
    }

    /// Says once per connection that it sends what cannot be read.
    fn complain(&mut self, conn: ConnId, op: i32, error: JuteError, out: &mut Vec<Effect>) {
        let Some(known) = self.conns.get_mut(&conn).filter(|known| !known.complained) else { return };
        known.complained = true;
        out.push(Effect::Warn(Warning::BadBody { peer: known.peer, op, error }));
    }

    /// Takes watches away until they fit, always from whoever has the most: one client cannot spend what others need.
    fn bound_watches(&mut self, out: &mut Vec<Effect>) {
        let limit = self.limits.max_watch_bytes;
        while self.watches.bytes() > limit {
            let Some((conn, watches)) = self.watches.largest_holder() else { return };
            let session_id = self.conns.get(&conn).map_or(0, |known| known.session_id);
            self.warn(conn, out, |peer| Warning::TooManyWatches { peer, session_id, watches, limit });
            self.close(conn, out);
        }
    }

    fn reply_error(&self, conn: ConnId, xid: i32, error: ErrorCode, out: &mut Vec<Effect>) {
        out.push(Effect::Reply(conn, proto::reply(xid, self.state.zxid, Some(error)).into_frame()));
    }

    /// The answer to a request.
    fn answer(&mut self, asker: &Asker, xid: i32, request: Request<'_>, now: Now, out: &mut Vec<Effect>) -> Vec<u8> {
        /// Where the zxid stands in a reply's frame: behind the length and the xid.
        const ZXID_AT: usize = 8;
        let xid = if request == Request::Ping { PING_XID } else { xid };
        let mut body = proto::reply(xid, 0, None);
        let mut reply = match self.respond(asker, request, now, &mut body, out) {
            Ok(()) => body,
            Err(error) => proto::reply(xid, 0, Some(error)),
        };
        reply.patch_long(ZXID_AT, self.state.zxid);
        reply.into_frame()
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
                match self.auth.check(&node.acl, perms::ADMIN, &asker.identities) {
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
            Request::WhoAmI => proto::client_infos(&asker.identities, body),
            // These have ways of their own.
            Request::Auth { .. } | Request::Sasl { .. } => return Err(ErrorCode::SystemError),
            // The server's own operation: from a client its path never makes sense to `PrepRequestProcessor`.
            Request::DeleteContainer => return Err(ErrorCode::BadArguments),
            Request::Reconfig if self.limits.reconfig_enabled => return Err(ErrorCode::Unimplemented),
            Request::Reconfig => return Err(ErrorCode::ReconfigDisabled),
        }
        Ok(())
    }

    /// A node that the asker may use in this way.
    fn readable(&self, asker: &Asker, path: &str, wanted: i32) -> Result<&Node, ErrorCode> {
        let node = self.state.tree.node(path).ok_or(ErrorCode::NoNode)?;
        self.auth.check(&node.acl, wanted, &asker.identities)?;
        Ok(node)
    }

    fn warn(&self, conn: ConnId, out: &mut Vec<Effect>, warning: impl FnOnce(SocketAddr) -> Warning) {
        out.extend(self.conns.get(&conn).map(|known| Effect::Warn(warning(known.peer))));
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
            let may_read =
                |conn: &ConnId| self.conns.get(conn).is_some_and(|known| self.auth.may_read(&acl, &known.identities));
            out.extend(watchers.into_iter().filter(may_read).map(|conn| Effect::Notify(conn, frame.clone())));
        }
    }
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
        reconfig_enabled: false,
        reaping: Reaping::default(),
    };
    let auth = Auth { sasl_users: Some(Default::default()), ..Auth::default() };
    let mut core = Core::new(State::new(Duration::from_secs(1), 0), limits, auth);
    let conn = ConnId(1);
    let peer = SocketAddr::from(([127, 0, 0, 1], 1));
    let request =
        ConnectRequest { last_zxid_seen: 0, timeout_ms: 10, session_id: 0, password: vec![], knows_read_only: true };
    let mut out = Vec::new();
    core.handle(Event::Connect { conn, peer, request, new_password: [0; 16], nonce: [0; 16] }, now, &mut out);
    let mut rest = Decoder::new(bytes);
    while let Ok(Some(frame)) = rest.buffer() {
        core.handle(Event::Request { conn, frame: Bytes::copy_from_slice(frame) }, now, &mut out);
    }
}

#[cfg(test)]
mod tests;
