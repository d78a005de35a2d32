//! The thread that owns the core and the log. It takes what has arrived, lets the core decide, makes all of it durable
//! with one sync, and only then hands out answers and events. What arrives during a sync goes into the next batch.
//!
//! When the log fails nothing more is answered: all connections are closed and the server reports the failure.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use rand::RngExt;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};
use tracing::{error, info, warn};
use world::Clock;

use crate::core::{ConnId, Core, Effect, Event, Now};
use crate::four_letter::{self, Counters, Word};
use crate::outbox::Outbox;
use crate::proto::ConnectRequest;
use crate::store::{Store, describe};

/// How many messages can wait for the engine.
pub const QUEUE: usize = 4096;
/// How many messages share one sync at most.
const MAX_BATCH: usize = 4096;

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
        /// Its share of the memory that all waiting frames may take.
        permit: OwnedSemaphorePermit,
    },
    /// A connection is gone.
    Disconnect(ConnId),
    /// Time went by.
    Tick,
    /// Somebody wants a four-letter word answered.
    Word(Word, oneshot::Sender<String>),
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
    store: Store,
    clock: Arc<dyn Clock>,
    outboxes: HashMap<ConnId, Arc<Outbox>>,
    counters: Counters,
    effects: Vec<Effect>,
}

impl Engine {
    /// Puts the parts together.
    pub fn new(core: Core, store: Store, clock: Arc<dyn Clock>, counters: Counters) -> Engine {
        Engine { core, store, clock, outboxes: HashMap::new(), counters, effects: Vec::new() }
    }

    /// Works until it is stopped, everybody who could send is gone, or the log fails.
    pub fn run(mut self, mut messages: mpsc::Receiver<Message>, health: &watch::Sender<Health>) {
        let end = loop {
            let Some(first) = messages.blocking_recv() else { break Health::Stopped };
            let mut running = self.handle(first);
            for _ in 1..MAX_BATCH {
                match messages.try_recv() {
                    Ok(message) if running => running = self.handle(message),
                    _ => break,
                }
            }
            if let Err(error) = self.finish_batch() {
                error!(error = %describe(&error), "the ZooKeeper log failed: closing all connections");
                break Health::Failed(describe(&error));
            }
            if !running {
                break Health::Stopped;
            }
            self.store.snapshot_if_due(self.core.state());
        };
        self.outboxes.values().for_each(|outbox| outbox.close());
        health.send_replace(end);
    }

    /// Takes one message; `false` says that it was the last.
    fn handle(&mut self, message: Message) -> bool {
        let now = Now { wall_ms: self.clock.now_ms(), monotonic: self.clock.monotonic() };
        let event = match message {
            Message::Connect { conn, peer, request, outbox } => {
                self.outboxes.insert(conn, outbox);
                Event::Connect { conn, peer, request, new_password: rand::rng().random() }
            }
            Message::Request { conn, frame, permit } => {
                self.counters.received += 1;
                drop(permit);
                Event::Request { conn, frame }
            }
            Message::Disconnect(conn) => {
                self.outboxes.remove(&conn);
                Event::Disconnect { conn }
            }
            Message::Tick => Event::Tick,
            Message::Word(word, answer) => {
                let connections = self.outboxes.iter().map(|(conn, outbox)| (*conn, outbox.counts())).collect();
                let _ = answer.send(four_letter::answer(word, &self.core, &self.counters, &connections));
                return true;
            }
            Message::Stop => return false,
        };
        self.core.handle(event, now, &mut self.effects);
        true
    }

    /// First everything durable, then everything visible.
    fn finish_batch(&mut self) -> Result<(), crate::txn_log::LogError> {
        for effect in &self.effects {
            if let Effect::Log(txn) = effect {
                self.store.append(txn);
            }
        }
        self.store.commit()?;
        for effect in self.effects.drain(..) {
            match effect {
                Effect::Log(_) => {}
                Effect::Reply(conn, frame) => {
                    self.counters.sent += 1;
                    if let Some(outbox) = self.outboxes.get(&conn) {
                        outbox.reply(&frame);
                    }
                }
                Effect::Notify(conn, frame) => {
                    self.counters.sent += 1;
                    if let Some(outbox) = self.outboxes.get(&conn) {
                        outbox.notify(&frame);
                    }
                }
                Effect::Close(conn) => {
                    if let Some(outbox) = self.outboxes.remove(&conn) {
                        outbox.close();
                    }
                }
            }
        }
        self.effects.shrink_to(64);
        Ok(())
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
