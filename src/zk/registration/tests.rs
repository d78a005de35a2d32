//! Registration and deregistration against the fake, with lost answers and leftovers.

use std::collections::BTreeMap;

use zk_paths::broker_registration::SecurityProtocol;

use super::*;
use crate::zk::fake::{FakeSession, FakeZooKeeper, Lost};

fn endpoint(host: &str, port: i32) -> Endpoint {
    let security_protocol = SecurityProtocol::Plaintext;
    Endpoint { listener_name: "PLAINTEXT".into(), security_protocol, host: host.into(), port }
}

fn registration(port: i32) -> BrokerRegistration {
    let endpoints = vec![endpoint("b", port)];
    BrokerRegistration { endpoints, rack: None, features: BTreeMap::new(), jmx_port: -1, timestamp_ms: 17 }
}

async fn cluster() -> (FakeZooKeeper, Arc<FakeSession>) {
    let server = FakeZooKeeper::new();
    let zk = server.session();
    create_top_level_paths(&*zk).await.unwrap();
    (server, zk)
}

async fn register(registrar: &Registrar) -> Result<BrokerEpoch, RegistrationError> {
    registrar.register(&registration(1), RegistrationFormat::V5).await
}

async fn owner_and_czxid(zk: &dyn Zk) -> (SessionId, BrokerEpoch, ZkVersion) {
    let stat = zk.get("/brokers/ids/1").await.unwrap().stat;
    (stat.ephemeral_owner, BrokerEpoch(stat.czxid), stat.version)
}

#[tokio::test]
async fn the_broker_epoch_is_the_czxid_and_the_data_version_is_one() {
    let (server, zk) = cluster().await;
    let registrar = Registrar::new(zk.clone(), BrokerId(1));
    let broker_epoch = register(&registrar).await.unwrap();
    assert_eq!(owner_and_czxid(&*zk).await, (zk.session_id(), broker_epoch, ZkVersion(1)));
    let data = server.data("/brokers/ids/1").flatten().unwrap();
    assert_eq!(BrokerRegistration::decode(BrokerId(1), &data).unwrap(), registration(1));
    assert_eq!(register(&registrar).await.unwrap(), broker_epoch, "again in the same session");
    registrar.update(&registration(2), RegistrationFormat::V5).await.unwrap();
    assert_eq!(owner_and_czxid(&*zk).await, (zk.session_id(), broker_epoch, ZkVersion(2)));
    registrar.deregister().await.unwrap();
    assert_eq!(server.data("/brokers/ids/1"), None);
    registrar.deregister().await.unwrap();
}

#[tokio::test]
async fn a_lost_answer_is_settled_by_reading_back() {
    for lost in [Lost::BeforeTheWrite, Lost::AfterTheWrite] {
        let (_server, zk) = cluster().await;
        let registrar = Registrar::new(zk.clone(), BrokerId(1));
        zk.lose_next_write(lost);
        let broker_epoch = register(&registrar).await.unwrap();
        assert_eq!(owner_and_czxid(&*zk).await, (zk.session_id(), broker_epoch, ZkVersion(1)), "{lost:?}");
    }
}

#[tokio::test]
async fn after_an_expiry_the_registration_is_a_new_one() {
    let (_server, zk) = cluster().await;
    let registrar = Registrar::new(zk.clone(), BrokerId(1));
    let first = register(&registrar).await.unwrap();
    zk.expire();
    let second = register(&registrar).await.unwrap();
    assert!(second > first);
    zk.expire_keeping_ephemerals();
    let third = register(&registrar).await.unwrap();
    assert!(third > second, "the node that our dead session left was replaced (ZOOKEEPER-2985)");
    assert_eq!(owner_and_czxid(&*zk).await, (zk.session_id(), third, ZkVersion(1)));
}

#[tokio::test]
async fn anybody_elses_registration_is_left_alone() {
    let (server, zk) = cluster().await;
    let other = server.session();
    let owner = other.session_id();
    let theirs = register(&Registrar::new(other.clone(), BrokerId(1))).await.unwrap();
    let ours = Registrar::new(zk.clone(), BrokerId(1));
    let refused = register(&ours).await.unwrap_err();
    assert!(matches!(refused, RegistrationError::IdTaken { owner: by, .. } if by == owner), "{refused}");
    ours.deregister().await.unwrap();
    assert_eq!(owner_and_czxid(&*zk).await.1, theirs);
}

#[tokio::test]
async fn the_first_broker_writes_the_cluster_id_and_the_others_read_it() {
    for lost in [None, Some(Lost::BeforeTheWrite), Some(Lost::AfterTheWrite)] {
        let (_server, zk) = cluster().await;
        if let Some(lost) = lost {
            zk.lose_next_write(lost);
        }
        assert_eq!(read_or_create_cluster_id(&*zk, "first").await.unwrap(), "first");
        assert_eq!(read_or_create_cluster_id(&*zk, "second").await.unwrap(), "first");
    }
}

#[tokio::test]
async fn generated_ids_follow_the_reserved_ones() {
    let zk = FakeZooKeeper::new().session();
    assert_eq!(generate_broker_id(&*zk, 1000).await.unwrap(), BrokerId(1001), "the path is made when missing");
    assert_eq!(generate_broker_id(&*zk, 1000).await.unwrap(), BrokerId(1002));
    zk.lose_next_write(Lost::AfterTheWrite);
    assert_eq!(generate_broker_id(&*zk, 1000).await.unwrap(), BrokerId(1004));
    let none_left = generate_broker_id(&*zk, i32::MAX).await;
    assert!(matches!(none_left, Err(RegistrationError::NoIdLeft { reserved_max: i32::MAX })));
}

#[tokio::test]
async fn an_address_belongs_to_one_broker() {
    let (server, zk) = cluster().await;
    let other = Registrar::new(server.session(), BrokerId(1));
    other.register(&registration(9092), RegistrationFormat::V4).await.unwrap();
    let mine = [endpoint("b", 9093), endpoint("b", 9092)];
    let clash = check_endpoint_clash(&*zk, BrokerId(2), &mine).await.unwrap_err();
    assert_eq!(clash.to_string(), "advertised listeners b:9092 are already registered by broker 1");
    check_endpoint_clash(&*zk, BrokerId(1), &mine).await.unwrap();
    check_endpoint_clash(&*zk, BrokerId(2), &[endpoint("c", 9092)]).await.unwrap();
}

#[tokio::test]
async fn the_top_level_paths_hold_null_data() {
    let (server, zk) = cluster().await;
    for path in persistent_paths::CREATED_AT_START {
        assert_eq!(server.data(path), Some(None), "{path}");
    }
    server.put("/latest_producer_id_block", "taken");
    create_top_level_paths(&*zk).await.unwrap();
    assert_eq!(server.data("/latest_producer_id_block"), Some(Some(Bytes::from_static(b"taken"))));
}

/// Seen: ZooKeeper restarted while a broker waited for the session of its earlier life, which thereby got its whole time
/// again; the broker gave up in the meantime.
#[tokio::test(start_paused = true)]
async fn an_earlier_life_is_waited_for_and_time_without_zookeeper_does_not_count() {
    const PATIENCE: Duration = Duration::from_secs(13);
    for (away, earlier_ends_at, comes) in [(false, 10, true), (false, 15, false), (true, 15, true)] {
        let (server, earlier) = cluster().await;
        register(&Registrar::new(earlier.clone(), BrokerId(1))).await.unwrap();
        let zk = server.session();
        let registrar = Registrar::new(zk.clone(), BrokerId(1));
        let waiting = registrar.register_patiently(|| registration(1), RegistrationFormat::V5, PATIENCE);
        let (registered, ()) = tokio::join!(waiting, async {
            if away {
                sleep(Duration::from_secs(2)).await;
                zk.disconnect();
                sleep(Duration::from_secs(3)).await;
                zk.reconnect();
                sleep(Duration::from_secs(earlier_ends_at - 5)).await;
            } else {
                sleep(Duration::from_secs(earlier_ends_at)).await;
            }
            earlier.expire();
        });
        let refused = matches!(registered, Err(RegistrationError::IdTaken { .. }));
        assert_eq!((registered.is_ok(), refused), (comes, !comes), "{away} {earlier_ends_at}: {registered:?}");
    }
}
