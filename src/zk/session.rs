//! [`Zk`] over the network: every operation becomes a request to the supervisor, every answer a typed result.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use thiserror::Error;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use zk_paths::ids::ZkVersion;

use super::connection::{Failure, MAX_FRAME, Retry};
use super::jute::{Malformed, Reader, code, op_code, request};
use super::link::Link;
use super::settings::ZkSettings;
use super::supervisor::Supervisor;
use super::{
    CreateMode, EventReceiver, MultiError, Node, Op, OpResult, SessionId, Stat, Watch, Zk, ZkError, ZkEvent, watches,
};
use crate::locks::lock;

/// Requests that wait for the supervisor to take them; more make their senders wait.
const QUEUE: usize = 256;
/// How long a server that was asked too much may take to hang up.
const HANG_UP: Duration = Duration::from_secs(1);
/// Nodes read by one multi-read, or at once where servers do not know it.
const READ_CHUNK: usize = 500;

/// A session with a real ensemble. Dropping it without [`ZkSession::close`] ends the session too, but unawaited.
#[derive(Debug)]
pub struct ZkSession {
    link: Link,
    in_flight: Semaphore,
    closing: watch::Sender<bool>,
    supervisor: Mutex<Option<JoinHandle<()>>>,
}

/// The ensemble could not be reached at start.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// No server gave us a session in time.
    #[error(
        "no ZooKeeper server of {servers} gave a session within {timeout_ms} ms (zookeeper.connection.timeout.ms); \
         last problem: {last_problem}"
    )]
    TimedOut {
        /// The servers of `zookeeper.connect`.
        servers: String,
        /// How long was tried.
        timeout_ms: u128,
        /// Of the last attempt.
        last_problem: String,
    },
    /// The chroot is missing and could not be made.
    #[error("the chroot of zookeeper.connect could not be created")]
    Chroot(#[source] ZkError),
}

impl ZkSession {
    /// Opens a session, waits for it at most the connection timeout, and creates the chroot when it is missing.
    pub async fn connect(settings: ZkSettings) -> Result<Arc<ZkSession>, ConnectError> {
        let session = ZkSession::start(settings);
        let within = session.link.settings.connection_timeout;
        match timeout(within, session.establish()).await {
            Ok(established) => established?,
            Err(_) => {
                return Err(ConnectError::TimedOut {
                    servers: session.link.settings.server_names(),
                    timeout_ms: within.as_millis(),
                    last_problem: session.link.last_problem(),
                });
            }
        }
        Ok(Arc::new(session))
    }

    /// Ends the session, which removes its ephemeral nodes, and waits for the server to confirm it (5 s at most).
    /// Everything still under way fails with [`ZkError::Closed`] or [`ZkError::UnknownOutcome`].
    pub async fn close(&self) {
        self.closing.send_replace(true);
        let supervisor = lock(&self.supervisor).take();
        if let Some(supervisor) = supervisor {
            let _ = supervisor.await;
        }
    }

    fn start(settings: ZkSettings) -> ZkSession {
        let (requests, queue) = mpsc::channel(QUEUE);
        let (closing, closed) = watch::channel(false);
        let in_flight = Semaphore::new(settings.max_in_flight.clamp(1, Semaphore::MAX_PERMITS));
        let link = Link::new(settings, requests);
        let supervisor = tokio::spawn(Supervisor::new(link.clone(), queue, closed).run());
        ZkSession { link, in_flight, closing, supervisor: Mutex::new(Some(supervisor)) }
    }

    /// Waits for the first session, finds out what the servers know, and makes the chroot.
    async fn establish(&self) -> Result<(), ConnectError> {
        let mut events = self.link.hub.subscribe();
        while self.link.session() == SessionId(0) {
            if events.next().await.is_none() {
                break;
            }
        }
        let probe = self.link.call(request::multi_read(std::iter::empty()), Retry::Read).await;
        if probe == Err(Failure::Code(code::UNIMPLEMENTED)) {
            self.link.forget_persistent_watches();
            // Such a server hangs up now. Waiting for that spares the first write an unknown outcome.
            let _ =
                timeout(HANG_UP, async { while !matches!(events.next().await, Some(ZkEvent::Disconnected) | None) {} })
                    .await;
        }
        self.create_chroot().await.map_err(ConnectError::Chroot)
    }

    async fn create_chroot(&self) -> Result<(), ZkError> {
        let chroot = self.link.settings.chroot.clone();
        let ends = chroot.char_indices().skip(1).filter(|(_, c)| *c == '/').map(|(at, _)| at);
        for end in ends.chain((!chroot.is_empty()).then_some(chroot.len())) {
            let path = chroot.get(..end).unwrap_or_default().to_string();
            let op = Op::Create { path: path.clone(), data: None, mode: CreateMode::Persistent };
            // Creating a node that may be there already can be repeated without harm.
            match self.link.call(request::write(&op, str::to_string), Retry::Read).await {
                Ok(_) | Err(Failure::Code(code::NODE_EXISTS)) => {}
                Err(failure) => return Err(zk_error(&path, failure)),
            }
        }
        Ok(())
    }

    /// One request within the limit of requests in flight.
    async fn ask(&self, path: &str, body: Bytes, retry: Retry) -> Result<Reader, ZkError> {
        let _permit = self.in_flight.acquire().await.map_err(|_| ZkError::Closed { path: path.into() })?;
        self.link.call(body, retry).await.map(Reader).map_err(|failure| zk_error(path, failure))
    }

    async fn read(&self, op: i32, path: &str) -> Result<Reader, ZkError> {
        self.ask(path, request::read(op, &self.link.absolute(path), false), Retry::Read).await
    }

    async fn write(&self, op: &Op) -> Result<Reader, ZkError> {
        let body = request::write(op, |path| self.link.absolute(path));
        self.ask(op.path(), body, Retry::Write).await
    }

    /// Reads up to [`READ_CHUNK`] nodes, in one request where the servers know multi-reads.
    async fn read_chunk(&self, paths: &[String]) -> Result<Vec<Option<Node>>, ZkError> {
        let first = paths.first().map_or("/", String::as_str);
        if !self.link.knows_persistent_watches() {
            return self.read_pipelined(paths).await;
        }
        let absolute: Vec<String> = paths.iter().map(|path| self.link.absolute(path)).collect();
        let body = request::multi_read(absolute.iter().map(String::as_str));
        let results = match self.ask(first, body, Retry::Read).await {
            Ok(mut answer) => answer.multi_read().map_err(|error| malformed(first, error))?,
            Err(ZkError::Unimplemented { .. }) => {
                self.link.forget_persistent_watches();
                return self.read_pipelined(paths).await;
            }
            // Large nodes: an answer over the limit fails as a whole, its halves may fit.
            Err(ZkError::Protocol { .. }) if paths.len() > 1 => return self.read_halves(paths).await,
            Err(error) => return Err(error),
        };
        if results.len() != paths.len() {
            return Err(malformed(
                first,
                Malformed(format!("{} nodes where {} were asked", results.len(), paths.len())),
            ));
        }
        let with_path = results.into_iter().zip(paths);
        with_path.map(|(result, path)| present(result.map_err(|code| zk_error(path, Failure::Code(code))))).collect()
    }

    async fn read_halves(&self, paths: &[String]) -> Result<Vec<Option<Node>>, ZkError> {
        let (front, back) = paths.split_at(paths.len() / 2);
        let mut nodes = Box::pin(self.read_chunk(front)).await?;
        nodes.extend(Box::pin(self.read_chunk(back)).await?);
        Ok(nodes)
    }

    /// Reads nodes by one request each, all of the chunk under way at once.
    async fn read_pipelined(&self, paths: &[String]) -> Result<Vec<Option<Node>>, ZkError> {
        let closed = |path: &String| ZkError::Closed { path: path.clone() };
        let mut answers = Vec::with_capacity(paths.len());
        for path in paths {
            let body = request::read(op_code::GET_DATA, &self.link.absolute(path), false);
            answers.push(self.link.send(body, Retry::Read).await.map_err(|_| closed(path))?);
        }
        let mut nodes = Vec::with_capacity(paths.len());
        for (path, answer) in paths.iter().zip(answers) {
            let answer = answer.await.map_err(|_| closed(path))?.map_err(|failure| zk_error(path, failure));
            let node = answer.and_then(|body| Reader(body).node().map_err(|error| malformed(path, error)));
            nodes.push(present(node)?);
        }
        Ok(nodes)
    }
}

impl Drop for ZkSession {
    fn drop(&mut self) {
        self.closing.send_replace(true);
    }
}

#[async_trait]
impl Zk for ZkSession {
    async fn close(&self) {
        ZkSession::close(self).await;
    }

    async fn get(&self, path: &str) -> Result<Node, ZkError> {
        self.read(op_code::GET_DATA, path).await?.node().map_err(|error| malformed(path, error))
    }

    async fn exists(&self, path: &str) -> Result<Option<Stat>, ZkError> {
        match self.read(op_code::EXISTS, path).await {
            Ok(mut answer) => answer.stat().map(Some).map_err(|error| malformed(path, error)),
            Err(ZkError::NoNode { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn children(&self, path: &str) -> Result<Vec<String>, ZkError> {
        self.read(op_code::GET_CHILDREN, path).await?.children().map_err(|error| malformed(path, error))
    }

    async fn get_many(&self, paths: &[String]) -> Result<Vec<Option<Node>>, ZkError> {
        let mut nodes = Vec::with_capacity(paths.len());
        for chunk in paths.chunks(READ_CHUNK) {
            nodes.extend(self.read_chunk(chunk).await?);
        }
        Ok(nodes)
    }

    async fn create(&self, path: &str, data: Option<Bytes>, mode: CreateMode) -> Result<String, ZkError> {
        let mut answer = self.write(&Op::Create { path: path.into(), data, mode }).await?;
        let created = answer.string("created path").map_err(|error| malformed(path, error))?;
        self.below_chroot(path, &created)
    }

    async fn set(&self, path: &str, data: Bytes, expected: ZkVersion) -> Result<Stat, ZkError> {
        let mut answer = self.write(&Op::Set { path: path.into(), data, expected }).await?;
        answer.stat().map_err(|error| malformed(path, error))
    }

    async fn delete(&self, path: &str, expected: ZkVersion) -> Result<(), ZkError> {
        self.write(&Op::Delete { path: path.into(), expected }).await.map(drop)
    }

    async fn multi(&self, ops: Vec<Op>) -> Result<Vec<OpResult>, MultiError> {
        let Some(first) = ops.first().map(Op::path) else { return Ok(Vec::new()) };
        let body = request::multi(&ops, |path| self.link.absolute(path));
        let mut answer = self.ask(first, body, Retry::Write).await?;
        match answer.multi().map_err(|error| malformed(first, error))? {
            Ok(results) if results.len() == ops.len() => {
                results.into_iter().map(|result| self.result_below_chroot(first, result)).collect()
            }
            Ok(results) => {
                let reason = format!("{} results for {} operations", results.len(), ops.len());
                Err(malformed(first, Malformed(reason)).into())
            }
            Err((index, code)) => {
                let path = ops.get(index).map_or(first, Op::path);
                Err(MultiError::Op { index, error: zk_error(path, Failure::Code(code)) })
            }
        }
    }

    async fn sync(&self, path: &str) -> Result<(), ZkError> {
        self.ask(path, request::sync(&self.link.absolute(path)), Retry::Read).await.map(drop)
    }

    async fn watch(&self, watch: Watch) -> Result<(), ZkError> {
        let path = watch.path().to_string();
        self.link.registry().add(watch.clone());
        let armed = watches::arm(&self.link, &watch, Retry::Read).await.map_err(|failure| zk_error(&path, failure));
        let armed = match (armed, &watch) {
            (Ok(()), Watch::Children(_) | Watch::ChildrenAndData(_)) => {
                self.read(op_code::EXISTS, &path).await.map(drop)
            }
            (armed, _) => armed,
        };
        match armed {
            // The session went while we set the watch: it is registered, so the next session sets it and says Resync.
            Err(ZkError::SessionExpired { .. }) => Ok(()),
            Err(error) => {
                self.link.registry().remove(&watch);
                Err(error)
            }
            Ok(()) => Ok(()),
        }
    }

    fn unwatch(&self, watch: &Watch) {
        self.link.registry().remove(watch);
    }

    fn subscribe(&self) -> EventReceiver {
        self.link.hub.subscribe()
    }

    fn session_id(&self) -> SessionId {
        self.link.session()
    }
}

impl ZkSession {
    fn below_chroot(&self, asked: &str, created: &str) -> Result<String, ZkError> {
        let outside = || Malformed(format!("created {created}, which is outside of the chroot"));
        self.link.relative(created).ok_or_else(|| malformed(asked, outside()))
    }

    fn result_below_chroot(&self, asked: &str, result: OpResult) -> Result<OpResult, MultiError> {
        match result {
            OpResult::Created(path) => Ok(OpResult::Created(self.below_chroot(asked, &path)?)),
            other => Ok(other),
        }
    }
}

/// `None` for a node that is not there.
fn present(node: Result<Node, ZkError>) -> Result<Option<Node>, ZkError> {
    match node {
        Ok(node) => Ok(Some(node)),
        Err(ZkError::NoNode { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn malformed(path: &str, error: Malformed) -> ZkError {
    ZkError::Protocol { path: path.into(), reason: error.to_string() }
}

fn zk_error(path: &str, failure: Failure) -> ZkError {
    let path = path.to_string();
    match failure {
        Failure::Lost => ZkError::UnknownOutcome { path },
        Failure::Expired => ZkError::SessionExpired { path },
        Failure::Closed => ZkError::Closed { path },
        Failure::TooLarge(bytes) => ZkError::Protocol {
            path,
            reason: format!("{bytes} bytes in one request or answer; at most {MAX_FRAME} fit"),
        },
        Failure::Code(code::NO_NODE) => ZkError::NoNode { path },
        Failure::Code(code::NODE_EXISTS) => ZkError::NodeExists { path },
        Failure::Code(code::BAD_VERSION) => ZkError::BadVersion { path },
        Failure::Code(code::NOT_EMPTY) => ZkError::NotEmpty { path },
        Failure::Code(code::NO_AUTH) => ZkError::NoAuth { path },
        Failure::Code(code::NO_CHILDREN_FOR_EPHEMERALS) => ZkError::NoChildrenForEphemerals { path },
        Failure::Code(code::UNIMPLEMENTED) => ZkError::Unimplemented { path },
        Failure::Code(code) => ZkError::Other { path, code },
    }
}
