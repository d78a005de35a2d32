//! The thread that owns the core and the log. It takes what has arrived, lets the core decide, makes all of it durable
//! with one sync, and only then hands out answers and events. What arrives during a sync goes into the next batch.
//! Between batches it takes down a stretch of the snapshot being written, if there is one; another thread writes it.
//!
//! Requests of a connection whose answers are not being read are put aside and go on, in order, when they were.
//!
//! When the log fails nothing more is answered: all connections are closed and the server reports the failure.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rand::RngExt;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{error, info, warn};
use world::Clock;

use crate::core::{ConnId, Core, Effect, Event, Now};
use crate::four_letter::{Connection, Scene, Word};
use crate::outbox::Outbox;
use crate::proto::{self, ConnectRequest};
use crate::stats::{ConnectionStats, ServerStats};
use crate::store::background::{Done, Thread};
use crate::store::{Store, describe};

/// How many messages can wait for the engine.
pub const QUEUE: usize = 4096;
/// How many messages share one sync at most.
const MAX_BATCH: usize = 4096;
/// A batch ends when its answers take this many bytes: until it ends, nobody can send them.
const MAX_BATCH_BYTES: usize = 4 << 20;

/// What the engine is told.
#[derive(Debug)]
pub enum Message {
    /// A connection's first frame.
    Connect {
        /// Its name.
        conn: ConnId,
        /// Its other end.
        peer: SocketAddr,
        /// What it asks for.
        request: ConnectRequest,
        /// Where its answers go.
        outbox: Arc<Outbox>,
    },
    /// Another frame.
    Request {
        /// From whom.
        conn: ConnId,
        /// Without its length.
        frame: Bytes,
    },
    /// What was unsent on a connection when its requests were put aside has been sent.
    Resume(ConnId),
    /// A connection is gone.
    Disconnect(ConnId),
    /// Time went by.
    Tick,
    /// A job beside the requests is done.
    Wake,
    /// Somebody wants a four-letter word answered.
    Word {
        /// Which.
        word: Word,
        /// Who wants to know.
        asker: SocketAddr,
        /// Where the answer goes.
        answer: oneshot::Sender<String>,
    },
    /// The end.
    Stop,
}

/// How the engine stands; what `Server::failed` waits on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// It works.
    Running,
    /// It was stopped.
    Stopped,
    /// It could not go on, and why.
    Failed(String),
}

/// The engine's state between batches.
pub struct Engine {
    core: Core,
    clock: Arc<dyn Clock>,
    clients: HashMap<ConnId, Client>,
    stats: ServerStats,
    effects: Vec<Effect>,
    /// The requests of the batch, whose time is taken when it ends.
    taken: Vec<Taken>,
    /// Effects up to here are counted in `batch_bytes`.
    counted: usize,
    batch_bytes: usize,
    /// Connections that could go on, but for the end of the batch.
    unfinished: Vec<ConnId>,
    ticked: bool,
    wake: mpsc::WeakSender<Message>,
    /// Made for the first job. Stands before the store, whose directory it works in: it must end first.
    background: Option<Thread>,
    store: Store,
}

/// A request under way.
struct Taken {
    conn: ConnId,
    op: i32,
    xid: i32,
    at: Duration,
}

/// A connection as the engine knows it.
struct Client {
    outbox: Arc<Outbox>,
    stats: ConnectionStats,
    /// Requests put aside.
    deferred: VecDeque<Bytes>,
}

impl Engine {
    /// Puts the parts together. `wake` leads to the queue that [`Engine::run`] reads.
    pub fn new(
        core: Core,
        store: Store,
        clock: Arc<dyn Clock>,
        stats: ServerStats,
        wake: mpsc::WeakSender<Message>,
    ) -> Engine {
        Engine {
            core,
            clock,
            clients: HashMap::new(),
            stats,
            effects: Vec::new(),
            taken: Vec::new(),
            counted: 0,
            batch_bytes: 0,
            unfinished: Vec::new(),
            ticked: false,
            wake,
            background: None,
            store,
        }
    }

    /// Works until it is stopped, everybody who could send is gone, or the log fails.
    pub fn run(mut self, mut messages: mpsc::Receiver<Message>, health: &watch::Sender<Health>) {
        let end = loop {
            let mut running = true;
            if self.unfinished.is_empty() {
                let Some(first) = self.next(&mut messages) else { break Health::Stopped };
                running = self.handle(first);
            }
            for conn in std::mem::take(&mut self.unfinished) {
                self.resume(conn);
            }
            for _ in 1..MAX_BATCH {
                if !running || self.batch_is_full() {
                    break;
                }
                let Ok(message) = messages.try_recv() else { break };
                running = self.handle(message);
            }
            if let Err(error) = self.finish_batch() {
                error!(error = %describe(&error), "the ZooKeeper log failed: closing all connections");
                break Health::Failed(describe(&error));
            }
            if !running {
                break Health::Stopped;
            }
            self.work_beside();
        };
        if end == Health::Stopped {
            self.store.close();
        }
        self.clients.values().for_each(|client| client.outbox.close());
        health.send_replace(end);
    }

    /// Waits for a message.
    fn next(&mut self, messages: &mut mpsc::Receiver<Message>) -> Option<Message> {
        match messages.try_recv() {
            Ok(message) => Some(message),
            Err(mpsc::error::TryRecvError::Disconnected) => None,
            Err(mpsc::error::TryRecvError::Empty) => {
                self.store.idle();
                messages.blocking_recv()
            }
        }
    }

    /// Hands out what is to be done beside the requests.
    fn work_beside(&mut self) {
        if let Some(done) = self.background.as_ref().and_then(Thread::poll) {
            self.store.done(&done, self.core.state_mut());
        }
        if let Some(job) = self.store.next_job(self.core.state_mut(), self.clock.monotonic()) {
            match self.background() {
                Ok(thread) => thread.send(job),
                Err(error) => {
                    warn!(%error, "no thread could be started to write a snapshot");
                    self.store.done(&Done::GivenUp, self.core.state_mut());
                }
            }
        }
        if self.store.is_behind(self.core.state())
            && let Some(thread) = self.background.as_ref().filter(|_| self.store.is_busy())
        {
            let done = thread.wait();
            self.store.done(&done, self.core.state_mut());
        }
    }

    fn background(&mut self) -> std::io::Result<&Thread> {
        let thread = match self.background.take() {
            Some(thread) => thread,
            None => {
                let wake = self.wake.clone();
                // With a full queue there is no need: whoever is busy looks behind every batch.
                Thread::start(self.store.worker(), move || {
                    let _ = wake.upgrade().map(|queue| queue.try_send(Message::Wake));
                })?
            }
        };
        Ok(self.background.insert(thread))
    }

    /// Takes one message; `false` says that it was the last.
    fn handle(&mut self, message: Message) -> bool {
        match message {
            Message::Connect { conn, peer, request, outbox } => {
                self.stats.received += 1;
                let stats = ConnectionStats::new(self.clock.now_ms());
                self.clients.insert(conn, Client { outbox, stats, deferred: VecDeque::new() });
                let (new_password, nonce) = rand::rng().random();
                self.happen(Event::Connect { conn, peer, request, new_password, nonce });
            }
            Message::Request { conn, frame } => self.request(conn, frame),
            Message::Resume(conn) => self.resume(conn),
            Message::Disconnect(conn) => {
                self.clients.remove(&conn);
                self.happen(Event::Disconnect { conn });
            }
            Message::Tick => {
                self.happen(Event::Tick);
                self.ticked = true;
            }
            Message::Wake => {}
            Message::Word { word, asker, answer } => {
                // Nobody to tell is fine: whoever asked is gone.
                let _ = answer.send(self.word(word, asker));
            }
            Message::Stop => return false,
        }
        true
    }

    fn word(&mut self, word: Word, asker: SocketAddr) -> String {
        self.stats.received += 1;
        let now = self.now();
        let connections = self.clients.iter_mut().map(|(conn, client)| {
            let (sent, queued) = client.outbox.counts();
            (*conn, Connection { stats: &mut client.stats, sent, queued })
        });
        let connections = connections.collect();
        Scene { core: &self.core, stats: &mut self.stats, connections, asker, now }.answer(word)
    }

    fn now(&self) -> Now {
        Now { wall_ms: self.clock.now_ms(), monotonic: self.clock.monotonic() }
    }

    fn happen(&mut self, event: Event) {
        let now = self.now();
        self.core.handle(event, now, &mut self.effects);
    }

    fn request(&mut self, conn: ConnId, frame: Bytes) {
        let Some(client) = self.clients.get_mut(&conn) else { return };
        if !client.deferred.is_empty() || client.outbox.defers() {
            return client.deferred.push_back(frame);
        }
        self.answer(conn, frame);
    }

    fn answer(&mut self, conn: ConnId, frame: Bytes) {
        let now = self.now();
        if let Some(client) = self.clients.get_mut(&conn) {
            client.outbox.request_taken(frame.len());
            client.stats.received += 1;
        }
        self.stats.received += 1;
        if let Ok((header, _)) = proto::decode_header(&frame) {
            self.taken.push(Taken { conn, op: header.op, xid: header.xid, at: now.monotonic });
        }
        self.core.handle(Event::Request { conn, frame }, now, &mut self.effects);
    }

    /// Goes on with what was put aside until that is done, the batch is full, or too much is unsent again.
    fn resume(&mut self, conn: ConnId) {
        while let Some(client) = self.clients.get_mut(&conn).filter(|client| !client.outbox.defers()) {
            let Some(frame) = client.deferred.pop_front() else { return };
            self.answer(conn, frame);
            if self.batch_is_full() {
                return self.unfinished.push(conn);
            }
        }
    }

    /// Whether the answers so far take so much that they should go out first, or a snapshot waits to be written.
    fn batch_is_full(&mut self) -> bool {
        for effect in self.effects.iter().skip(self.counted) {
            if let Effect::Reply(_, frame) = effect {
                self.batch_bytes += frame.len();
            }
        }
        self.counted = self.effects.len();
        self.batch_bytes > MAX_BATCH_BYTES || self.store.is_behind(self.core.state())
    }

    /// First everything durable, then everything visible.
    fn finish_batch(&mut self) -> Result<(), crate::txn_log::LogError> {
        for effect in &self.effects {
            if let Effect::Log(txn) = effect {
                self.store.append(txn);
            }
        }
        self.store.commit()?;
        self.note_times();
        for effect in self.effects.drain(..) {
            match effect {
                Effect::Log(_) => {}
                Effect::Reply(conn, frame) => {
                    self.stats.sent += 1;
                    if let Some(client) = self.clients.get(&conn) {
                        client.outbox.reply(&frame);
                    }
                }
                Effect::Notify(conn, frame) => {
                    self.stats.sent += 1;
                    if let Some(client) = self.clients.get(&conn) {
                        client.outbox.notify(&frame);
                    }
                }
                Effect::Close(conn) => close(&mut self.clients, conn),
                Effect::Warn(warning) => warn!("{warning}"),
            }
        }
        (self.counted, self.batch_bytes) = (0, 0);
        self.effects.shrink_to(64);
        if std::mem::take(&mut self.ticked) {
            self.store.tick()?;
        }
        Ok(())
    }

    /// Takes the time of the batch's requests, whose answers may leave now.
    fn note_times(&mut self) {
        if self.taken.is_empty() {
            return;
        }
        let (end, zxid) = (self.clock.monotonic(), self.core.state().zxid);
        for Taken { conn, op, xid, at } in self.taken.drain(..) {
            self.stats.latency.add(end.saturating_sub(at).as_millis() as u64);
            if let Some(client) = self.clients.get_mut(&conn) {
                client.stats.answered(op, xid, zxid, at, end);
            }
        }
    }
}

fn close(clients: &mut HashMap<ConnId, Client>, conn: ConnId) {
    if let Some(client) = clients.remove(&conn) {
        client.outbox.close();
    }
}

/// Starts the thread.
pub fn spawn(
    engine: Engine,
    messages: mpsc::Receiver<Message>,
    health: watch::Sender<Health>,
) -> std::io::Result<std::thread::JoinHandle<()>> {
    std::thread::Builder::new().name("zk-engine".into()).spawn(move || {
        // Should the thread panic, dropping the sender still tells everybody that there is no engine any more.
        engine.run(messages, &health);
        match &*health.borrow() {
            Health::Failed(_) => warn!("the embedded ZooKeeper is down"),
            _ => info!("the embedded ZooKeeper stopped"),
        }
    })
}
