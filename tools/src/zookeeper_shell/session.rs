//! A ZooKeeper session of the shell: one connection, one request at a time, pings while idle.
//!
//! The `zookeeper-client` crate cannot tell null data from empty data, and Kafka's znodes hold null almost everywhere; it
//! cannot talk to 3.4 either. What a shell needs of the protocol is this file. A session is not resumed: when the
//! connection breaks, the next command opens a new one, and its ephemeral nodes go with the old one.
//!
//! ```text
//! frame    length 4 | body
//! request  xid 4 | operation 4 | arguments       reply  xid 4 (-1 event, -2 ping) | zxid 8 | error 4 | answer
//! ```

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use client::transport::{Network, Stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{self, Instant};

use super::command::CommandError;

/// Larger answers are broken ones; servers stop at 1 MiB unless `jute.maxbuffer` says otherwise.
const MOST_BYTES: usize = 64 << 20;
/// Events that wait to be told.
const MOST_EVENTS: usize = 1000;
/// Pause after all servers were tried in vain.
const RECONNECT_PAUSE: Duration = Duration::from_secs(1);

const CREATE: i32 = 1;
const DELETE: i32 = 2;
const EXISTS: i32 = 3;
const GET_DATA: i32 = 4;
const SET_DATA: i32 = 5;
const GET_ACL: i32 = 6;
const SYNC: i32 = 9;
const PING: i32 = 11;
const GET_CHILDREN_2: i32 = 12;
const MULTI: i32 = 14;
const CLOSE: i32 = -11;
const PING_XID: i32 = -2;
const EVENT_XID: i32 = -1;

/// A node's vital statistics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

/// Who may do what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acl {
    /// Bits: read, write, create, delete, admin.
    pub permissions: i32,
    pub scheme: String,
    pub id: String,
}

impl Acl {
    /// Everybody may do everything.
    pub fn open() -> Acl {
        Acl { permissions: 31, scheme: "world".to_owned(), id: "anyone".to_owned() }
    }
}

/// An error code of ZooKeeper (`KeeperException.Code`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure(i32);

impl Failure {
    /// The connection broke, or there was none: whether the request had an effect is unknown.
    pub const CONNECTION_LOSS: Failure = Failure(-4);
    /// The answer makes no sense.
    const MARSHALLING: Failure = Failure(-5);
    /// There is no such node.
    pub const NO_NODE: Failure = Failure(-101);

    /// In the words of the shell (`CliWrapperException`).
    pub fn at(self, path: &str) -> CommandError {
        let words = match self.0 {
            -101 => "Node does not exist: ",
            -108 => "Ephemerals cannot have children: ",
            -110 => "Node already exists: ",
            -111 => "Node not empty: ",
            -119 => "Not a read-only call: ",
            -114 => "Acl is not valid : ",
            -102 => "Insufficient permission : ",
            -8 => "Arguments are not valid : ",
            -103 => "version No is not valid : ",
            -125 => "Quota has exceeded : ",
            -4 => "KeeperErrorCode = ConnectionLoss for ",
            -5 => "KeeperErrorCode = MarshallingError for ",
            -6 => "KeeperErrorCode = Unimplemented for ",
            -112 => "KeeperErrorCode = Session expired for ",
            code => return CommandError::Failed(format!("KeeperErrorCode = {code} for {path}")),
        };
        CommandError::Failed(format!("{words}{path}"))
    }
}

/// What a watch saw, or what became of the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    state: &'static str,
    kind: &'static str,
    path: Option<String>,
}

impl Event {
    /// A session begins.
    pub fn connected() -> Event {
        Event::of_state("SyncConnected")
    }

    /// A session was closed.
    pub fn closed() -> Event {
        Event::of_state("Closed")
    }

    fn of_state(state: &'static str) -> Event {
        Event { state, kind: "None", path: None }
    }

    fn decode(mut bytes: Bytes) -> Option<Event> {
        let (kind, _state) = (bytes.try_get_i32().ok()?, bytes.try_get_i32().ok()?);
        let kind = match kind {
            1 => "NodeCreated",
            2 => "NodeDeleted",
            3 => "NodeDataChanged",
            4 => "NodeChildrenChanged",
            _ => return None,
        };
        Some(Event { state: "SyncConnected", kind, path: Some(text(&mut bytes)?) })
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.as_deref().unwrap_or("null");
        write!(f, "WatchedEvent state:{} type:{} path:{path}", self.state, self.kind)
    }
}

/// Hosts with ports, and the path that stands in front of all paths.
fn parse_connect_string(text: &str) -> (Vec<String>, String) {
    let (hosts, chroot) = match text.find('/') {
        Some(start) => text.split_at(start),
        None => (text, ""),
    };
    let has_port = |host: &str| host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let address = |host: &str| if has_port(host) { host.to_owned() } else { format!("{host}:2181") };
    let hosts = hosts.split(',').map(str::trim).filter(|host| !host.is_empty()).map(address).collect();
    (hosts, chroot.trim_end_matches('/').to_owned())
}

/// An open session.
#[derive(Debug)]
pub struct Session {
    stream: Box<dyn Stream>,
    /// Bytes of answers that are not whole yet.
    inbox: BytesMut,
    chroot: String,
    timeout: Duration,
    last_sent: Instant,
    xid: i32,
    events: VecDeque<Event>,
    broken: bool,
}

impl Session {
    /// Opens a session with one of the servers, within the session timeout.
    pub async fn open(network: &dyn Network, connect_string: &str, timeout: Duration) -> Result<Session, Failure> {
        let (hosts, chroot) = parse_connect_string(connect_string);
        let deadline = Instant::now() + timeout;
        while !hosts.is_empty() {
            for host in &hosts {
                let left = deadline.saturating_duration_since(Instant::now());
                let Ok(stream) = network.connect(host, left).await else { continue };
                if let Ok(Ok(session)) = time::timeout(left, Session::begin(stream, &chroot, timeout)).await {
                    return Ok(session);
                }
            }
            // Java gives a command up after one round over servers that refuse.
            if hosts.len() == 1 || Instant::now() + RECONNECT_PAUSE >= deadline {
                break;
            }
            time::sleep(RECONNECT_PAUSE).await;
        }
        Err(Failure::CONNECTION_LOSS)
    }

    async fn begin(stream: Box<dyn Stream>, chroot: &str, timeout: Duration) -> Result<Session, Failure> {
        let mut session = Session {
            stream,
            inbox: BytesMut::new(),
            chroot: chroot.to_owned(),
            timeout,
            last_sent: Instant::now(),
            xid: 0,
            events: VecDeque::new(),
            broken: false,
        };
        let mut request = BytesMut::new();
        request.put_i32(0); // protocol version
        request.put_i64(0); // last zxid seen
        request.put_i32(i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX));
        request.put_i64(0); // a new session
        put_bytes(&mut request, Some(&[0; 16])); // its password
        request.put_u8(0); // not read-only
        session.write(&request).await?;
        let mut answer = session.frame().await?;
        answer.try_get_i32().map_err(|_| Failure::MARSHALLING)?;
        let agreed = answer.try_get_i32().map_err(|_| Failure::MARSHALLING)?;
        match u64::try_from(agreed) {
            Ok(agreed) if agreed > 0 => session.timeout = Duration::from_millis(agreed),
            _ => return Err(Failure::CONNECTION_LOSS),
        }
        Ok(session)
    }

    /// Whether the connection is gone.
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// What watches saw since the last call.
    pub fn take_events(&mut self) -> Vec<Event> {
        self.events.drain(..).collect()
    }

    /// Keeps the session alive until there is something to tell.
    pub async fn idle(&mut self) -> Event {
        loop {
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            let ping_at = self.last_sent + self.timeout / 3;
            let outcome = match time::timeout_at(ping_at, self.frame()).await {
                Ok(Ok(frame)) => self.sort_in(frame).map(drop),
                Ok(Err(failure)) => Err(failure),
                Err(_) => self.ping().await,
            };
            if outcome.is_err() {
                self.broken = true;
                return Event::of_state("Disconnected");
            }
        }
    }

    /// Ends the session, so that its ephemeral nodes go at once.
    pub async fn close(mut self) {
        let _ = self.call(CLOSE, |_| {}).await;
    }

    pub async fn children(&mut self, path: &str, watch: bool) -> Result<(Vec<String>, Stat), Failure> {
        let mut answer = self.about(GET_CHILDREN_2, path, |request| request.put_u8(watch.into())).await?;
        let mut names = Vec::new();
        for _ in 0..answer.try_get_i32().map_err(|_| Failure::MARSHALLING)? {
            names.push(text(&mut answer).ok_or(Failure::MARSHALLING)?);
        }
        Ok((names, stat(&mut answer).ok_or(Failure::MARSHALLING)?))
    }

    /// Data (`None` is null) and stat.
    pub async fn get(&mut self, path: &str, watch: bool) -> Result<(Option<Bytes>, Stat), Failure> {
        let mut answer = self.about(GET_DATA, path, |request| request.put_u8(watch.into())).await?;
        let data = buffer(&mut answer).ok_or(Failure::MARSHALLING)?;
        Ok((data, stat(&mut answer).ok_or(Failure::MARSHALLING)?))
    }

    pub async fn exists(&mut self, path: &str, watch: bool) -> Result<Stat, Failure> {
        let mut answer = self.about(EXISTS, path, |request| request.put_u8(watch.into())).await?;
        stat(&mut answer).ok_or(Failure::MARSHALLING)
    }

    /// Creates a node and answers its path. `flags`: 1 ephemeral, 2 sequential.
    pub async fn create(
        &mut self,
        path: &str,
        data: Option<&[u8]>,
        acl: &[Acl],
        flags: i32,
    ) -> Result<String, Failure> {
        let arguments = |request: &mut BytesMut| {
            put_bytes(request, data);
            request.put_i32(acl.len() as i32);
            for entry in acl {
                request.put_i32(entry.permissions);
                put_bytes(request, Some(entry.scheme.as_bytes()));
                put_bytes(request, Some(entry.id.as_bytes()));
            }
            request.put_i32(flags);
        };
        let mut answer = self.about(CREATE, path, arguments).await?;
        let created = text(&mut answer).ok_or(Failure::MARSHALLING)?;
        Ok(created.strip_prefix(&self.chroot).map_or(created.clone(), str::to_owned))
    }

    pub async fn set(&mut self, path: &str, data: &[u8], version: i32) -> Result<Stat, Failure> {
        let arguments = |request: &mut BytesMut| {
            put_bytes(request, Some(data));
            request.put_i32(version);
        };
        let mut answer = self.about(SET_DATA, path, arguments).await?;
        stat(&mut answer).ok_or(Failure::MARSHALLING)
    }

    pub async fn delete(&mut self, path: &str, version: i32) -> Result<(), Failure> {
        self.about(DELETE, path, |request| request.put_i32(version)).await.map(drop)
    }

    /// Deletes all of these nodes or none, in this order.
    pub async fn delete_all(&mut self, paths: &[String]) -> Result<(), Failure> {
        let full: Vec<String> = paths.iter().map(|path| self.full(path)).collect();
        let arguments = |request: &mut BytesMut| {
            for path in &full {
                put_multi_header(request, DELETE, false);
                put_bytes(request, Some(path.as_bytes()));
                request.put_i32(-1);
            }
            put_multi_header(request, -1, true);
        };
        self.call(MULTI, arguments).await.map(drop)
    }

    pub async fn acl(&mut self, path: &str) -> Result<(Vec<Acl>, Stat), Failure> {
        let mut answer = self.about(GET_ACL, path, |_| {}).await?;
        let mut entries = Vec::new();
        for _ in 0..answer.try_get_i32().map_err(|_| Failure::MARSHALLING)? {
            let permissions = answer.try_get_i32().map_err(|_| Failure::MARSHALLING)?;
            let scheme = text(&mut answer).ok_or(Failure::MARSHALLING)?;
            let id = text(&mut answer).ok_or(Failure::MARSHALLING)?;
            entries.push(Acl { permissions, scheme, id });
        }
        Ok((entries, stat(&mut answer).ok_or(Failure::MARSHALLING)?))
    }

    pub async fn sync(&mut self, path: &str) -> Result<(), Failure> {
        self.about(SYNC, path, |_| {}).await.map(drop)
    }

    fn full(&self, path: &str) -> String {
        match (self.chroot.as_str(), path) {
            ("", path) => path.to_owned(),
            (chroot, "/") => chroot.to_owned(),
            (chroot, path) => format!("{chroot}{path}"),
        }
    }

    /// A request whose first argument is a path.
    async fn about(
        &mut self,
        operation: i32,
        path: &str,
        arguments: impl FnOnce(&mut BytesMut),
    ) -> Result<Bytes, Failure> {
        let path = self.full(path);
        let with_path = |request: &mut BytesMut| {
            put_bytes(request, Some(path.as_bytes()));
            arguments(request);
        };
        self.call(operation, with_path).await
    }

    async fn call(&mut self, operation: i32, arguments: impl FnOnce(&mut BytesMut)) -> Result<Bytes, Failure> {
        self.xid += 1;
        let mut request = BytesMut::new();
        request.put_i32(self.xid);
        request.put_i32(operation);
        arguments(&mut request);
        let outcome = match time::timeout(self.timeout, self.exchange(&request)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Failure::CONNECTION_LOSS),
        };
        let (error, answer) = outcome.inspect_err(|_| self.broken = true)?;
        if error == 0 { Ok(answer) } else { Err(Failure(error)) }
    }

    async fn exchange(&mut self, request: &BytesMut) -> Result<(i32, Bytes), Failure> {
        self.write(request).await?;
        loop {
            let frame = self.frame().await?;
            if let Some(reply) = self.sort_in(frame)? {
                return Ok(reply);
            }
        }
    }

    /// The error and answer of a reply; `None` for what was no reply to a request.
    fn sort_in(&mut self, mut frame: Bytes) -> Result<Option<(i32, Bytes)>, Failure> {
        let header = |_| Failure::MARSHALLING;
        let xid = frame.try_get_i32().map_err(header)?;
        let _zxid = frame.try_get_i64().map_err(header)?;
        let error = frame.try_get_i32().map_err(header)?;
        match xid {
            PING_XID => Ok(None),
            EVENT_XID => {
                if let Some(event) = Event::decode(frame).filter(|_| self.events.len() < MOST_EVENTS) {
                    self.events.push_back(event);
                }
                Ok(None)
            }
            xid if xid == self.xid => Ok(Some((error, frame))),
            _ => Err(Failure::MARSHALLING),
        }
    }

    async fn ping(&mut self) -> Result<(), Failure> {
        let mut request = BytesMut::new();
        request.put_i32(PING_XID);
        request.put_i32(PING);
        self.write(&request).await
    }

    async fn write(&mut self, body: &[u8]) -> Result<(), Failure> {
        let mut frame = BytesMut::with_capacity(4 + body.len());
        frame.put_i32(body.len() as i32);
        frame.put_slice(body);
        self.last_sent = Instant::now();
        let written = async {
            self.stream.write_all(&frame).await?;
            self.stream.flush().await
        };
        written.await.map_err(|_| Failure::CONNECTION_LOSS)
    }

    /// The next frame. Safe to drop while waiting: what came so far stays in the inbox.
    async fn frame(&mut self) -> Result<Bytes, Failure> {
        loop {
            if let Some(length) = self.inbox.first_chunk() {
                let length = usize::try_from(i32::from_be_bytes(*length)).map_err(|_| Failure::MARSHALLING)?;
                if length > MOST_BYTES {
                    return Err(Failure::MARSHALLING);
                }
                if self.inbox.len() - 4 >= length {
                    self.inbox.advance(4);
                    return Ok(self.inbox.split_to(length).freeze());
                }
            }
            match self.stream.read_buf(&mut self.inbox).await {
                Ok(0) | Err(_) => return Err(Failure::CONNECTION_LOSS),
                Ok(_) => {}
            }
        }
    }
}

fn put_bytes(out: &mut BytesMut, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => {
            out.put_i32(bytes.len() as i32);
            out.put_slice(bytes);
        }
        None => out.put_i32(-1),
    }
}

fn put_multi_header(out: &mut BytesMut, operation: i32, done: bool) {
    out.put_i32(operation);
    out.put_u8(done.into());
    out.put_i32(-1);
}

/// `Some(None)` is null; `None` is no buffer.
fn buffer(bytes: &mut Bytes) -> Option<Option<Bytes>> {
    match bytes.try_get_i32().ok()? {
        -1 => Some(None),
        length => {
            let length = usize::try_from(length).ok().filter(|length| *length <= bytes.len())?;
            Some(Some(bytes.split_to(length)))
        }
    }
}

fn text(bytes: &mut Bytes) -> Option<String> {
    Some(String::from_utf8_lossy(&buffer(bytes)?.unwrap_or_default()).into_owned())
}

fn stat(bytes: &mut Bytes) -> Option<Stat> {
    Some(Stat {
        czxid: bytes.try_get_i64().ok()?,
        mzxid: bytes.try_get_i64().ok()?,
        ctime: bytes.try_get_i64().ok()?,
        mtime: bytes.try_get_i64().ok()?,
        version: bytes.try_get_i32().ok()?,
        cversion: bytes.try_get_i32().ok()?,
        aversion: bytes.try_get_i32().ok()?,
        ephemeral_owner: bytes.try_get_i64().ok()?,
        data_length: bytes.try_get_i32().ok()?,
        num_children: bytes.try_get_i32().ok()?,
        pzxid: bytes.try_get_i64().ok()?,
    })
}

/// Says what is wrong with a path (`PathUtils.validatePath`).
pub fn check_path(path: &str) -> Result<(), String> {
    if path.is_empty() {
        return Err("Path length must be > 0".to_owned());
    }
    if !path.starts_with('/') {
        return Err("Path must start with / character".to_owned());
    }
    if path == "/" {
        return Ok(());
    }
    if path.ends_with('/') {
        return Err("Path must not end with / character".to_owned());
    }
    let invalid = |reason: &str, at: usize| Err(format!("Invalid path string \"{path}\" caused by {reason} @{at}"));
    let mut at = 0;
    for name in path.split('/').skip(1) {
        at += 1;
        match name {
            "" => return invalid("empty node name specified", at),
            "." => return invalid("relative paths not allowed", at),
            ".." => return invalid("relative paths not allowed", at + 1),
            _ => {}
        }
        for letter in name.chars() {
            match letter {
                '\0' => return invalid("null character not allowed", at),
                '\u{1}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{e000}'..='\u{f8ff}' | '\u{fff0}'..='\u{ffff}' => {
                    return invalid("invalid character", at);
                }
                _ => at += letter.len_utf16(),
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connect_strings_have_hosts_and_a_chroot() {
        for (text, hosts, chroot) in [
            ("a", vec!["a:2181"], ""),
            ("a:1,b:2", vec!["a:1", "b:2"], ""),
            ("a:1/kafka/x", vec!["a:1"], "/kafka/x"),
            ("a:1/", vec!["a:1"], ""),
            ("[::1]:1", vec!["[::1]:1"], ""),
        ] {
            let (got_hosts, got_chroot) = parse_connect_string(text);
            assert_eq!((got_hosts, got_chroot.as_str()), (hosts.into_iter().map(str::to_owned).collect(), chroot));
        }
    }

    #[test]
    fn paths_are_judged_as_in_java() {
        for (path, want) in [
            ("/", ""),
            ("/a/b.c", ""),
            ("/a/..b", ""),
            ("", "Path length must be > 0"),
            ("a", "Path must start with / character"),
            ("/a/", "Path must not end with / character"),
            ("/a//b", "Invalid path string \"/a//b\" caused by empty node name specified @3"),
            ("/a/./b", "Invalid path string \"/a/./b\" caused by relative paths not allowed @3"),
            ("/a/../b", "Invalid path string \"/a/../b\" caused by relative paths not allowed @4"),
            ("/a\u{1}", "Invalid path string \"/a\u{1}\" caused by invalid character @2"),
        ] {
            assert_eq!(check_path(path).err().unwrap_or_default(), want, "{path:?}");
        }
    }
}
