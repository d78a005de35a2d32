//! The ZooKeeper session against real servers: Apache ZooKeeper 3.4, 3.5, 3.8 and 3.9.
//!
//! One scenario per release, in one server: operations, then an outage longer than the session timeout (the session must
//! survive it), then silence on the wire while the server lives (the server must end the session, and only it).
//! Sleeps here are outages, never synchronisation: what is waited for is waited for by its event.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use klamm::zk::{
    Change, CreateMode, EventReceiver, How, MultiError, Op, OpResult, Watch, Zk, ZkError, ZkEvent, ZkSession,
    ZkSettings,
};
use test_lab::{ZooKeeper, ZooKeeperVersion};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use zk_paths::ids::ZkVersion;

const SESSION_TIMEOUT: Duration = Duration::from_secs(2);
/// Longer than the session timeout, and than 1.4 times it, when some clients end a session by themselves.
const OUTAGE: Duration = Duration::from_millis(3500);
const LIMIT: Duration = Duration::from_secs(30);

#[test]
fn a_session_with_zookeeper_3_4() {
    run(ZooKeeperVersion::V3_4);
}

#[test]
fn a_session_with_zookeeper_3_5() {
    run(ZooKeeperVersion::V3_5);
}

#[test]
fn a_session_with_zookeeper_3_8() {
    run(ZooKeeperVersion::V3_8);
}

#[test]
fn a_session_with_zookeeper_3_9() {
    run(ZooKeeperVersion::V3_9);
}

fn run(version: ZooKeeperVersion) {
    let mut server = ZooKeeper::start(version);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let proxy = Proxy::start(server.port()).await;
        let zk = connect(proxy.port).await;
        operations(&*zk).await;
        many_nodes(&*zk).await;
        watches(&*zk).await;
        outage(&zk, &mut server).await;
        expiry(&zk, &proxy).await;
        zk.close().await;
        let other = connect(server.port()).await;
        assert_eq!(other.exists("/broker").await, Ok(None), "closing removed the ephemeral node");
        other.close().await;
    });
}

async fn connect(port: u16) -> Arc<ZkSession> {
    let settings = ZkSettings::parse(&format!("127.0.0.1:{port}/cluster/main")).unwrap();
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

/// The server is away for longer than the session timeout: the session and its ephemeral node must be there afterwards.
async fn outage(zk: &Arc<ZkSession>, server: &mut ZooKeeper) {
    let before = zk.get("/broker").await.unwrap().stat;
    let session = zk.session_id();
    let mut events = zk.subscribe();
    server.kill();
    wait_for(&mut events, &ZkEvent::Disconnected).await;
    let reader = tokio::spawn({
        let zk = zk.clone();
        async move { zk.get("/broker").await }
    });
    tokio::time::sleep(OUTAGE).await;
    server.restart();
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
    zk.create("/broker", None, CreateMode::Ephemeral).await.unwrap();
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

/// Sits between client and server and can fall silent: connections stay open, nothing goes through.
struct Proxy {
    port: u16,
    silent: watch::Sender<bool>,
}

impl Proxy {
    async fn start(server_port: u16) -> Proxy {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let silent = watch::Sender::new(false);
        let watching = silent.subscribe();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(forward(client, server_port, watching.clone()));
            }
        });
        Proxy { port, silent }
    }
}

/// Forwards until the proxy falls silent, then holds both ends until it speaks again, and hangs up.
async fn forward(mut client: TcpStream, server_port: u16, mut silent: watch::Receiver<bool>) {
    if *silent.borrow_and_update() {
        let _ = silent.wait_for(|silent| !silent).await.is_ok();
        return;
    }
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", server_port)).await else { return };
    let mut now_silent = silent.clone();
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => return,
        _ = async { now_silent.wait_for(|silent| *silent).await.is_ok() } => {}
    }
    let _ = silent.wait_for(|silent| !silent).await.is_ok();
}
