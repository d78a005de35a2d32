//! Starting and stopping: opens the store, starts the engine's thread, listens.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tracing::{info, warn};
use world::{Clock, Disk};

use crate::config::Config;
use crate::connection::{self, Shared};
use crate::core::{ConnId, Core, Limits};
use crate::engine::{self, Engine, Health, Message};
use crate::login::{self, LoginError};
use crate::snapshot;
use crate::stats::ServerStats;
use crate::store::{Settings, Store, StoreError};

/// How long a stop waits for connections to send what is queued on them.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// How long accepting pauses after it failed, as when there is no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why a server did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The data directory.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The address.
    #[error("listening on {address}")]
    Listen {
        /// As configured.
        address: SocketAddr,
        /// How it failed.
        source: io::Error,
    },
    /// The users of SASL.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// The engine's thread.
    #[error("starting a thread")]
    Thread(#[source] io::Error),
}

/// A running server. Dropping it stops it too, without waiting.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    engine: mpsc::Sender<Message>,
    health: watch::Receiver<Health>,
    tasks: Vec<JoinHandle<()>>,
    /// Ends when the last connection has ended: each holds a sender.
    connections: mpsc::Receiver<()>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// Recovers what is in the data directory and starts to listen. The directory's sessions have their full timeout from
/// now on.
pub async fn start(config: Config, disk: Arc<dyn Disk>, clock: Arc<dyn Clock>) -> Result<Server, StartError> {
    for key in &config.ignored {
        warn!(key, "this key of the ZooKeeper configuration means nothing to the embedded server");
    }
    let settings = Settings {
        tick: config.tick_time,
        sync: config.sync,
        snap_count: config.snap_count,
        retain: config.retain,
        purge: config.purge,
        snapshot_block: snapshot::BLOCK,
    };
    let auth = login::load(&config, &*disk)?;
    let listener = TcpListener::bind(config.address)
        .await
        .map_err(|source| StartError::Listen { address: config.address, source })?;
    let address = listener.local_addr().map_err(|source| StartError::Listen { address: config.address, source })?;
    let (data_dir, at) = (config.data_dir.clone(), clock.clone());
    let opened = tokio::task::spawn_blocking(move || Store::open(disk, &data_dir, settings, &*at)).await;
    let (store, state) = opened.map_err(|error| StartError::Thread(io::Error::other(error)))??;
    info!(%address, zxid = state.zxid, nodes = state.tree.node_count(), "the embedded ZooKeeper is up: one node, not for production");
    let limits = Limits {
        min_session_timeout_ms: config.min_session_timeout.as_millis() as i32,
        max_session_timeout_ms: config.max_session_timeout.as_millis() as i32,
        max_watch_bytes: config.max_watch_bytes,
        extended_types: config.extended_types,
        reconfig_enabled: config.reconfig_enabled,
        reaping: config.reaping,
    };
    let stats = ServerStats { conf: config.describe(address), started: clock.monotonic(), ..ServerStats::default() };
    let (send, receive) = mpsc::channel(engine::QUEUE);
    let engine = Engine::new(Core::new(state, limits, auth), store, clock, stats, send.downgrade());
    let (tell, health) = watch::channel(Health::Running);
    let thread = engine::spawn(engine, receive, tell).map_err(StartError::Thread)?;
    let (alive, connections) = mpsc::channel(1);
    let shared = Shared {
        engine: send.clone(),
        max_request_bytes: config.max_request_bytes,
        words: config.words,
        handshake_timeout: config.handshake_timeout,
        alive,
    };
    let tasks = vec![
        tokio::spawn(accept(listener, config.max_client_connections, Arc::new(shared))),
        tokio::spawn(tick(config.tick_time, send.clone())),
    ];
    Ok(Server { address, engine: send, health, tasks, connections, thread: Some(thread) })
}

impl Server {
    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Answers what is under way, closes all connections and waits for the end. Sessions live on in the data directory.
    pub async fn stop(mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
        let _ = self.engine.send(Message::Stop).await;
        let _ = self.health.wait_for(|health| *health != Health::Running).await;
        if let Some(thread) = self.thread.take() {
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
        for task in self.tasks.drain(..) {
            let _ = task.await;
        }
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, self.connections.recv()).await;
    }

    /// Waits until the server cannot go on, and says why. Does not return while it runs.
    pub async fn failed(&self) -> String {
        let mut health = self.health.clone();
        match health.wait_for(|health| *health != Health::Running).await.as_deref() {
            Ok(Health::Failed(reason)) => reason.clone(),
            Ok(_) => "it was stopped".into(),
            Err(_) => "its thread ended unexpectedly".into(),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
        let _ = self.engine.try_send(Message::Stop);
    }
}

async fn tick(every: Duration, engine: mpsc::Sender<Message>) {
    loop {
        tokio::time::sleep(every).await;
        if engine.send(Message::Tick).await.is_err() {
            return;
        }
    }
}

async fn accept(listener: TcpListener, limit: usize, shared: Arc<Shared>) {
    let per_address = Arc::new(PerAddress { limit, counts: Mutex::default() });
    for number in 1.. {
        match listener.accept().await {
            Ok((stream, peer)) => admit(stream, peer, ConnId(number), &per_address, &shared),
            Err(error) => {
                warn!(%error, "accepting a connection failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn admit(stream: TcpStream, peer: SocketAddr, conn: ConnId, per_address: &Arc<PerAddress>, shared: &Arc<Shared>) {
    let Some(place) = PerAddress::enter(per_address, peer.ip()) else {
        return warn!(%peer, limit = per_address.limit, "too many connections from this address (maxClientCnxns)");
    };
    let shared = shared.clone();
    tokio::spawn(async move {
        connection::serve(stream, peer, conn, shared).await;
        drop(place);
    });
}

/// How many connections each address has.
#[derive(Debug)]
struct PerAddress {
    limit: usize,
    counts: Mutex<HashMap<IpAddr, usize>>,
}

/// One connection's place in the count.
struct Place {
    of: Arc<PerAddress>,
    address: IpAddr,
}

impl PerAddress {
    fn enter(this: &Arc<PerAddress>, address: IpAddr) -> Option<Place> {
        let mut counts = this.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.get(&address).copied().unwrap_or(0);
        if this.limit != 0 && count >= this.limit {
            return None;
        }
        counts.insert(address, count + 1);
        Some(Place { of: this.clone(), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.of.counts.lock().unwrap_or_else(PoisonError::into_inner);
        match counts.get_mut(&self.address) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(counts.remove(&self.address)),
        }
    }
}
