//! The fake behaves as a ZooKeeper server does: versions, ephemerals, watches, multis, injected trouble.

use super::*;

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn drain(events: &mut EventReceiver) -> Vec<ZkEvent> {
    std::iter::from_fn(|| events.try_next()).collect()
}

fn changed(path: &str, change: Change) -> ZkEvent {
    ZkEvent::Changed { path: path.into(), change }
}

#[tokio::test]
async fn versions_guard_writes_and_a_refused_multi_changes_nothing() {
    let server = FakeZooKeeper::new();
    let zk = server.session();
    zk.create("/a", Some(bytes("0")), CreateMode::Persistent).await.unwrap();
    assert_eq!(zk.set("/a", bytes("1"), ZkVersion(0)).await.unwrap().version, ZkVersion(1));
    let stale = zk.set("/a", bytes("2"), ZkVersion(0)).await;
    assert_eq!(stale, Err(ZkError::BadVersion { path: "/a".into() }));

    let ops = vec![
        Op::Create { path: "/b".into(), data: None, mode: CreateMode::Ephemeral },
        Op::Check { path: "/a".into(), version: ZkVersion(0) },
    ];
    let refused = zk.multi(ops).await;
    assert_eq!(refused, Err(MultiError::Op { index: 1, error: ZkError::BadVersion { path: "/a".into() } }));
    assert_eq!(zk.exists("/b").await.unwrap(), None);
    assert_eq!(zk.get("/").await.unwrap().stat.num_children, 1);
    assert_eq!(zk.delete("/", ZkVersion::ANY).await, Err(ZkError::NotEmpty { path: "/".into() }));
}

#[tokio::test]
async fn sequential_names_count_creations_and_ephemerals_go_with_their_session() {
    let server = FakeZooKeeper::new();
    let (one, other) = (server.session(), server.session());
    server.put("/queue", "");
    let first = one.create("/queue/n_", None, CreateMode::PersistentSequential).await.unwrap();
    assert_eq!(first, "/queue/n_0000000000");
    one.delete(&first, ZkVersion::ANY).await.unwrap();
    let second = one.create("/queue/n_", None, CreateMode::EphemeralSequential).await.unwrap();
    assert_eq!(second, "/queue/n_0000000001");
    let below = one.create("/queue/n_0000000001/x", None, CreateMode::Persistent).await;
    assert!(matches!(below, Err(ZkError::NoChildrenForEphemerals { .. })));
    let old_session = one.session_id();
    one.expire();
    assert_ne!(one.session_id(), old_session);
    assert_eq!(other.children("/queue").await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn watches_tell_what_they_cover_and_nothing_else() {
    let server = FakeZooKeeper::new();
    let zk = server.session();
    server.put("/topics/a/partitions", "");
    zk.watch(Watch::ChildrenAndData("/topics".into())).await.unwrap();
    zk.watch(Watch::Data("/controller".into())).await.unwrap();
    let mut events = zk.subscribe();
    server.put("/topics/a/partitions", "deeper");
    server.put("/topics/a", "x");
    server.put("/topics/b", "y");
    server.put("/controller", "1");
    let expected = [
        changed("/topics/a", Change::Data),
        changed("/topics", Change::Children),
        changed("/controller", Change::Created),
    ];
    assert_eq!(drain(&mut events), expected);
    zk.unwatch(&Watch::Data("/controller".into()));
    server.put("/controller", "2");
    assert_eq!(drain(&mut events), []);
    let missing = zk.watch(Watch::Children("/none".into())).await;
    assert_eq!(missing, Err(ZkError::NoNode { path: "/none".into() }));
}

#[tokio::test]
async fn a_lost_write_has_an_unknown_outcome_and_the_session_resyncs() {
    for (lost, there) in [(Lost::BeforeTheWrite, false), (Lost::AfterTheWrite, true)] {
        let server = FakeZooKeeper::new();
        let zk = server.session();
        let mut events = zk.subscribe();
        zk.lose_next_write(lost);
        let outcome = zk.create("/a", None, CreateMode::Persistent).await;
        assert_eq!(outcome, Err(ZkError::UnknownOutcome { path: "/a".into() }));
        assert_eq!(zk.exists("/a").await.unwrap().is_some(), there, "{lost:?}");
        let back = ZkEvent::SessionEstablished { session: zk.session_id(), how: How::Reconnected };
        assert_eq!(drain(&mut events), [ZkEvent::Disconnected, back, ZkEvent::Resync]);
    }
}

#[tokio::test]
async fn an_operation_waits_for_the_connection_but_not_beyond_its_session() {
    let server = FakeZooKeeper::new();
    let zk = server.session();
    zk.disconnect();
    let mut waiting = spawn_exists(zk.clone());
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    zk.reconnect();
    assert_eq!((&mut waiting).await.unwrap(), Ok(None));

    zk.disconnect();
    let waiting = spawn_exists(zk.clone());
    tokio::task::yield_now().await;
    zk.expire();
    zk.reconnect();
    assert_eq!(waiting.await.unwrap(), Err(ZkError::SessionExpired { path: "/a".into() }));
}

fn spawn_exists(zk: Arc<FakeSession>) -> tokio::task::JoinHandle<Result<Option<Stat>, ZkError>> {
    tokio::spawn(async move { zk.exists("/a").await })
}
