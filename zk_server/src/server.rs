//! Starting and stopping: opens the store, starts the engine's thread, listens.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
use crate::memory::Memory;
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
    let listener =
        listen(config.address).await.map_err(|source| StartError::Listen { address: config.address, source })?;
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
    let ticking = clock.clone();
    let engine = Engine::new(Core::new(state, limits, auth), store, clock, stats, send.downgrade());
    let (tell, health) = watch::channel(Health::Running);
    let thread = engine::spawn(engine, receive, tell).map_err(StartError::Thread)?;
    let (alive, connections) = mpsc::channel(1);
    let doors = Doors::new(&config);
    let shared = Shared {
        engine: send.clone(),
        memory: Memory::new(config.max_connection_bytes),
        max_request_bytes: config.max_request_bytes,
        words: config.words,
        handshake_timeout: config.handshake_timeout,
        alive,
    };
    let tasks = vec![
        tokio::spawn(accept(listener, doors, Arc::new(shared))),
        tokio::spawn(tick(config.tick_time, ticking, send.clone())),
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

/// All addresses of IPv6 are those of IPv4 too, unless the machine has no IPv6.
async fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    match TcpListener::bind(address).await {
        Err(_) if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) => {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port())).await
        }
        bound => bound,
    }
}

/// Ticks when the buckets of sessions end, which are multiples of the tick.
async fn tick(every: Duration, clock: Arc<dyn Clock>, engine: mpsc::Sender<Message>) {
    loop {
        let since_last = Duration::from_millis(clock.monotonic().as_millis() as u64 % every.as_millis().max(1) as u64);
        tokio::time::sleep(every.saturating_sub(since_last)).await;
        if engine.send(Message::Tick).await.is_err() {
            return;
        }
    }
}

async fn accept(listener: TcpListener, doors: Arc<Doors>, shared: Arc<Shared>) {
    for number in 1.. {
        match listener.accept().await {
            Ok((stream, peer)) => admit(stream, peer, ConnId(number), &doors, &shared),
            Err(error) => {
                warn!(%error, "accepting a connection failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn admit(stream: TcpStream, peer: SocketAddr, conn: ConnId, doors: &Arc<Doors>, shared: &Arc<Shared>) {
    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    let place = match Doors::enter(doors, peer.ip()) {
        Ok(place) => place,
        Err(full) => return warn!(%peer, "connection refused: {full}"),
    };
    let shared = shared.clone();
    tokio::spawn(async move {
        connection::serve(stream, peer, conn, shared).await;
        drop(place);
    });
}

/// How many connections there are, and of each address.
#[derive(Debug)]
struct Doors {
    max_per_address: usize,
    max_in_all: usize,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    in_all: usize,
    per_address: HashMap<IpAddr, usize>,
}

/// Why a connection has no place.
#[derive(Debug, PartialEq, Eq, Error)]
enum Full {
    #[error("too many connections from this address, {0} are allowed (maxClientCnxns)")]
    Address(usize),
    #[error("too many connections, {0} are allowed (maxCnxns)")]
    Server(usize),
}

/// One connection's place in the counts.
#[derive(Debug)]
struct Place {
    of: Arc<Doors>,
    address: IpAddr,
}

impl Doors {
    fn new(config: &Config) -> Arc<Doors> {
        let (max_per_address, max_in_all) = (config.max_client_connections, config.max_connections);
        Arc::new(Doors { max_per_address, max_in_all, counts: Mutex::default() })
    }

    /// Limits of 0 are none.
    fn enter(this: &Arc<Doors>, address: IpAddr) -> Result<Place, Full> {
        let mut counts = this.counts();
        let of_address = counts.per_address.get(&address).copied().unwrap_or(0);
        if this.max_in_all != 0 && counts.in_all >= this.max_in_all {
            return Err(Full::Server(this.max_in_all));
        }
        if this.max_per_address != 0 && of_address >= this.max_per_address {
            return Err(Full::Address(this.max_per_address));
        }
        counts.in_all += 1;
        counts.per_address.insert(address, of_address + 1);
        Ok(Place { of: this.clone(), address })
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.of.counts();
        counts.in_all -= 1;
        match counts.per_address.get_mut(&self.address) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(counts.per_address.remove(&self.address)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_limited_in_all_and_by_address() {
        let (a, b) = (IpAddr::from([1, 1, 1, 1]), IpAddr::from([2, 2, 2, 2]));
        let mut config = Config::new("/zk");
        (config.max_client_connections, config.max_connections) = (2, 3);
        let doors = Doors::new(&config);
        let first = Doors::enter(&doors, a).unwrap();
        let _second = Doors::enter(&doors, a).unwrap();
        assert_eq!(Doors::enter(&doors, a).err(), Some(Full::Address(2)));
        let third = Doors::enter(&doors, b).unwrap();
        assert_eq!(Doors::enter(&doors, b).err(), Some(Full::Server(3)));
        drop(first);
        let _again = Doors::enter(&doors, a).unwrap();
        drop(third);
        let counts = doors.counts();
        assert_eq!((counts.in_all, counts.per_address.len()), (2, 1));
        drop(counts);
    }
}
