//! A server on loopback whose disk and clock belong to the test.
#![allow(dead_code, clippy::unwrap_used, reason = "each test binary uses a part; a failure is to show where")]

pub mod raw;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use world::clock::ManualClock;
use world::{Clock, Disk, MemDisk, SystemClock};
use zk_server::{Config, Server};
use zookeeper_client::{Acls, Client, CreateMode, CreateOptions};

/// What a persistent znode open to all is made with.
pub fn persistent() -> CreateOptions<'static> {
    CreateMode::Persistent.with_acls(Acls::anyone_all())
}

/// What an ephemeral znode open to all is made with.
pub fn ephemeral() -> CreateOptions<'static> {
    CreateMode::Ephemeral.with_acls(Acls::anyone_all())
}

/// A server with sessions of 200 ms to 60 s.
pub async fn start_at(disk: &MemDisk, clock: Arc<dyn Clock>, address: SocketAddr) -> Server {
    start_with(Config { address, ..Config::new("/zk") }, disk, clock).await
}

/// The same, of a configuration whose other parts are the test's.
pub async fn start_with(mut config: Config, disk: &MemDisk, clock: Arc<dyn Clock>) -> Server {
    config.tick_time = Duration::from_millis(50);
    config.min_session_timeout = Duration::from_millis(200);
    config.max_session_timeout = Duration::from_secs(60);
    config.words = zk_server::four_letter::Word::all();
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    zk_server::start(config, disk, clock).await.unwrap()
}

/// On a new disk, with the machine's clock.
pub async fn start() -> (Server, MemDisk) {
    let disk = MemDisk::new();
    (start_at(&disk, Arc::new(SystemClock::new()), loopback()).await, disk)
}

/// On a new disk, with a clock that stands still.
pub async fn start_with_manual_clock() -> (Server, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(1_700_000_000_000));
    (start_at(&MemDisk::new(), clock.clone(), loopback()).await, clock)
}

/// A free port.
pub fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// A client with a session of 20 s.
pub async fn connect(server: &Server) -> Client {
    connect_to(&server.local_addr().to_string(), Duration::from_secs(20)).await
}

/// A client of `host:port/chroot`.
pub async fn connect_to(cluster: &str, timeout: Duration) -> Client {
    Client::connector().with_session_timeout(timeout).connect(cluster).await.unwrap()
}
