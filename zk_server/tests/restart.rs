//! What survives a restart, and what a server does whose disk fails.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::raw::Raw;
use common::{connect, ephemeral, loopback, persistent, start, start_at, start_with};
use world::mem::Unsynced;
use world::{Disk, MemDisk, SystemClock};
use zk_server::Config;
use zk_server::acl::Acl;
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

/// Requests go on while one snapshot after the other is written beside them, each in many parts; again and again the
/// machine fails.
#[tokio::test]
async fn a_crash_while_snapshots_are_written_loses_nothing_acknowledged() {
    const ROUNDS: i32 = 30;
    const IN_FLIGHT: i32 = 20;
    let disk = MemDisk::new();
    let clock = Arc::new(SystemClock::new());
    let config = Config { snap_count: 50, ..Config::new("/zk") };
    let server = start_with(config.clone(), &disk, clock.clone()).await;
    let mut raw = Raw::with_session(&server).await;
    let mut images = Vec::new();
    for round in 0..ROUNDS {
        for request in 0..IN_FLIGHT {
            let xid = round * IN_FLIGHT + request;
            raw.request(xid, op::CREATE, |out| {
                out.string(&format!("/n{xid:05}"));
                out.buffer(Some(&[b'x'; 20_000]));
                Acl::encode_all(&Acl::open(), out);
                out.int(xid % 2);
            })
            .await;
        }
        for request in 0..IN_FLIGHT {
            assert_eq!(raw.answer().await, Some((round * IN_FLIGHT + request, 0)));
        }
        if round % 6 == 5 {
            let unsynced = if round % 12 == 5 { Unsynced::Lost } else { Unsynced::Random(round as u64) };
            images.push(((round + 1) * IN_FLIGHT, disk.crash(unsynced)));
        }
    }
    let names = disk.read_dir(std::path::Path::new("/zk/klamm-1")).unwrap();
    assert!(names.iter().any(|entry| entry.name.starts_with("snapshot.")), "{names:?}");
    server.stop().await;
    images.push((ROUNDS * IN_FLIGHT, disk));
    for (acknowledged, image) in images {
        let server = start_with(config.clone(), &image, clock.clone()).await;
        let client = connect(&server).await;
        let (children, _) = client.get_children("/").await.unwrap();
        assert_eq!(children.len() as i32, acknowledged + 1, "and /zookeeper");
        let (data, stat) = client.get_data("/n00019").await.unwrap();
        assert_eq!((data.len(), stat.ephemeral_owner != 0), (20_000, true), "the session is still there");
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
        Acl::encode_all(&Acl::open(), out);
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
