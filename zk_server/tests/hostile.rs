//! Connections that lie, stop half-way or never read. Each gets ZooKeeper's error or is closed; nobody else notices.

#![allow(clippy::unwrap_used, reason = "a failure is to show where")]

mod common;

use std::sync::Arc;

use common::raw::Raw;
use common::{connect, persistent, start, start_with};
use world::{MemDisk, SystemClock};
use zk_server::proto::op;
use zk_server::{Config, Server};

/// Says `bytes` on a new connection with a session; the server closes it, and everybody else goes on.
async fn closes(bytes: &[u8]) {
    let (server, _) = start().await;
    let bystander = connect(&server).await;
    let mut raw = Raw::with_session(&server).await;
    raw.send(bytes).await;
    assert_eq!(raw.rest().await, b"", "{bytes:?}");
    bystander.create("/fine", b"", &persistent()).await.unwrap();
}

#[tokio::test]
async fn lengths_that_nobody_may_announce_close_the_connection() {
    for length in [-1, i32::MIN, 0x10_0000, i32::MAX] {
        closes(&length.to_be_bytes()).await;
    }
    // A frame too short for a header.
    closes(&[0, 0, 0, 3, 1, 2, 3]).await;
    closes(&[0, 0, 0, 0]).await;
}

#[tokio::test]
async fn a_first_frame_that_is_no_connect_request_closes_the_connection() {
    let (server, _) = start().await;
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1], b"kill"] {
        let mut raw = Raw::open(&server).await;
        raw.send(bytes).await;
        assert_eq!(raw.rest().await, b"", "{bytes:?}");
    }
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_an_error_and_the_connection_lives() {
    let (server, _) = start().await;
    let mut raw = Raw::with_session(&server).await;
    raw.request(1, op::GET_DATA, |out| out.int(i32::MAX)).await;
    raw.request(2, op::CREATE, |out| {
        out.string("/a");
        out.buffer(None);
        out.int(i32::MAX);
    })
    .await;
    raw.request(3, op::SET_WATCHES, |out| {
        out.long(0);
        out.int(i32::MAX);
    })
    .await;
    raw.request(4, op::MULTI, |out| out.int(op::CREATE)).await;
    raw.request(5, op::GET_DATA, |out| out.buffer(Some(&[0xff, 0xfe]))).await;
    for xid in 1..=5 {
        assert_eq!(raw.answer().await, Some((xid, -5)));
    }
    raw.request(6, op::PING, |_| ()).await;
    assert_eq!(raw.answer().await, Some((-2, 0)));
    raw.request(7, 4711, |_| ()).await;
    assert_eq!(raw.answer().await, Some((7, -6)));
    assert_eq!(raw.rest().await, b"");
}

#[tokio::test]
async fn answers_come_in_the_order_of_the_requests_however_they_are_cut() {
    let (server, _) = start().await;
    let mut raw = Raw::with_session(&server).await;
    let mut bytes = Vec::new();
    for xid in 0..300 {
        let mut out = zk_server::jute::Encoder::frame();
        out.int(xid);
        out.int(if xid % 3 == 0 { op::CREATE2 } else { op::EXISTS });
        out.string(&format!("/n{}", xid / 3));
        if xid % 3 == 0 {
            out.buffer(None);
            zk_server::acl::Acl::encode_all(&zk_server::acl::Acl::open(), &mut out);
            out.int(0);
        } else {
            out.bool(false);
        }
        bytes.extend_from_slice(&out.into_frame());
    }
    for piece in bytes.chunks(61) {
        raw.send(piece).await;
    }
    for xid in 0..300 {
        assert_eq!(raw.answer().await, Some((xid, 0)));
    }
}

#[tokio::test]
async fn a_wrong_password_is_an_expired_session_and_the_owner_keeps_it() {
    let (server, _) = start().await;
    let mut owner = Raw::open(&server).await;
    let (_, session_id, password) = owner.ask_for_session(0, &[0; 16]).await;
    for wrong in [&[0; 16][..], &password[..15], b""] {
        let mut thief = Raw::open(&server).await;
        assert_eq!(thief.ask_for_session(session_id, wrong).await, (0, 0, vec![0; 16]));
        assert_eq!(thief.rest().await, b"");
    }
    owner.request(1, op::PING, |_| ()).await;
    assert_eq!(owner.answer().await, Some((-2, 0)));
    let mut moved = Raw::open(&server).await;
    assert_eq!(moved.ask_for_session(session_id, &password).await, (20_000, session_id, password));
    assert_eq!(owner.rest().await, b"", "the old connection of a session that moved is closed");
}

#[tokio::test]
async fn nobody_waits_for_a_client_that_does_not_read() {
    let (server, _) = start().await;
    let client = connect(&server).await;
    client.create("/big", &vec![7; 900_000], &persistent()).await.unwrap();
    let mut deaf = Raw::with_session(&server).await;
    // Many reads in one go: the answers take 360 MB, far more than may wait on one connection.
    let mut bytes = Vec::new();
    for xid in 0..400 {
        let mut out = zk_server::jute::Encoder::frame();
        out.int(xid);
        out.int(op::GET_DATA);
        out.string("/big");
        out.bool(false);
        bytes.extend_from_slice(&out.into_frame());
    }
    deaf.send(&bytes).await;
    let first = deaf.frame().await.unwrap();
    client.set_data("/big", b"small", None).await.unwrap();
    assert_eq!(client.get_data("/big").await.unwrap().0, b"small");
    // When it reads at last, everything comes, in order: the big data before the change, the small behind it.
    let mut sizes = vec![first.len()];
    for xid in 1..400 {
        let frame = deaf.frame().await.unwrap();
        assert_eq!(i32::from_be_bytes(*frame.first_chunk().unwrap()), xid);
        sizes.push(frame.len());
    }
    assert!(sizes.is_sorted_by(|a, b| a >= b) && sizes[0] > 900_000 && sizes[399] < 200, "{sizes:?}");
}

#[tokio::test]
async fn words_are_answered_from_the_whitelist_only() {
    let (server, _) = start().await;
    let client = connect(&server).await;
    client.create("/e", b"", &common::ephemeral()).await.unwrap();
    for (word, expected) in [
        ("ruok", "imok"),
        ("isro", "rw"),
        ("srvr", "Mode: standalone"),
        ("crst", "Connection stats reset."),
        ("srst", "Server stats reset."),
        ("stat", "Clients:\n /127.0.0.1:"),
        ("mntr", "zk_ephemerals_count\t1\n"),
        ("cons", ",to=20000,"),
        ("wchc", "\n"),
        ("wchp", "\n"),
        ("dirs", "dirs is not executed because it is not in the whitelist."),
        ("dump", "\t/e\n"),
        ("conf", "tickTime=50\n"),
        ("envi", "zookeeper.version=3.8"),
        ("wchs", "Total watches:0"),
    ] {
        let mut raw = Raw::open(&server).await;
        raw.send(word.as_bytes()).await;
        let answer = String::from_utf8(raw.rest().await).unwrap();
        assert!(answer.contains(expected), "{word}: {answer}");
    }
    let mut config = Config::new("/zk");
    config.max_client_connections = 1;
    let disk = Arc::new(MemDisk::new());
    let clock = Arc::new(SystemClock::new());
    let strict = zk_server::start(config, disk, clock).await.unwrap();
    let mut raw = Raw::open(&strict).await;
    raw.send(b"ruok").await;
    let mut second = Raw::open(&strict).await;
    assert_eq!(second.rest().await, b"", "one connection from this address is allowed");
    assert_eq!(raw.rest().await, b"ruok is not executed because it is not in the whitelist.\n");
}

/// On a new disk, with a change to the configuration.
async fn start_changed(change: impl FnOnce(&mut Config)) -> Server {
    let mut config = Config::new("/zk");
    change(&mut config);
    start_with(config, &MemDisk::new(), Arc::new(SystemClock::new())).await
}

/// Sends exist watches on so many paths, as a client does that comes back.
async fn watch_many(raw: &mut Raw, from: usize, count: usize) {
    raw.request(1, op::SET_WATCHES, |out| {
        out.long(0);
        out.int(0);
        out.int(count as i32);
        (from..from + count).for_each(|number| out.string(&format!("/w{number:08}")));
        out.int(0);
    })
    .await;
}

#[tokio::test]
async fn watches_without_end_cost_only_whoever_sets_them() {
    let server = start_changed(|config| config.max_watch_bytes = 16 << 20).await;
    let bystander = connect(&server).await;
    let (_, heard) = bystander.check_and_watch_stat("/mine").await.unwrap();
    let mut greedy = Raw::with_session(&server).await;
    // 201 bytes for each: the second request is within the limit, the third is not.
    for from in [0, 40_000] {
        watch_many(&mut greedy, from, 40_000).await;
        assert_eq!(greedy.answer().await, Some((1, 0)));
    }
    watch_many(&mut greedy, 80_000, 40_000).await;
    assert_eq!(greedy.rest().await, b"");
    bystander.create("/mine", b"", &persistent()).await.unwrap();
    assert_eq!(heard.changed().await.event_type, zookeeper_client::EventType::NodeCreated);
    let mut again = Raw::with_session(&server).await;
    watch_many(&mut again, 0, 40_000).await;
    assert_eq!(again.answer().await, Some((1, 0)), "their memory is free again");
}

#[tokio::test]
async fn requests_that_never_end_cost_only_those_who_send_them() {
    let server = start_changed(|config| config.max_connection_bytes = 4 << 20).await;
    let bystander = connect(&server).await;
    let mut half = vec![0; 900_000];
    half[..4].copy_from_slice(&1_000_000i32.to_be_bytes());
    let mut senders = Vec::new();
    for _ in 0..8 {
        let mut raw = Raw::with_session(&server).await;
        raw.send(&half).await;
        senders.push(raw);
    }
    let mut closed = 0;
    for raw in &mut senders {
        // Those that may stay finish their request, of an operation 0 that nobody knows.
        let _ = tokio::io::AsyncWriteExt::write_all(&mut raw.stream, &vec![0; 100_004]).await;
        match raw.answer().await {
            Some((xid, error)) => assert_eq!((xid, error), (0, -6)),
            None => closed += 1,
        }
    }
    assert!((1..8).contains(&closed), "{closed} were closed");
    bystander.create("/fine", &[1; 500_000], &persistent()).await.unwrap();
}

#[tokio::test]
async fn a_session_does_not_outlive_half_a_frame_and_goes_without_harm() {
    let (server, _) = start().await;
    let bystander = connect(&server).await;
    let mut raw = Raw::open(&server).await;
    raw.ask_for_session(0, &[0; 16]).await;
    raw.request(1, op::CREATE, |out| {
        out.string("/e");
        out.buffer(None);
        zk_server::acl::Acl::encode_all(&zk_server::acl::Acl::open(), out);
        out.int(1);
    })
    .await;
    assert_eq!(raw.answer().await, Some((1, 0)));
    let (_, gone) = bystander.check_and_watch_stat("/e").await.unwrap();
    raw.send(&[0, 0, 0, 50, 1, 2]).await;
    drop(raw);
    let mut other = Raw::open(&server).await;
    other.send(&[0, 0]).await;
    drop(other);
    bystander.create("/fine", b"", &persistent()).await.unwrap();
    bystander.delete("/e", None).await.unwrap();
    assert_eq!(gone.changed().await.event_type, zookeeper_client::EventType::NodeDeleted);
}

#[tokio::test]
async fn a_frame_may_be_as_long_as_jute_maxbuffer_says() {
    let server = start_changed(|config| config.max_request_bytes = 1024).await;
    let mut raw = Raw::with_session(&server).await;
    raw.request(1, op::SYNC, |out| out.string(&"x".repeat(1024 - 12))).await;
    assert_eq!(raw.answer().await, Some((1, 0)));
    raw.request(2, op::SYNC, |out| out.string(&"x".repeat(1024 - 11))).await;
    assert_eq!(raw.rest().await, b"");
}

#[tokio::test]
async fn auth_and_sasl_packets_that_cannot_be_read_close_the_connection() {
    for kind in [op::AUTH, op::SASL] {
        let mut out = zk_server::jute::Encoder::frame();
        out.int(-4);
        out.int(kind);
        out.int(i32::MAX);
        closes(&out.into_frame()).await;
    }
}

/// Clients before 3.4 neither send nor expect the flag for read-only servers.
#[tokio::test]
async fn a_client_that_does_not_know_read_only_servers_is_answered_without_the_flag() {
    let (server, _) = start().await;
    for (flag, expected) in [(&[][..], 36), (&[0][..], 37), (&[1][..], 37)] {
        let mut raw = Raw::open(&server).await;
        let mut out = zk_server::jute::Encoder::frame();
        out.int(0);
        out.long(0);
        out.int(20_000);
        out.long(0);
        out.buffer(Some(&[0; 16]));
        out.fixed(flag);
        raw.send(&out.into_frame()).await;
        let answer = raw.frame().await.unwrap();
        assert_eq!((answer.len(), answer.get(36)), (expected, flag.first().map(|_| &0)), "{flag:?}");
        raw.request(1, op::PING, |_| ()).await;
        assert_eq!(raw.answer().await, Some((-2, 0)));
    }
}
