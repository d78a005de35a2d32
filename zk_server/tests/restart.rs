//! What survives a restart, and what a server does whose disk fails.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::raw::Raw;
use common::{connect, ephemeral, loopback, persistent, start, start_at};
use world::mem::Unsynced;
use world::{MemDisk, SystemClock};
use zk_server::proto::op;

#[tokio::test]
async fn everything_acknowledged_is_there_after_a_restart_and_after_a_crash() {
    let disk = MemDisk::new();
    let clock = Arc::new(SystemClock::new());
    let server = start_at(&disk, clock.clone(), loopback()).await;
    let client = connect(&server).await;
    client.create("/a", b"data", &persistent()).await.unwrap();
    client.create("/a/b", b"", &persistent()).await.unwrap();
    client.set_data("/a", b"more", None).await.unwrap();
    let before = (client.get_data("/a").await.unwrap(), client.get_children("/a").await.unwrap());
    // A power failure under the running server's feet, as the disk sees it.
    let crashed = disk.crash(Unsynced::Lost);
    server.stop().await;
    drop(client);
    for disk in [disk, crashed] {
        let server = start_at(&disk, clock.clone(), loopback()).await;
        let client = connect(&server).await;
        assert_eq!((client.get_data("/a").await.unwrap(), client.get_children("/a").await.unwrap()), before);
        server.stop().await;
    }
}

#[tokio::test]
async fn a_session_outlives_the_server() {
    let disk = MemDisk::new();
    let clock = Arc::new(SystemClock::new());
    let server = start_at(&disk, clock.clone(), loopback()).await;
    let address = server.local_addr();
    let client = connect(&server).await;
    client.create("/e", b"", &ephemeral()).await.unwrap();
    let session = client.session_id();
    server.stop().await;
    let server = start_at(&disk, clock.clone(), address).await;
    // The client comes back by itself, with the session that it had.
    let mut state = client.state_watcher();
    while state.changed().await != zookeeper_client::SessionState::SyncConnected {}
    assert_eq!(client.list_ephemerals("/").await.unwrap(), ["/e"]);
    assert_eq!(client.session_id(), session);
    server.stop().await;
}

#[tokio::test]
async fn a_session_whose_client_does_not_come_back_expires_after_the_restart() {
    let disk = MemDisk::new();
    let clock = Arc::new(world::clock::ManualClock::new(1_700_000_000_000));
    let server = start_at(&disk, clock.clone(), loopback()).await;
    let mut raw = Raw::with_session(&server).await;
    raw.request(1, op::CREATE, |out| {
        out.string("/e");
        out.buffer(None);
        zk_server::acl::Acl::encode_all(&zk_server::acl::Acl::open(), out);
        out.int(1);
    })
    .await;
    assert_eq!(raw.answer().await, Some((1, 0)));
    clock.advance(Duration::from_secs(19));
    server.stop().await;
    drop(raw);
    let server = start_at(&disk, clock.clone(), loopback()).await;
    clock.advance(Duration::from_secs(19));
    let client = connect(&server).await;
    let (stat, gone) = client.check_and_watch_stat("/e").await.unwrap();
    assert!(stat.is_some(), "the timeout counts from the restart");
    clock.advance(Duration::from_secs(2));
    assert_eq!(gone.changed().await.event_type, zookeeper_client::EventType::NodeDeleted);
}

#[tokio::test]
async fn a_disk_that_fails_stops_the_server_before_it_lies() {
    let (server, disk) = start().await;
    let mut raw = Raw::with_session(&server).await;
    disk.fail_from(Some(disk.operations()));
    raw.request(1, op::DELETE, |out| {
        out.string("/zookeeper/none");
        out.int(-1);
    })
    .await;
    assert_eq!(raw.answer().await, Some((1, -101)), "what changes nothing needs no disk");
    raw.request(2, op::SET_DATA, |out| {
        out.string("/");
        out.buffer(None);
        out.int(-1);
    })
    .await;
    assert_eq!(raw.answer().await, None);
    let reason = server.failed().await;
    assert!(reason.starts_with("appending to /zk/klamm-1/log.0000000000000001: "), "{reason}");
}
