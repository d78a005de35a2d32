//! The ZooKeeper session against real servers: Apache ZooKeeper 3.4, 3.5, 3.8 and 3.9, and our own `zk_server`.
//!
//! One scenario per server: operations, a registration, then an outage longer than the session timeout (the session must
//! survive it), then silence on the wire while the server lives (the server must end the session, and only it).
//! Sleeps here are outages, never synchronisation: what is waited for is waited for by its event.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use klamm::zk::registration::{self, Registrar};
use klamm::zk::{
    Change, CreateMode, EventReceiver, How, MultiError, Op, OpResult, Watch, Zk, ZkError, ZkEvent, ZkSession,
    ZkSettings,
};
use test_lab::{ZooKeeper, ZooKeeperVersion};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use world::{Clock, Disk};
use zk_paths::broker_registration::{BrokerRegistration, Endpoint, RegistrationFormat, SecurityProtocol};
use zk_paths::ids::{BrokerEpoch, BrokerId, ZkVersion};

const SESSION_TIMEOUT: Duration = Duration::from_secs(2);
/// Longer than the session timeout, and than 1.4 times it, when some clients end a session by themselves.
const OUTAGE: Duration = Duration::from_millis(3500);
/// Bytes that a read and a write of `/a` take. Pings, 12 bytes each and one in 600 ms, cannot add up to as much before the
/// connection counts as dead.
const READ_AND_WRITE: usize = 70;
const LIMIT: Duration = Duration::from_secs(30);

#[test]
fn a_session_with_zookeeper_3_4() {
    run_with_java(ZooKeeperVersion::V3_4);
}

#[test]
fn a_session_with_zookeeper_3_5() {
    run_with_java(ZooKeeperVersion::V3_5);
}

#[test]
fn a_session_with_zookeeper_3_8() {
    run_with_java(ZooKeeperVersion::V3_8);
}

#[test]
fn a_session_with_zookeeper_3_9() {
    run_with_java(ZooKeeperVersion::V3_9);
}

#[test]
fn a_session_with_our_own_server() {
    let dir = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let config = zk_server::Config {
            tick_time: Duration::from_millis(500),
            min_session_timeout: Duration::from_secs(1),
            ..zk_server::Config::new(dir.path())
        };
        let server = zk_server::start(config.clone(), disk(), clock()).await.unwrap();
        let config = zk_server::Config { address: server.local_addr(), ..config };
        run(TestServer::Ours { config: Box::new(config), server: Some(server) }).await;
    });
}

/// The leader of an ensemble dies, then all but one server: the session, and what hangs on it, outlives both.
#[test]
fn a_session_with_an_ensemble_of_three() {
    let mut servers = ZooKeeper::start_ensemble(ZooKeeperVersion::V3_8, 3);
    runtime().block_on(async {
        let zk = connect_to(&servers.iter().map(ZooKeeper::address).collect::<Vec<_>>().join(",")).await;
        operations(&*zk).await;
        watches(&*zk).await;
        let registrar = Registrar::new(zk.clone(), BrokerId(1));
        let broker_epoch = register(&zk, &registrar).await;
        let session = zk.session_id();

        let leader = servers.iter().position(ZooKeeper::leads).unwrap();
        survives(&zk, || servers[leader].kill()).await;
        changes_are_told(&*zk, "under_the_next_leader").await;
        assert_eq!((zk.session_id(), register(&zk, &registrar).await), (session, broker_epoch));

        servers[leader].restart();
        // A majority is away for longer than the session timeout.
        servers.iter_mut().take(2).for_each(ZooKeeper::kill);
        tokio::time::sleep(OUTAGE).await;
        survives(&zk, || servers.iter_mut().take(2).for_each(ZooKeeper::launch)).await;
        changes_are_told(&*zk, "after_no_majority").await;
        assert_eq!((zk.session_id(), register(&zk, &registrar).await), (session, broker_epoch));
        zk.close().await;
    });
}

/// Waits until the session is in order again after an accident that ends its connection.
async fn survives(zk: &Arc<ZkSession>, accident: impl FnOnce()) {
    let mut events = zk.subscribe();
    accident();
    let told = wait_for(&mut events, &ZkEvent::Resync).await;
    assert!(!told.contains(&ZkEvent::Expired), "{told:?}");
}

fn run_with_java(version: ZooKeeperVersion) {
    let server = ZooKeeper::start(version);
    runtime().block_on(run(TestServer::Java(server)));
}

async fn run(mut server: TestServer) {
    let proxy = Proxy::start(server.port()).await;
    let zk = connect(proxy.port).await;
    operations(&*zk).await;
    many_nodes(&*zk).await;
    watches(&*zk).await;
    let registrar = Registrar::new(zk.clone(), BrokerId(1));
    let broker_epoch = register(&zk, &registrar).await;
    cut(&zk, &proxy).await;
    outage(&zk, &mut server).await;
    assert_eq!(register(&zk, &registrar).await, broker_epoch, "an outage does not bounce the broker");
    expiry(&zk, &proxy).await;
    assert!(register(&zk, &registrar).await > broker_epoch, "a new session is a new life of the broker");
    zk.close().await;
    assert_eq!(zk.exists("/a").await, Err(ZkError::Closed { path: path("/a") }));
    let other = connect(server.port()).await;
    assert_eq!(other.exists("/brokers/ids/1").await, Ok(None), "closing removed the ephemeral node");
    other.close().await;
    server.stop().await;
}

/// A server that can be taken away and brought back on the same data and port.
enum TestServer {
    Java(ZooKeeper),
    Ours { config: Box<zk_server::Config>, server: Option<zk_server::Server> },
}

impl TestServer {
    fn port(&self) -> u16 {
        match self {
            TestServer::Java(server) => server.port(),
            TestServer::Ours { config, .. } => config.address.port(),
        }
    }

    async fn stop(&mut self) {
        match self {
            TestServer::Java(server) => server.kill(),
            TestServer::Ours { server, .. } => {
                if let Some(server) = server.take() {
                    server.stop().await;
                }
            }
        }
    }

    async fn restart(&mut self) {
        match self {
            TestServer::Java(server) => server.restart(),
            TestServer::Ours { config, server } => {
                *server = Some(zk_server::start((**config).clone(), disk(), clock()).await.unwrap());
            }
        }
    }
}

fn disk() -> Arc<dyn Disk> {
    Arc::new(world::RealDisk)
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(world::SystemClock::new())
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Does what a starting broker does, as often as it is called.
async fn register(zk: &Arc<ZkSession>, registrar: &Registrar) -> BrokerEpoch {
    registration::create_top_level_paths(&**zk).await.unwrap();
    let cluster_id = registration::read_or_create_cluster_id(&**zk, "the-first").await.unwrap();
    assert_eq!(cluster_id, "the-first");
    let endpoint = Endpoint {
        listener_name: "PLAINTEXT".into(),
        security_protocol: SecurityProtocol::Plaintext,
        host: "b1".into(),
        port: 9092,
    };
    registration::check_endpoint_clash(&**zk, BrokerId(1), std::slice::from_ref(&endpoint)).await.unwrap();
    let document = BrokerRegistration {
        endpoints: vec![endpoint],
        rack: None,
        features: Default::default(),
        jmx_port: -1,
        timestamp_ms: 1_700_000_000_000,
    };
    let broker_epoch = registrar.register(&document, RegistrationFormat::V5).await.unwrap();
    let node = zk.get("/brokers/ids/1").await.unwrap();
    assert_eq!((BrokerEpoch(node.stat.czxid), node.stat.version), (broker_epoch, ZkVersion(1)));
    assert_eq!(BrokerRegistration::decode(BrokerId(1), &node.data), Ok(document));
    broker_epoch
}

async fn connect(port: u16) -> Arc<ZkSession> {
    // Nobody listens on port 1: the session finds the server that is there.
    connect_to(&format!("127.0.0.1:1,127.0.0.1:{port}")).await
}

async fn connect_to(servers: &str) -> Arc<ZkSession> {
    let settings = ZkSettings::parse(&format!("{servers}/cluster/main")).unwrap();
    ZkSession::connect(ZkSettings { session_timeout: SESSION_TIMEOUT, ..settings }).await.unwrap()
}

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn path(path: &str) -> String {
    path.into()
}

async fn operations(zk: &dyn Zk) {
    assert_eq!(zk.get("/a").await, Err(ZkError::NoNode { path: path("/a") }));
    assert_eq!(zk.create("/a", None, CreateMode::Persistent).await, Ok(path("/a")));
    let again = zk.create("/a", None, CreateMode::Persistent).await;
    assert_eq!(again, Err(ZkError::NodeExists { path: path("/a") }));
    let sequential = zk.create("/a/n_", Some(bytes("x")), CreateMode::PersistentSequential).await;
    assert_eq!(sequential, Ok(path("/a/n_0000000000")));
    assert_eq!(zk.delete("/a", ZkVersion::ANY).await, Err(ZkError::NotEmpty { path: path("/a") }));
    assert_eq!(zk.children("/a").await, Ok(vec![path("n_0000000000")]));
    assert_eq!(zk.set("/a", bytes("1"), ZkVersion(0)).await.unwrap().version, ZkVersion(1));
    let stale = zk.set("/a", bytes("2"), ZkVersion(0)).await;
    assert_eq!(stale, Err(ZkError::BadVersion { path: path("/a") }));
    let node = zk.get("/a").await.unwrap();
    assert_eq!((node.data, node.stat.version, node.stat.num_children), (bytes("1"), ZkVersion(1), 1));
    assert_eq!(zk.sync("/").await, Ok(()));

    let create_ephemeral = vec![
        Op::Check { path: path("/a"), version: ZkVersion(1) },
        Op::Create { path: path("/broker"), data: None, mode: CreateMode::Ephemeral },
        Op::Set { path: path("/broker"), data: bytes("me"), expected: ZkVersion(0) },
        Op::Delete { path: path("/a/n_0000000000"), expected: ZkVersion::ANY },
    ];
    let results = zk.multi(create_ephemeral.clone()).await.unwrap();
    let [OpResult::Checked, OpResult::Created(created), OpResult::Set(stat), OpResult::Deleted] = &results[..] else {
        panic!("{results:?}")
    };
    assert_eq!((created.as_str(), stat.ephemeral_owner), ("/broker", zk.session_id()));
    assert_eq!(stat.czxid, zk.get("/broker").await.unwrap().stat.czxid);
    let refused = zk.multi(create_ephemeral).await;
    assert_eq!(refused, Err(MultiError::Op { index: 1, error: ZkError::NodeExists { path: path("/broker") } }));
    let below = zk.create("/broker/x", None, CreateMode::Persistent).await;
    assert_eq!(below, Err(ZkError::NoChildrenForEphemerals { path: path("/broker/x") }));
}

/// More nodes than fit into one request, and more data than fits into one answer.
async fn many_nodes(zk: &dyn Zk) {
    zk.create("/many", None, CreateMode::Persistent).await.unwrap();
    let paths: Vec<String> = (0..1200).map(|n| format!("/many/{n}")).collect();
    for chunk in paths.chunks(400) {
        let ops = chunk.iter().map(|path| Op::Create {
            path: path.clone(),
            data: Some(Bytes::from(vec![7; 2000])),
            mode: CreateMode::Persistent,
        });
        zk.multi(ops.collect()).await.unwrap();
    }
    for path in paths.iter().take(12) {
        zk.set(path, Bytes::from(vec![8; 500_000]), ZkVersion::ANY).await.unwrap();
    }
    let mut asked = paths.clone();
    asked.push(path("/many/none"));
    let nodes = zk.get_many(&asked).await.unwrap();
    let lengths: Vec<Option<usize>> = nodes.iter().map(|node| node.as_ref().map(|node| node.data.len())).collect();
    let mut expected = vec![Some(500_000); 12];
    expected.resize(1200, Some(2000));
    expected.push(None);
    assert_eq!(lengths, expected);
}

async fn watches(zk: &dyn Zk) {
    zk.create("/topics", None, CreateMode::Persistent).await.unwrap();
    zk.create("/topics/old", None, CreateMode::Persistent).await.unwrap();
    zk.watch(Watch::ChildrenAndData(path("/topics"))).await.unwrap();
    zk.watch(Watch::Data(path("/controller"))).await.unwrap();
    let missing = zk.watch(Watch::Children(path("/none"))).await;
    assert_eq!(missing, Err(ZkError::NoNode { path: path("/none") }));
    changes_are_told(zk, "first").await;
    changes_are_told(zk, "second").await;
}

/// Makes changes of every kind that [`watches`] covers, and waits for each to be told.
async fn changes_are_told(zk: &dyn Zk, name: &str) {
    let mut events = zk.subscribe();
    let topic = format!("/topics/{name}");
    zk.create(&topic, None, CreateMode::Persistent).await.unwrap();
    wait_for(&mut events, &changed("/topics", Change::Children)).await;
    zk.set(&topic, bytes("1"), ZkVersion::ANY).await.unwrap();
    wait_for(&mut events, &changed(&topic, Change::Data)).await;
    zk.set(&topic, bytes("2"), ZkVersion::ANY).await.unwrap();
    wait_for(&mut events, &changed(&topic, Change::Data)).await;
    zk.set("/topics/old", bytes("x"), ZkVersion::ANY).await.unwrap();
    wait_for(&mut events, &changed("/topics/old", Change::Data)).await;
    zk.delete(&topic, ZkVersion::ANY).await.unwrap();
    wait_for(&mut events, &changed("/topics", Change::Children)).await;
    zk.create("/controller", None, CreateMode::Ephemeral).await.unwrap();
    wait_for(&mut events, &changed("/controller", Change::Created)).await;
    zk.delete("/controller", ZkVersion::ANY).await.unwrap();
    wait_for(&mut events, &changed("/controller", Change::Deleted)).await;
}

/// The connection breaks under a read and a write: the read is repeated, the write's outcome is unknown to us.
async fn cut(zk: &Arc<ZkSession>, proxy: &Proxy) {
    let mut events = zk.subscribe();
    let mut swallowed = proxy.swallowed.subscribe();
    proxy.silent.send_replace(true);
    let (reader, writer) = (zk.clone(), zk.clone());
    let reader = tokio::spawn(async move { reader.get("/a").await });
    let writer = tokio::spawn(async move { writer.set("/a", bytes("never"), ZkVersion::ANY).await });
    let both = tokio::time::timeout(LIMIT, swallowed.wait_for(|bytes| *bytes >= READ_AND_WRITE)).await;
    assert!(both.is_ok_and(|both| both.is_ok()), "read and write were sent");
    proxy.silent.send_replace(false);
    wait_for(&mut events, &ZkEvent::Resync).await;
    assert_eq!(reader.await.unwrap().map(|node| node.data), Ok(bytes("1")));
    assert_eq!(writer.await.unwrap(), Err(ZkError::UnknownOutcome { path: path("/a") }));
}

/// The server is away for longer than the session timeout: the session and its ephemeral node must be there afterwards.
async fn outage(zk: &Arc<ZkSession>, server: &mut TestServer) {
    let before = zk.get("/broker").await.unwrap().stat;
    let session = zk.session_id();
    let mut events = zk.subscribe();
    server.stop().await;
    wait_for(&mut events, &ZkEvent::Disconnected).await;
    let reader = tokio::spawn({
        let zk = zk.clone();
        async move { zk.get("/broker").await }
    });
    tokio::time::sleep(OUTAGE).await;
    server.restart().await;
    let told = wait_for(&mut events, &ZkEvent::Resync).await;
    assert!(told.contains(&ZkEvent::SessionEstablished { session, how: How::Reconnected }), "{told:?}");
    assert!(!told.contains(&ZkEvent::Expired), "{told:?}");
    assert_eq!(reader.await.unwrap().unwrap().stat, before, "a read made during the outage is answered after it");
    assert_eq!(zk.session_id(), session);
    changes_are_told(&**zk, "after_outage").await;
}

/// The server lives but hears nothing from us until it ends the session.
async fn expiry(zk: &Arc<ZkSession>, proxy: &Proxy) {
    let old_session = zk.session_id();
    let mut events = zk.subscribe();
    proxy.silent.send_replace(true);
    let told = wait_for(&mut events, &ZkEvent::Disconnected).await;
    assert!(!told.contains(&ZkEvent::Expired), "only the server says so: {told:?}");
    let writer = tokio::spawn({
        let zk = zk.clone();
        async move { zk.create("/lost", None, CreateMode::Persistent).await }
    });
    tokio::time::sleep(OUTAGE).await;
    proxy.silent.send_replace(false);
    let told = wait_for(&mut events, &ZkEvent::Resync).await;
    let expired = told.iter().position(|event| *event == ZkEvent::Expired);
    let new = ZkEvent::SessionEstablished { session: zk.session_id(), how: How::New };
    let established = told.iter().position(|event| *event == new);
    assert!(expired.is_some() && expired < established, "{told:?}");
    assert_ne!(zk.session_id(), old_session);
    assert_eq!(writer.await.unwrap(), Err(ZkError::SessionExpired { path: path("/lost") }));
    assert_eq!(zk.exists("/broker").await, Ok(None), "the ephemeral node went with its session");
    changes_are_told(&**zk, "after_expiry").await;
}

fn changed(path: &str, change: Change) -> ZkEvent {
    ZkEvent::Changed { path: path.into(), change }
}

/// Waits for an event and answers all that came up to it.
async fn wait_for(events: &mut EventReceiver, wanted: &ZkEvent) -> Vec<ZkEvent> {
    let mut told = Vec::new();
    let waiting = async {
        while told.last() != Some(wanted) {
            told.push(events.next().await.expect("the session is open"));
        }
    };
    let in_time = tokio::time::timeout(LIMIT, waiting).await.is_ok();
    assert!(in_time, "{wanted:?} did not come; came: {told:?}");
    told
}

#[test]
fn an_ensemble_that_cannot_be_reached_is_named() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let port = test_lab::free_port();
    let settings = ZkSettings::parse(&format!("127.0.0.1:{port}")).unwrap();
    let settings = ZkSettings { connection_timeout: Duration::from_millis(300), ..settings };
    let error = runtime.block_on(ZkSession::connect(settings)).unwrap_err().to_string();
    assert!(error.contains(&format!("127.0.0.1:{port} gave a session within 300 ms")), "{error}");
    assert!(error.contains("refused"), "{error}");
}

/// Sits between client and server and can fall silent: connections stay open, what the client says is swallowed.
struct Proxy {
    port: u16,
    silent: watch::Sender<bool>,
    /// Bytes swallowed since the beginning.
    swallowed: watch::Sender<usize>,
}

impl Proxy {
    async fn start(server_port: u16) -> Proxy {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (silent, swallowed) = (watch::Sender::new(false), watch::Sender::new(0));
        let (watching, counting) = (silent.subscribe(), swallowed.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(forward(client, server_port, watching.clone(), counting.clone()));
            }
        });
        Proxy { port, silent, swallowed }
    }
}

/// Forwards until the proxy falls silent, then swallows until it speaks again, and hangs up.
async fn forward(
    mut client: TcpStream,
    server_port: u16,
    mut silent: watch::Receiver<bool>,
    swallowed: watch::Sender<usize>,
) {
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", server_port)).await else { return };
    let mut fell_silent = silent.clone();
    tokio::select! {
        biased;
        _ = async { fell_silent.wait_for(|silent| *silent).await.is_ok() } => {}
        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => return,
    }
    let swallow = async {
        let mut bytes = [0; 1024];
        while let Ok(read @ 1..) = client.read(&mut bytes).await {
            swallowed.send_modify(|swallowed| *swallowed += read);
        }
        std::future::pending::<()>().await
    };
    tokio::select! {
        () = swallow => {}
        _ = async { silent.wait_for(|silent| !silent).await.is_ok() } => {}
    }
}
