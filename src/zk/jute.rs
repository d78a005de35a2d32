//! ZooKeeper's wire format (Jute) as far as a broker speaks it: what goes out, what comes back, and the numbers between.
//!
//! Numbers are big-endian; strings and buffers carry a 4-byte length, −1 for null; a frame carries a 4-byte length in
//! front. Decoding trusts no length: every one is compared with the bytes that are left before anything is made of it.
//! Names and numbers are those of `zookeeper.jute` and `ZooDefs.OpCode`.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use zk_paths::ids::ZkVersion;

use super::{CreateMode, Node, Op, OpResult, SessionId, Stat};

/// Operation numbers.
pub(super) mod op_code {
    pub const CREATE: i32 = 1;
    pub const DELETE: i32 = 2;
    pub const EXISTS: i32 = 3;
    pub const GET_DATA: i32 = 4;
    pub const SET_DATA: i32 = 5;
    pub const GET_CHILDREN: i32 = 8;
    pub const SYNC: i32 = 9;
    pub const PING: i32 = 11;
    pub const CHECK: i32 = 13;
    pub const MULTI: i32 = 14;
    /// Since 3.6.
    pub const MULTI_READ: i32 = 22;
    /// Since 3.6.
    pub const ADD_WATCH: i32 = 106;
    pub const CLOSE_SESSION: i32 = -11;
    /// In a multi's answer: this operation has an error code instead of a result. Also marks the end.
    pub const ERROR: i32 = -1;
}

/// Error codes of replies (`KeeperException.Code`).
pub(super) mod code {
    pub const OK: i32 = 0;
    /// In a failed multi: an operation behind the one that failed.
    pub const RUNTIME_INCONSISTENCY: i32 = -2;
    pub const UNIMPLEMENTED: i32 = -6;
    pub const NO_NODE: i32 = -101;
    pub const NO_AUTH: i32 = -102;
    pub const BAD_VERSION: i32 = -103;
    pub const NO_CHILDREN_FOR_EPHEMERALS: i32 = -108;
    pub const NODE_EXISTS: i32 = -110;
    pub const NOT_EMPTY: i32 = -111;
    pub const SESSION_EXPIRED: i32 = -112;
    pub const SESSION_MOVED: i32 = -118;
}

/// Transaction ids that the protocol reserves.
pub(super) mod xid {
    pub const WATCH_EVENT: i32 = -1;
    pub const PING: i32 = -2;
}

const PASSWORD_LENGTH: usize = 16;

/// What lets a client come back to its session on a new connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    /// 0 asks for a new session.
    pub session: SessionId,
    /// Proves that the session is ours.
    pub password: Bytes,
}

impl Credentials {
    /// Asks for a new session.
    pub fn none() -> Credentials {
        Credentials { session: SessionId(0), password: Bytes::from_static(&[0; PASSWORD_LENGTH]) }
    }
}

/// The first frame on a connection, its length in front.
pub(super) fn connect_request(credentials: &Credentials, last_zxid: i64, session_timeout_ms: i32) -> Bytes {
    let mut body = BytesMut::new();
    body.put_i32(0);
    body.put_i64(last_zxid);
    body.put_i32(session_timeout_ms);
    body.put_i64(credentials.session.0);
    put_buffer(&mut body, Some(&credentials.password));
    body.put_u8(0); // A read-only server is of no use to us.
    let mut frame = BytesMut::with_capacity(body.len() + 4);
    frame.put_i32(body.len() as i32);
    frame.put(body);
    frame.freeze()
}

/// The server's answer to [`connect_request`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ConnectResponse {
    /// Negotiated session timeout in milliseconds; 0 or less says that the session has expired.
    pub session_timeout_ms: i32,
    pub credentials: Credentials,
}

impl ConnectResponse {
    pub fn decode(frame: Bytes) -> Result<ConnectResponse, Malformed> {
        let mut reader = Reader(frame);
        reader.i32("protocol version")?;
        let session_timeout_ms = reader.i32("timeout")?;
        let session = SessionId(reader.i64("session id")?);
        let password = reader.buffer("password")?.unwrap_or_default();
        Ok(ConnectResponse { session_timeout_ms, credentials: Credentials { session, password } })
    }
}

/// The head of every later frame from the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ReplyHeader {
    pub xid: i32,
    pub zxid: i64,
    pub code: i32,
}

impl ReplyHeader {
    /// Bytes of a header on the wire.
    pub const LENGTH: usize = 16;

    pub fn decode(reader: &mut Reader) -> Result<ReplyHeader, Malformed> {
        Ok(ReplyHeader { xid: reader.i32("xid")?, zxid: reader.i64("zxid")?, code: reader.i32("error code")? })
    }
}

/// A watch event; its type is the number on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WatcherEvent {
    pub event_type: i32,
    pub path: String,
}

impl WatcherEvent {
    pub const CREATED: i32 = 1;
    pub const DELETED: i32 = 2;
    pub const DATA_CHANGED: i32 = 3;
    pub const CHILDREN_CHANGED: i32 = 4;

    pub fn decode(reader: &mut Reader) -> Result<WatcherEvent, Malformed> {
        let event_type = reader.i32("event type")?;
        reader.i32("event state")?;
        Ok(WatcherEvent { event_type, path: reader.string("event path")? })
    }
}

/// A request: operation number and body, without the length and xid that it gets when it is sent.
pub(super) mod request {
    use super::*;

    pub fn read(op: i32, path: &str, watch: bool) -> Bytes {
        let mut body = head(op);
        put_string(&mut body, path);
        body.put_u8(watch.into());
        body.freeze()
    }

    pub fn sync(path: &str) -> Bytes {
        let mut body = head(op_code::SYNC);
        put_string(&mut body, path);
        body.freeze()
    }

    pub fn close_session() -> Bytes {
        head(op_code::CLOSE_SESSION).freeze()
    }

    pub fn add_watch(path: &str, recursive: bool) -> Bytes {
        let mut body = head(op_code::ADD_WATCH);
        put_string(&mut body, path);
        body.put_i32(recursive.into());
        body.freeze()
    }

    /// A single write; `path_of` puts the chroot in front.
    pub fn write(op: &Op, path_of: impl Fn(&str) -> String) -> Bytes {
        let mut body = head(write_code(op));
        put_write(&mut body, op, &path_of);
        body.freeze()
    }

    pub fn multi(ops: &[Op], path_of: impl Fn(&str) -> String) -> Bytes {
        let mut body = head(op_code::MULTI);
        for op in ops {
            put_multi_header(&mut body, write_code(op), false);
            put_write(&mut body, op, &path_of);
        }
        put_multi_header(&mut body, op_code::ERROR, true);
        body.freeze()
    }

    pub fn multi_read<'a>(paths: impl Iterator<Item = &'a str>) -> Bytes {
        let mut body = head(op_code::MULTI_READ);
        for path in paths {
            put_multi_header(&mut body, op_code::GET_DATA, false);
            put_string(&mut body, path);
            body.put_u8(0);
        }
        put_multi_header(&mut body, op_code::ERROR, true);
        body.freeze()
    }

    fn head(op: i32) -> BytesMut {
        let mut body = BytesMut::new();
        body.put_i32(op);
        body
    }
}

fn write_code(op: &Op) -> i32 {
    match op {
        Op::Check { .. } => op_code::CHECK,
        // Not create2, whose answer carries a stat: 3.4 does not know it, and inside a multi its stat is empty on 3.8.
        Op::Create { .. } => op_code::CREATE,
        Op::Set { .. } => op_code::SET_DATA,
        Op::Delete { .. } => op_code::DELETE,
    }
}

fn put_write(body: &mut BytesMut, op: &Op, path_of: &impl Fn(&str) -> String) {
    put_string(body, &path_of(op.path()));
    match op {
        Op::Check { version, .. } => body.put_i32(version.0),
        Op::Create { data, mode, .. } => {
            put_buffer(body, data.as_deref());
            put_open_acl(body);
            body.put_i32(create_flags(*mode));
        }
        Op::Set { data, expected, .. } => {
            put_buffer(body, Some(data));
            body.put_i32(expected.0);
        }
        Op::Delete { expected, .. } => body.put_i32(expected.0),
    }
}

fn create_flags(mode: CreateMode) -> i32 {
    match mode {
        CreateMode::Persistent => 0,
        CreateMode::Ephemeral => 1,
        CreateMode::PersistentSequential => 2,
        CreateMode::EphemeralSequential => 3,
    }
}

/// Everything for everybody (`ZooDefs.Ids.OPEN_ACL_UNSAFE`), Kafka's choice without `zookeeper.set.acl`.
fn put_open_acl(body: &mut BytesMut) {
    const ALL_PERMISSIONS: i32 = 31;
    body.put_i32(1);
    body.put_i32(ALL_PERMISSIONS);
    put_string(body, "world");
    put_string(body, "anyone");
}

fn put_multi_header(body: &mut BytesMut, op: i32, done: bool) {
    body.put_i32(op);
    body.put_u8(done.into());
    body.put_i32(-1);
}

fn put_string(body: &mut BytesMut, text: &str) {
    put_buffer(body, Some(text.as_bytes()));
}

fn put_buffer(body: &mut BytesMut, bytes: Option<&[u8]>) {
    match bytes {
        None => body.put_i32(-1),
        Some(bytes) => {
            body.put_i32(bytes.len() as i32);
            body.put_slice(bytes);
        }
    }
}

/// What the server sent is not what the protocol says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("malformed answer from ZooKeeper: {0}")]
pub(super) struct Malformed(pub String);

/// Takes values from the front of a frame.
#[derive(Debug)]
pub(super) struct Reader(pub Bytes);

impl Reader {
    pub fn i32(&mut self, what: &str) -> Result<i32, Malformed> {
        self.0.try_get_i32().map_err(|_| cut_short(what))
    }

    pub fn i64(&mut self, what: &str) -> Result<i64, Malformed> {
        self.0.try_get_i64().map_err(|_| cut_short(what))
    }

    fn bool(&mut self, what: &str) -> Result<bool, Malformed> {
        Ok(self.0.try_get_u8().map_err(|_| cut_short(what))? != 0)
    }

    /// `None` for null.
    pub fn buffer(&mut self, what: &str) -> Result<Option<Bytes>, Malformed> {
        let length = self.i32(what)?;
        if length == -1 {
            return Ok(None);
        }
        let length = usize::try_from(length).map_err(|_| Malformed(format!("{what} has length {length}")))?;
        if length > self.0.len() {
            return Err(cut_short(what));
        }
        Ok(Some(self.0.split_to(length)))
    }

    pub fn string(&mut self, what: &str) -> Result<String, Malformed> {
        let bytes = self.buffer(what)?.unwrap_or_default();
        String::from_utf8(bytes.into()).map_err(|_| Malformed(format!("{what} is not UTF-8")))
    }

    /// Names of children, sorted.
    pub fn children(&mut self) -> Result<Vec<String>, Malformed> {
        let count = self.i32("children")?.max(0);
        let fits = self.0.len() / 4;
        let count = usize::try_from(count).ok().filter(|count| *count <= fits).ok_or_else(|| cut_short("children"))?;
        let mut children = (0..count).map(|_| self.string("child")).collect::<Result<Vec<_>, _>>()?;
        children.sort_unstable();
        Ok(children)
    }

    pub fn stat(&mut self) -> Result<Stat, Malformed> {
        Ok(Stat {
            czxid: self.i64("czxid")?,
            mzxid: self.i64("mzxid")?,
            ctime: self.i64("ctime")?,
            mtime: self.i64("mtime")?,
            version: ZkVersion(self.i32("version")?),
            cversion: self.i32("cversion")?,
            aversion: self.i32("aversion")?,
            ephemeral_owner: SessionId(self.i64("ephemeralOwner")?),
            data_length: self.i32("dataLength")?,
            num_children: self.i32("numChildren")?,
            pzxid: self.i64("pzxid")?,
        })
    }

    pub fn node(&mut self) -> Result<Node, Malformed> {
        Ok(Node { data: self.buffer("data")?.unwrap_or_default(), stat: self.stat()? })
    }

    /// The results of a multi, or the position and code of the operation that made it fail.
    pub fn multi(&mut self) -> Result<Result<Vec<OpResult>, (usize, i32)>, Malformed> {
        let mut results = Vec::new();
        let mut failed = None;
        let mut index = 0;
        while let Some(op) = self.multi_header()? {
            match op {
                op_code::CHECK => results.push(OpResult::Checked),
                op_code::CREATE => results.push(OpResult::Created(self.string("created path")?)),
                op_code::SET_DATA => results.push(OpResult::Set(self.stat()?)),
                op_code::DELETE => results.push(OpResult::Deleted),
                op_code::ERROR => {
                    let code = self.i32("error code of a multi's operation")?;
                    if failed.is_none() && code != code::OK && code != code::RUNTIME_INCONSISTENCY {
                        failed = Some((index, code));
                    }
                }
                other => return Err(Malformed(format!("operation {other} in the answer to a multi"))),
            }
            index += 1;
        }
        match failed {
            Some(failed) => Ok(Err(failed)),
            None if results.len() == index => Ok(Ok(results)),
            None => Err(Malformed("a multi failed without saying why".into())),
        }
    }

    /// The results of reading many nodes: a node, or the code that says why not.
    pub fn multi_read(&mut self) -> Result<Vec<Result<Node, i32>>, Malformed> {
        let mut results = Vec::new();
        while let Some(op) = self.multi_header()? {
            match op {
                op_code::GET_DATA => results.push(Ok(self.node()?)),
                op_code::ERROR => results.push(Err(self.i32("error code of a read")?)),
                other => return Err(Malformed(format!("operation {other} in the answer to a multi-read"))),
            }
        }
        Ok(results)
    }

    /// The next operation's number, `None` at the end. Every header takes bytes, so that no answer can loop for long.
    fn multi_header(&mut self) -> Result<Option<i32>, Malformed> {
        let op = self.i32("operation of a multi")?;
        let done = self.bool("end of a multi")?;
        self.i32("error code in a multi's header")?;
        Ok((!done).then_some(op))
    }
}

/// Feeds any bytes to every decoder: nothing may panic or ask for much memory.
pub fn fuzz(bytes: &[u8]) {
    let frame = || Reader(Bytes::copy_from_slice(bytes));
    let _ = ReplyHeader::decode(&mut frame());
    let _ = WatcherEvent::decode(&mut frame());
    let _ = ConnectResponse::decode(frame().0);
    let _ = frame().multi();
    let _ = frame().multi_read();
    let _ = frame().children();
    let _ = frame().node();
}

fn cut_short(what: &str) -> Malformed {
    Malformed(format!("the frame ends within {what}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hex(text: &str) -> Bytes {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    }

    /// The answer of ZooKeeper 3.8.4 to a multi of two checks of `/` whose first has a wrong version.
    #[test]
    fn a_failed_multi_names_the_operation_that_failed() {
        let body = hex("ffffffff 00 ffffff99 ffffff99  ffffffff 00 fffffffe fffffffe  ffffffff 01 ffffffff");
        assert_eq!(Reader(body).multi(), Ok(Err((0, code::BAD_VERSION))));
        let second = hex("ffffffff 00 00000000 00000000  ffffffff 00 ffffff9b ffffff9b  ffffffff 01 ffffffff");
        assert_eq!(Reader(second).multi(), Ok(Err((1, code::NO_NODE))));
    }

    #[test]
    fn null_and_empty_data_differ_on_the_wire() {
        let create = |data| Op::Create { path: "/a".into(), data, mode: CreateMode::Ephemeral };
        let null = request::write(&create(None), str::to_string);
        let empty = request::write(&create(Some(Bytes::new())), str::to_string);
        assert_eq!(null[..14], hex("00000001 00000002 2f61 ffffffff"));
        assert_eq!(empty[..14], hex("00000001 00000002 2f61 00000000"));
        assert_eq!(null[14..], hex("00000001 0000001f 00000005 776f726c64 00000006 616e796f6e65 00000001"));
    }

    #[test]
    fn a_count_that_lies_asks_for_no_memory() {
        assert!(Reader(hex("7fffffff")).children().is_err());
        assert!(Reader(hex("7fffffff 61")).buffer("data").is_err());
        assert!(Reader(hex("80000000")).buffer("data").is_err());
        assert_eq!(Reader(hex("ffffffff")).buffer("data"), Ok(None));
    }

    proptest! {
        #[test]
        fn no_bytes_can_panic_a_decoder(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            fuzz(&bytes);
        }
    }
}
