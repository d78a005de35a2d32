//! The server as `zookeeper-client` sees it, an implementation that knows nothing of ours.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{connect, connect_to, ephemeral, persistent, start, start_with_manual_clock};
use world::{MemDisk, SystemClock};
use zk_server::Config;
use zookeeper_client::{
    Acl, Acls, AddWatchMode, AuthId, AuthUser, Client, CreateMode, Error, EventType, MultiReadResult, MultiWriteError,
    MultiWriteResult, Permission, SessionState,
};

#[tokio::test]
async fn znodes_live_their_life() {
    let (server, _) = start().await;
    let client = connect(&server).await;
    let (created, _) = client.create("/a", b"one", &persistent()).await.unwrap();
    assert_eq!((created.version, created.data_length, created.czxid), (0, 3, created.mzxid));
    assert_eq!(client.create("/a", b"", &persistent()).await.unwrap_err(), Error::NodeExists);
    assert_eq!(client.create("/x/y", b"", &persistent()).await.unwrap_err(), Error::NoNode);

    let changed = client.set_data("/a", b"three", Some(0)).await.unwrap();
    assert_eq!((changed.version, changed.czxid), (1, created.czxid));
    assert!(changed.mzxid > created.mzxid);
    assert_eq!(client.set_data("/a", b"", Some(0)).await.unwrap_err(), Error::BadVersion);
    assert_eq!(client.get_data("/a").await.unwrap(), (b"three".to_vec(), changed));

    client.create("/a/b", b"", &persistent()).await.unwrap();
    client.create("/a/c", b"", &persistent()).await.unwrap();
    let (children, stat) = client.get_children("/a").await.unwrap();
    assert_eq!((children, stat.num_children, stat.cversion), (vec!["b".to_string(), "c".to_string()], 2, 2));
    assert_eq!(client.count_descendants_number("/a").await.unwrap(), 2);
    assert_eq!(client.delete("/a", None).await.unwrap_err(), Error::NotEmpty);
    assert_eq!(client.delete("/a/b", Some(7)).await.unwrap_err(), Error::BadVersion);
    client.delete("/a/b", Some(0)).await.unwrap();
    assert_eq!(client.delete("/a/b", None).await.unwrap_err(), Error::NoNode);
    assert_eq!(client.check_stat("/a").await.unwrap().unwrap().cversion, 3);
    assert_eq!(client.check_stat("/a/b").await.unwrap(), None);
    client.sync("/a").await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn sequential_names_count_the_creations_of_their_parent() {
    let (server, _) = start().await;
    let client = connect(&server).await;
    client.create("/q", b"", &persistent()).await.unwrap();
    let options = CreateMode::PersistentSequential.with_acls(Acls::anyone_all());
    let mut numbers = Vec::new();
    for _ in 0..3 {
        let (_, sequence) = client.create("/q/n-", b"", &options).await.unwrap();
        numbers.push(sequence.to_string());
        client.delete(&format!("/q/n-{sequence}"), None).await.unwrap();
    }
    assert_eq!(numbers, ["0000000000", "0000000001", "0000000002"]);
}

#[tokio::test]
async fn an_ephemeral_node_goes_with_the_session_that_closes() {
    let (server, _) = start().await;
    let (owner, other) = (connect(&server).await, connect(&server).await);
    let (stat, _) = owner.create("/e", b"", &ephemeral()).await.unwrap();
    assert_eq!(stat.ephemeral_owner, owner.session_id().0);
    assert_eq!(owner.create("/e/x", b"", &persistent()).await.unwrap_err(), Error::NoChildrenForEphemerals);
    assert_eq!(owner.list_ephemerals("/").await.unwrap(), ["/e"]);
    assert!(other.list_ephemerals("/").await.unwrap().is_empty());
    let (_, gone) = other.check_and_watch_stat("/e").await.unwrap();
    drop(owner);
    assert_eq!(gone.changed().await.event_type, EventType::NodeDeleted);
    assert_eq!(other.check_stat("/e").await.unwrap(), None);
}

#[tokio::test]
async fn a_multi_does_all_or_nothing() {
    let (server, _) = start().await;
    let client = connect(&server).await;
    let mut good = client.new_multi_writer();
    good.add_create("/m", b"", &persistent()).unwrap();
    good.add_create("/m/child", b"", &ephemeral()).unwrap();
    good.add_set_data("/m/child", b"data", Some(0)).unwrap();
    good.add_check_version("/m", 0).unwrap();
    let results = good.commit().await.unwrap();
    let [MultiWriteResult::Create { path, .. }, _, MultiWriteResult::SetData { stat }, MultiWriteResult::Check] =
        &results[..]
    else {
        panic!("{results:?}");
    };
    assert_eq!((path.as_str(), stat.version, stat.czxid), ("/m", 1, stat.mzxid));

    let before = client.get_children("/m").await.unwrap();
    let mut bad = client.new_multi_writer();
    bad.add_create("/m/second", b"", &persistent()).unwrap();
    bad.add_delete("/m/child", None).unwrap();
    bad.add_check_version("/m", 5).unwrap();
    bad.add_create("/m/third", b"", &persistent()).unwrap();
    let error = bad.commit().await.unwrap_err();
    assert_eq!(error, MultiWriteError::OperationFailed { index: 2, source: Error::BadVersion });
    assert_eq!(client.get_children("/m").await.unwrap(), before);

    let mut reads = client.new_multi_reader();
    reads.add_get_data("/m/child").unwrap();
    reads.add_get_data("/none").unwrap();
    reads.add_get_children("/m").unwrap();
    let results = reads.commit().await.unwrap();
    let [
        MultiReadResult::Data { data, .. },
        MultiReadResult::Error { err: Error::NoNode },
        MultiReadResult::Children { children },
    ] = &results[..]
    else {
        panic!("{results:?}");
    };
    assert_eq!((data.as_slice(), children.as_slice()), (&b"data"[..], &["child".to_string()][..]));
}

#[tokio::test]
async fn watches_tell_what_happened() {
    let (server, _) = start().await;
    let (client, other) = (connect(&server).await, connect(&server).await);
    client.create("/w", b"", &persistent()).await.unwrap();
    let (_, exists) = client.check_and_watch_stat("/w/new").await.unwrap();
    let (_, _, children) = client.get_and_watch_children("/w").await.unwrap();
    let (_, _, data) = client.get_and_watch_data("/w").await.unwrap();
    other.create("/w/new", b"", &persistent()).await.unwrap();
    other.set_data("/w", b"x", None).await.unwrap();
    assert_eq!(exists.changed().await.event_type, EventType::NodeCreated);
    assert_eq!(children.changed().await.event_type, EventType::NodeChildrenChanged);
    assert_eq!(data.changed().await.event_type, EventType::NodeDataChanged);

    let mut persistent_watch = client.watch("/w", AddWatchMode::Persistent).await.unwrap();
    let mut recursive = client.watch("/", AddWatchMode::PersistentRecursive).await.unwrap();
    other.create("/w/deep", b"", &persistent()).await.unwrap();
    other.create("/w/deep/er", b"", &persistent()).await.unwrap();
    other.delete("/w/deep/er", None).await.unwrap();
    other.set_data("/w", b"y", None).await.unwrap();
    let mut seen = Vec::new();
    for _ in 0..2 {
        let event = persistent_watch.changed().await;
        seen.push((event.event_type, event.path));
    }
    assert_eq!(seen, [(EventType::NodeChildrenChanged, "/w".into()), (EventType::NodeDataChanged, "/w".into())]);
    let mut seen = Vec::new();
    for _ in 0..4 {
        let event = recursive.changed().await;
        seen.push((event.event_type, event.path));
    }
    let expected = [
        (EventType::NodeCreated, "/w/deep".to_string()),
        (EventType::NodeCreated, "/w/deep/er".into()),
        (EventType::NodeDeleted, "/w/deep/er".into()),
        (EventType::NodeDataChanged, "/w".into()),
    ];
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn a_chroot_is_only_a_prefix() {
    let (server, _) = start().await;
    let root = connect(&server).await;
    root.create("/kafka", b"", &persistent()).await.unwrap();
    let inside = connect_to(&format!("{}/kafka", server.local_addr()), Duration::from_secs(20)).await;
    let (_, watch) = inside.check_and_watch_stat("/brokers").await.unwrap();
    root.create("/kafka/brokers", b"", &persistent()).await.unwrap();
    assert_eq!(watch.changed().await.path, "/brokers");
}

#[tokio::test]
async fn a_silent_session_expires_by_the_servers_clock() {
    let (server, clock) = start_with_manual_clock().await;
    // The timeout is long, so that the client pings too rarely to matter while the clock jumps.
    let owner = connect_to(&server.local_addr().to_string(), Duration::from_secs(50)).await;
    let other = connect_to(&server.local_addr().to_string(), Duration::from_secs(60)).await;
    owner.create("/e", b"", &ephemeral()).await.unwrap();
    let (_, gone) = other.check_and_watch_stat("/e").await.unwrap();
    clock.advance(Duration::from_secs(49));
    other.sync("/").await.unwrap();
    assert!(other.check_stat("/e").await.unwrap().is_some());
    clock.advance(Duration::from_secs(2));
    assert_eq!(gone.changed().await.event_type, EventType::NodeDeleted);
    let mut state = owner.state_watcher();
    while owner.state() != SessionState::Expired {
        state.changed().await;
    }
    assert_eq!(owner.get_data("/").await.unwrap_err(), Error::SessionExpired);
    assert!(other.check_stat("/").await.unwrap().is_some());
}

#[tokio::test]
async fn a_session_is_continued_elsewhere() {
    let (server, _) = start().await;
    let cluster = server.local_addr().to_string();
    let first = Client::connector().with_detached().connect(&cluster).await.unwrap();
    first.create("/e", b"", &ephemeral()).await.unwrap();
    let session = first.into_session();
    let second = Client::connector().with_session(session.clone()).with_detached().connect(&cluster).await.unwrap();
    assert_eq!(second.session_id(), session.id());
    assert_eq!(second.list_ephemerals("/").await.unwrap(), ["/e"]);
}

#[tokio::test]
async fn acls_hold() {
    let (server, _) = start().await;
    let (owner, other) = (connect(&server).await, connect(&server).await);
    owner.auth("digest", b"alice:secret").await.unwrap();
    let users = owner.list_auth_users().await.unwrap();
    assert_eq!(users, [AuthUser::new("ip", "127.0.0.1"), AuthUser::new("digest", "alice")]);
    owner.create("/mine", b"x", &CreateMode::Persistent.with_acls(Acls::creator_all())).await.unwrap();
    assert_eq!(other.get_data("/mine").await.unwrap_err(), Error::NoAuth);
    assert_eq!(other.set_data("/mine", b"", None).await.unwrap_err(), Error::NoAuth);
    assert_eq!(other.create("/mine/x", b"", &persistent()).await.unwrap_err(), Error::NoAuth);
    other.auth("digest", b"alice:wrong").await.unwrap();
    assert_eq!(other.get_data("/mine").await.unwrap_err(), Error::NoAuth);
    other.auth("digest", b"alice:secret").await.unwrap();
    assert_eq!(other.get_data("/mine").await.unwrap().0, b"x");
    let (acl, stat) = other.get_acl("/mine").await.unwrap();
    assert_eq!((acl[0].scheme(), stat.aversion), ("digest", 0));
    assert_eq!(
        other.set_acl("/mine", &[Acl::new(Permission::ALL, AuthId::anyone())], Some(0)).await.unwrap().aversion,
        1
    );
    assert_eq!(owner.auth("kerberos", b"").await.unwrap_err(), Error::AuthFailed);
}

/// Without `clientPortAddress` the server listens on all addresses; a client of IPv4 is known by its address of IPv4.
#[tokio::test]
async fn all_addresses_are_listened_on_by_default() {
    let config = Config::from_properties(b"dataDir=/zk\nclientPort=0", &Default::default()).unwrap();
    let server = zk_server::start(config, Arc::new(MemDisk::new()), Arc::new(SystemClock::new())).await.unwrap();
    let port = server.local_addr().port();
    let client = connect_to(&format!("127.0.0.1:{port}"), Duration::from_secs(20)).await;
    assert_eq!(client.list_auth_users().await.unwrap(), [AuthUser::new("ip", "127.0.0.1")]);
}
