//! What clients say and what they are told: requests, replies and watch events of ZooKeeper 3.8's protocol
//! (`zookeeper.jute`, `ZooDefs.OpCode`, `KeeperException.Code`). Decoding borrows from the frame; encoding yields whole
//! frames with their length in front.

use crate::acl::{Acl, Id, RawAcl};
use crate::jute::{Decoder, Encoder, JuteError};

/// The xid of a watch event.
pub const EVENT_XID: i32 = -1;
/// The xid of every answer to a ping.
pub const PING_XID: i32 = -2;

/// Errors as the protocol numbers them (`KeeperException.Code`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[repr(i32)]
pub enum ErrorCode {
    /// A fault of the server.
    #[error("SYSTEMERROR")]
    SystemError = -1,
    /// In a multi: an operation behind the one that failed.
    #[error("RUNTIMEINCONSISTENCY")]
    RuntimeInconsistency = -2,
    /// The body of a request cannot be read.
    #[error("MARSHALLINGERROR")]
    MarshallingError = -5,
    /// An operation that this server does not have.
    #[error("UNIMPLEMENTED")]
    Unimplemented = -6,
    /// A path or flag that is not allowed.
    #[error("BADARGUMENTS")]
    BadArguments = -8,
    /// No such znode.
    #[error("NONODE")]
    NoNode = -101,
    /// The ACL does not allow it.
    #[error("NOAUTH")]
    NoAuth = -102,
    /// The znode has another version.
    #[error("BADVERSION")]
    BadVersion = -103,
    /// The parent is ephemeral.
    #[error("NOCHILDRENFOREPHEMERALS")]
    NoChildrenForEphemerals = -108,
    /// The znode exists.
    #[error("NODEEXISTS")]
    NodeExists = -110,
    /// The znode has children.
    #[error("NOTEMPTY")]
    NotEmpty = -111,
    /// The session is over.
    #[error("SESSIONEXPIRED")]
    SessionExpired = -112,
    /// An ACL that cannot be stored.
    #[error("INVALIDACL")]
    InvalidAcl = -114,
    /// Authentication failed, or its scheme is unknown.
    #[error("AUTHFAILED")]
    AuthFailed = -115,
    /// There is no such watch to remove or check.
    #[error("NOWATCHER")]
    NoWatcher = -121,
    /// Reconfiguration is off, as on every standalone server with default settings.
    #[error("RECONFIGDISABLED")]
    ReconfigDisabled = -123,
    /// The client must first prove who it is.
    #[error("SESSIONCLOSEDREQUIRESASLAUTH")]
    SessionClosedRequireSaslAuth = -124,
}

impl From<JuteError> for ErrorCode {
    fn from(_: JuteError) -> ErrorCode {
        ErrorCode::MarshallingError
    }
}

/// Operation numbers, `ZooDefs.OpCode`.
pub mod op {
    #![allow(missing_docs, reason = "the names are the protocol's")]
    pub const CREATE: i32 = 1;
    pub const DELETE: i32 = 2;
    pub const EXISTS: i32 = 3;
    pub const GET_DATA: i32 = 4;
    pub const SET_DATA: i32 = 5;
    pub const GET_ACL: i32 = 6;
    pub const SET_ACL: i32 = 7;
    pub const GET_CHILDREN: i32 = 8;
    pub const SYNC: i32 = 9;
    pub const PING: i32 = 11;
    pub const GET_CHILDREN2: i32 = 12;
    pub const CHECK: i32 = 13;
    pub const MULTI: i32 = 14;
    pub const CREATE2: i32 = 15;
    pub const RECONFIG: i32 = 16;
    pub const CHECK_WATCHES: i32 = 17;
    pub const REMOVE_WATCHES: i32 = 18;
    pub const CREATE_CONTAINER: i32 = 19;
    pub const DELETE_CONTAINER: i32 = 20;
    pub const CREATE_TTL: i32 = 21;
    pub const MULTI_READ: i32 = 22;
    pub const AUTH: i32 = 100;
    pub const SET_WATCHES: i32 = 101;
    pub const SASL: i32 = 102;
    pub const GET_EPHEMERALS: i32 = 103;
    pub const GET_ALL_CHILDREN_NUMBER: i32 = 104;
    pub const SET_WATCHES2: i32 = 105;
    pub const ADD_WATCH: i32 = 106;
    pub const WHO_AM_I: i32 = 107;
    pub const CLOSE_SESSION: i32 = -11;
    pub const ERROR: i32 = -1;
}

/// The first frame of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectRequest {
    /// The newest transaction that the client has seen.
    pub last_zxid_seen: i64,
    /// The session timeout that the client wishes for.
    pub timeout_ms: i32,
    /// 0 for a new session.
    pub session_id: i64,
    /// The password of the session that is to be continued.
    pub password: Vec<u8>,
    /// Whether the client knows the read-only flag (3.4 and later do).
    pub knows_read_only: bool,
}

impl ConnectRequest {
    /// Reads the frame.
    pub fn decode(frame: &[u8]) -> Result<ConnectRequest, JuteError> {
        let mut input = Decoder::new(frame);
        let _protocol_version = input.int()?;
        let last_zxid_seen = input.long()?;
        let timeout_ms = input.int()?;
        let session_id = input.long()?;
        let password = input.buffer()?.unwrap_or_default().to_vec();
        let knows_read_only = input.bool().is_ok();
        Ok(ConnectRequest { last_zxid_seen, timeout_ms, session_id, password, knows_read_only })
    }
}

/// Writes the answer to a [`ConnectRequest`]. A session that is over is answered with all zeros.
pub fn connect_response(timeout_ms: i32, session_id: i64, password: &[u8; 16], knows_read_only: bool) -> Vec<u8> {
    let mut out = Encoder::frame();
    out.int(0);
    out.int(timeout_ms);
    out.long(session_id);
    out.buffer(Some(password));
    if knows_read_only {
        out.bool(false);
    }
    out.into_frame()
}

/// What every request starts with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestHeader {
    /// The client's number of the request, repeated in the answer.
    pub xid: i32,
    /// One of [`op`].
    pub op: i32,
}

/// What ends the life of a znode, but for a delete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// Nothing.
    Persistent,
    /// The end of its session.
    Ephemeral,
    /// The end of its last child.
    Container,
    /// So many milliseconds without change and without children.
    Ttl(i64),
}

/// What a create makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CreateMode {
    /// How long it lives.
    pub life: Life,
    /// Whether it gets a number behind its name.
    pub sequential: bool,
}

/// A create as it stands in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Create<'a> {
    /// [`op::CREATE`] answers with the path, the others with path and stat.
    pub op: i32,
    /// The path; sequential ones get their number behind it.
    pub path: &'a str,
    /// The data; null and empty differ.
    pub data: Option<&'a [u8]>,
    /// Who may do what.
    pub acl: Vec<RawAcl<'a>>,
    /// `CreateMode` flags as sent.
    pub flags: i32,
    /// Time to live in milliseconds, -1 for none; only [`op::CREATE_TTL`] has one.
    pub ttl_ms: i64,
}

impl Create<'_> {
    /// The mode behind operation and flags (`CreateMode.fromFlag`, `EphemeralType.validateTTL`). A time to live is
    /// UNIMPLEMENTED unless `extended_types` are enabled. [`op::CREATE_TTL`] without its flags is BADARGUMENTS here;
    /// Apache's server dies of it.
    pub fn mode(&self, extended_types: bool) -> Result<CreateMode, ErrorCode> {
        let sequential = matches!(self.flags, 2 | 3 | 6);
        let life = match (self.flags, self.op) {
            (5 | 6, _) if !extended_types => return Err(ErrorCode::Unimplemented),
            (5 | 6, _) if (1..=MAX_TTL_MS).contains(&self.ttl_ms) => Life::Ttl(self.ttl_ms),
            (0..=4, op::CREATE_CONTAINER) => Life::Container,
            (1 | 3, op::CREATE | op::CREATE2) => Life::Ephemeral,
            (0 | 2 | 4, op::CREATE | op::CREATE2) => Life::Persistent,
            _ => return Err(ErrorCode::BadArguments),
        };
        Ok(CreateMode { life, sequential })
    }

    /// The operation that this create is inside of a multi: there the flags name it (`Op.Create.getOpcode`).
    fn inside_multi(mut self) -> Result<Self, JuteError> {
        match (self.op, self.flags) {
            (op::CREATE_TTL, 5 | 6) => {}
            (op::CREATE_TTL, _) => (self.op, self.ttl_ms) = (op::CREATE, -1),
            (_, 0..=3) => {}
            (_, 4) => self.op = op::CREATE_CONTAINER,
            (_, flags) => return Err(JuteError::Unknown(flags)),
        }
        Ok(self)
    }
}

/// The longest time to live, about 34 years (`EphemeralType.TTL.maxValue`).
pub const MAX_TTL_MS: i64 = 0xff_ffff_ffff;

/// An operation that changes something, alone or in a multi.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of zookeeper.jute")]
pub enum Write<'a> {
    /// Makes a znode.
    Create(Create<'a>),
    /// Removes one of this version, -1 for any.
    Delete { path: &'a str, version: i32 },
    /// Replaces the data of this version, -1 for any.
    SetData { path: &'a str, data: Option<&'a [u8]>, version: i32 },
    /// Replaces the ACL of this ACL version, -1 for any.
    SetAcl { path: &'a str, acl: Vec<RawAcl<'a>>, version: i32 },
    /// Changes nothing, but fails the multi it stands in when the version is another.
    Check { path: &'a str, version: i32 },
}

/// An operation of a multiRead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read<'a> {
    /// The data and stat.
    Data(&'a str),
    /// The names of the children.
    Children(&'a str),
}

/// The watches that a client sets again after a reconnect.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SetWatches<'a> {
    /// The newest transaction that the client has seen.
    pub relative_zxid: i64,
    /// Paths by kind.
    pub data: Vec<&'a str>,
    /// Exist watches on paths that were missing.
    pub exist: Vec<&'a str>,
    /// One-shot child watches.
    pub child: Vec<&'a str>,
    /// Persistent watches.
    pub persistent: Vec<&'a str>,
    /// Persistent recursive watches.
    pub recursive: Vec<&'a str>,
}

/// Which watches a check or removal means, `Watcher.WatcherType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatcherType {
    /// Child watches.
    Children,
    /// Data and exist watches.
    Data,
    /// Both.
    Any,
}

/// A request behind its header.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "one variant per operation of the protocol, fields as in zookeeper.jute")]
pub enum Request<'a> {
    Write(Write<'a>),
    Multi(Vec<Write<'a>>),
    MultiRead(Vec<Read<'a>>),
    Exists { path: &'a str, watch: bool },
    GetData { path: &'a str, watch: bool },
    GetChildren { path: &'a str, watch: bool, with_stat: bool },
    GetAcl { path: &'a str },
    Sync { path: &'a str },
    Ping,
    CheckWatches { path: &'a str, kind: WatcherType },
    RemoveWatches { path: &'a str, kind: WatcherType },
    AddWatch { path: &'a str, recursive: bool },
    SetWatches(SetWatches<'a>),
    Auth { scheme: Option<&'a str>, auth: Option<&'a [u8]> },
    Sasl { token: &'a [u8] },
    GetEphemerals { prefix: &'a str },
    GetAllChildrenNumber { path: &'a str },
    WhoAmI,
    Reconfig,
    DeleteContainer,
    CloseSession,
}

/// What is wrong with a request's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadRequest {
    /// The body cannot be read: MARSHALLINGERROR, and the connection lives on.
    Body(JuteError),
    /// No such operation: UNIMPLEMENTED, and the connection is closed.
    UnknownOp(i32),
}

impl From<JuteError> for BadRequest {
    fn from(error: JuteError) -> BadRequest {
        BadRequest::Body(error)
    }
}

/// Reads the header; the rest is for [`decode_body`].
pub fn decode_header<'a>(frame: &'a [u8]) -> Result<(RequestHeader, Decoder<'a>), JuteError> {
    let mut input = Decoder::new(frame);
    let header = RequestHeader { xid: input.int()?, op: input.int()? };
    Ok((header, input))
}

/// Reads the body of a request.
pub fn decode_body<'a>(op: i32, input: &mut Decoder<'a>) -> Result<Request<'a>, BadRequest> {
    Ok(match op {
        op::CREATE
        | op::CREATE2
        | op::CREATE_CONTAINER
        | op::CREATE_TTL
        | op::DELETE
        | op::SET_DATA
        | op::CHECK
        | op::SET_ACL => Request::Write(decode_write(op, input)?),
        op::MULTI => Request::Multi(decode_multi(input)?),
        op::MULTI_READ => Request::MultiRead(decode_multi_read(input)?),
        op::EXISTS => Request::Exists { path: input.string()?, watch: input.bool()? },
        op::GET_DATA => Request::GetData { path: input.string()?, watch: input.bool()? },
        op::GET_CHILDREN | op::GET_CHILDREN2 => {
            Request::GetChildren { path: input.string()?, watch: input.bool()?, with_stat: op == op::GET_CHILDREN2 }
        }
        op::GET_ACL => Request::GetAcl { path: input.string()? },
        op::SYNC => Request::Sync { path: input.string()? },
        op::PING => Request::Ping,
        op::CHECK_WATCHES => Request::CheckWatches { path: input.string()?, kind: watcher_type(input)? },
        op::REMOVE_WATCHES => Request::RemoveWatches { path: input.string()?, kind: watcher_type(input)? },
        op::ADD_WATCH => Request::AddWatch { path: input.string()?, recursive: add_watch_mode(input)? },
        op::SET_WATCHES | op::SET_WATCHES2 => Request::SetWatches(set_watches(op, input)?),
        op::AUTH => {
            let _kind = input.int()?;
            Request::Auth { scheme: input.nullable_string()?, auth: input.buffer()? }
        }
        op::SASL => Request::Sasl { token: input.buffer()?.unwrap_or_default() },
        op::GET_EPHEMERALS => Request::GetEphemerals { prefix: input.nullable_string()?.unwrap_or_default() },
        op::GET_ALL_CHILDREN_NUMBER => Request::GetAllChildrenNumber { path: input.string()? },
        op::WHO_AM_I => Request::WhoAmI,
        op::RECONFIG => Request::Reconfig,
        op::DELETE_CONTAINER => Request::DeleteContainer,
        op::CLOSE_SESSION => Request::CloseSession,
        unknown => return Err(BadRequest::UnknownOp(unknown)),
    })
}

fn decode_write<'a>(op: i32, input: &mut Decoder<'a>) -> Result<Write<'a>, JuteError> {
    Ok(match op {
        op::CREATE | op::CREATE2 | op::CREATE_CONTAINER | op::CREATE_TTL => {
            let path = input.string()?;
            let data = input.buffer()?;
            let acl = input.vector(RawAcl::LEAST_BYTES, RawAcl::decode)?;
            let flags = input.int()?;
            let ttl_ms = if op == op::CREATE_TTL { input.long()? } else { -1 };
            Write::Create(Create { op, path, data, acl, flags, ttl_ms })
        }
        op::DELETE => Write::Delete { path: input.string()?, version: input.int()? },
        op::SET_DATA => Write::SetData { path: input.string()?, data: input.buffer()?, version: input.int()? },
        op::SET_ACL => Write::SetAcl {
            path: input.string()?,
            acl: input.vector(RawAcl::LEAST_BYTES, RawAcl::decode)?,
            version: input.int()?,
        },
        op::CHECK => Write::Check { path: input.string()?, version: input.int()? },
        unknown => return Err(JuteError::Unknown(unknown)),
    })
}

/// The operations of a multi, each behind a header with its number; the last header says that it is the last.
fn multi_ops<'a, T>(
    input: &mut Decoder<'a>,
    mut one: impl FnMut(i32, &mut Decoder<'a>) -> Result<T, JuteError>,
) -> Result<Vec<T>, JuteError> {
    let mut ops = Vec::new();
    loop {
        let (op, done, _error) = (input.int()?, input.bool()?, input.int()?);
        if done {
            return Ok(ops);
        }
        ops.push(one(op, input)?);
    }
}

fn decode_multi<'a>(input: &mut Decoder<'a>) -> Result<Vec<Write<'a>>, JuteError> {
    multi_ops(input, |op, input| match decode_write(op, input)? {
        Write::SetAcl { .. } => Err(JuteError::Unknown(op::SET_ACL)),
        Write::Create(create) => create.inside_multi().map(Write::Create),
        write => Ok(write),
    })
}

fn decode_multi_read<'a>(input: &mut Decoder<'a>) -> Result<Vec<Read<'a>>, JuteError> {
    multi_ops(input, |op, input| {
        let path = input.string()?;
        let _watch = input.bool()?;
        match op {
            op::GET_DATA => Ok(Read::Data(path)),
            op::GET_CHILDREN => Ok(Read::Children(path)),
            unknown => Err(JuteError::Unknown(unknown)),
        }
    })
}

fn watcher_type(input: &mut Decoder<'_>) -> Result<WatcherType, JuteError> {
    match input.int()? {
        1 => Ok(WatcherType::Children),
        2 => Ok(WatcherType::Data),
        3 => Ok(WatcherType::Any),
        unknown => Err(JuteError::Unknown(unknown)),
    }
}

fn add_watch_mode(input: &mut Decoder<'_>) -> Result<bool, JuteError> {
    match input.int()? {
        0 => Ok(false),
        1 => Ok(true),
        unknown => Err(JuteError::Unknown(unknown)),
    }
}

fn set_watches<'a>(op: i32, input: &mut Decoder<'a>) -> Result<SetWatches<'a>, JuteError> {
    let mut watches = SetWatches {
        relative_zxid: input.long()?,
        data: input.strings()?,
        exist: input.strings()?,
        child: input.strings()?,
        ..SetWatches::default()
    };
    if op == op::SET_WATCHES2 {
        watches.persistent = input.strings()?;
        watches.recursive = input.strings()?;
    }
    Ok(watches)
}

/// A znode's stat as clients see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "the names are the protocol's")]
pub struct Stat {
    pub czxid: i64,
    pub mzxid: i64,
    pub ctime: i64,
    pub mtime: i64,
    pub version: i32,
    pub cversion: i32,
    pub aversion: i32,
    pub ephemeral_owner: i64,
    pub data_length: i32,
    pub num_children: i32,
    pub pzxid: i64,
}

impl Stat {
    /// Writes it.
    pub fn encode(&self, out: &mut Encoder) {
        out.long(self.czxid);
        out.long(self.mzxid);
        out.long(self.ctime);
        out.long(self.mtime);
        out.int(self.version);
        out.int(self.cversion);
        out.int(self.aversion);
        out.long(self.ephemeral_owner);
        out.int(self.data_length);
        out.int(self.num_children);
        out.long(self.pzxid);
    }
}

/// What one write came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// A create, with its final path.
    Created {
        /// Whether the stat is part of the answer.
        with_stat: bool,
        /// With the sequence number, if it has one.
        path: String,
        /// Its first stat.
        stat: Stat,
    },
    /// A delete.
    Deleted,
    /// New data.
    DataSet(Stat),
    /// A new ACL.
    AclSet(Stat),
    /// A check that held.
    Checked,
}

impl Written {
    /// Writes the body of the answer.
    pub fn encode(&self, out: &mut Encoder) {
        match self {
            Written::Created { with_stat, path, stat } => {
                out.string(path);
                if *with_stat {
                    stat.encode(out);
                }
            }
            Written::DataSet(stat) | Written::AclSet(stat) => stat.encode(out),
            Written::Deleted | Written::Checked => {}
        }
    }

    fn op(&self) -> i32 {
        match self {
            Written::Created { with_stat: true, .. } => op::CREATE2,
            Written::Created { .. } => op::CREATE,
            Written::Deleted => op::DELETE,
            Written::DataSet(_) => op::SET_DATA,
            Written::AclSet(_) => op::SET_ACL,
            Written::Checked => op::CHECK,
        }
    }
}

/// Writes the header of one result in the answer to a multi.
pub fn multi_header(op: i32, out: &mut Encoder) {
    out.int(op);
    out.bool(false);
    out.int(0);
}

/// Writes one failed result in the answer to a multi. 0 marks the operations before the one that failed.
pub fn multi_error(code: i32, out: &mut Encoder) {
    out.int(op::ERROR);
    out.bool(false);
    out.int(code);
    out.int(code);
}

/// Ends the answer to a multi.
pub fn multi_end(out: &mut Encoder) {
    out.int(-1);
    out.bool(true);
    out.int(-1);
}

/// Writes the answer to a multi: all results, or the error and where it happened among `count` operations.
pub fn multi_response(result: &Result<Vec<Written>, (usize, ErrorCode)>, count: usize, out: &mut Encoder) {
    match result {
        Ok(written) => written.iter().for_each(|one| {
            multi_header(one.op(), out);
            one.encode(out);
        }),
        Err((failed, error)) => (0..count).for_each(|index| {
            multi_error(
                match index.cmp(failed) {
                    std::cmp::Ordering::Less => 0,
                    std::cmp::Ordering::Equal => *error as i32,
                    std::cmp::Ordering::Greater => ErrorCode::RuntimeInconsistency as i32,
                },
                out,
            );
        }),
    }
    multi_end(out);
}

/// Starts an answer: frame length, xid, zxid, error.
pub fn reply(xid: i32, zxid: i64, error: Option<ErrorCode>) -> Encoder {
    let mut out = Encoder::frame();
    out.int(xid);
    out.long(zxid);
    out.int(error.map_or(0, |code| code as i32));
    out
}

/// Writes the answer to a SASL token; it has a body even when it is an error, and shows no transaction.
pub fn sasl_response(xid: i32, error: Option<ErrorCode>, token: Option<&[u8]>) -> Vec<u8> {
    let mut out = reply(xid, 0, error);
    out.buffer(token);
    out.into_frame()
}

/// What a watch announces, `Watcher.Event.EventType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum EventKind {
    /// The znode was made.
    Created = 1,
    /// The znode is gone.
    Deleted = 2,
    /// Its data was set.
    DataChanged = 3,
    /// A child came or went.
    ChildrenChanged = 4,
}

/// Writes a watch event; the state is always SyncConnected.
pub fn watch_event(kind: EventKind, path: &str) -> Vec<u8> {
    let mut out = reply(EVENT_XID, -1, None);
    out.int(kind as i32);
    out.int(3);
    out.string(path);
    out.into_frame()
}

/// Writes the identities of a connection, the answer to whoAmI. Digests show only the user, and a scheme without a
/// provider, which `super` is, shows none.
pub fn client_infos(identities: &[Id], out: &mut Encoder) {
    out.int(identities.len() as i32);
    for identity in identities {
        out.string(&identity.scheme);
        let user = if &*identity.scheme == "digest" { identity.id.split(':').next() } else { Some(&*identity.id) };
        out.string(user.unwrap_or_default());
    }
}

/// Writes an ACL for somebody who may not administer the znode: passwords' digests are hidden.
pub fn masked_acl(acl: &[Acl], out: &mut Encoder) {
    let masked: Vec<Acl> = acl
        .iter()
        .map(|entry| match entry.who.id.split_once(':') {
            Some((user, _)) if &*entry.who.scheme == "digest" => {
                Acl { perms: entry.perms, who: Id::new("digest", &format!("{user}:x")) }
            }
            _ => entry.clone(),
        })
        .collect();
    Acl::encode_all(&masked, out);
}

/// Tries bytes as the first and as any later frame; nothing may panic. For fuzz targets.
pub fn fuzz(bytes: &[u8]) {
    let _ = ConnectRequest::decode(bytes);
    if let Ok((header, mut body)) = decode_header(bytes) {
        let _ = decode_body(header.op, &mut body);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn body(op: i32, write: impl Fn(&mut Encoder)) -> Result<String, BadRequest> {
        let mut out = Encoder::new();
        write(&mut out);
        decode_body(op, &mut Decoder::new(out.bytes())).map(|request| format!("{request:?}"))
    }

    #[test]
    fn an_unknown_operation_is_told_from_a_bad_body() {
        assert_eq!(body(99, |_| ()), Err(BadRequest::UnknownOp(99)));
        assert_eq!(body(op::EXISTS, |_| ()), Err(BadRequest::Body(JuteError::Short { needed: 4, left: 0 })));
        let null_path = body(op::GET_ACL, |out| out.buffer(None));
        assert_eq!(null_path, Err(BadRequest::Body(JuteError::Null)));
    }

    #[test]
    fn a_multi_takes_only_operations_that_belong_into_it() {
        let multi = |inner: i32| {
            body(op::MULTI, move |out| {
                multi_header(inner, out);
                out.string("/a");
                out.int(3);
                multi_end(out);
            })
        };
        assert_eq!(multi(op::CHECK).unwrap(), r#"Multi([Check { path: "/a", version: 3 }])"#);
        assert_eq!(multi(op::EXISTS), Err(BadRequest::Body(JuteError::Unknown(op::EXISTS))));
        let endless = body(op::MULTI, |out| multi_header(op::CHECK, out));
        assert_eq!(endless, Err(BadRequest::Body(JuteError::Short { needed: 4, left: 0 })));
    }

    #[test]
    fn an_old_client_does_not_send_the_read_only_flag() {
        let mut out = Encoder::new();
        out.int(0);
        out.long(5);
        out.int(6000);
        out.long(0);
        out.buffer(Some(&[0; 16]));
        assert!(!ConnectRequest::decode(out.bytes()).unwrap().knows_read_only);
        out.bool(true);
        let request = ConnectRequest::decode(out.bytes()).unwrap();
        assert!(request.knows_read_only);
        assert_eq!((request.last_zxid_seen, request.timeout_ms), (5, 6000));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn any_bytes_decode_or_are_refused(op in -12i32..110, mut bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            fuzz(&bytes);
            let _ = decode_body(op, &mut Decoder::new(&bytes));
            // Small lengths reach further into the records than random ones.
            bytes.iter_mut().step_by(2).for_each(|byte| *byte = 0);
            let _ = decode_body(op, &mut Decoder::new(&bytes));
        }
    }
}
