//! Our controller at the head of Java brokers: what it tells them must make them lead, follow, hand over and delete.
//!
//! The controller runs in this process and is registered as broker 1, at a port where nobody listens, so its own channel
//! fails all the time: that must not delay the others. Java brokers 2 and 3 host everything.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a black-box test: looks into log directories")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use client::transport::TcpNetwork;
use config::MetadataVersion;
use klamm::controller_runner::{self, BrokerLinks, ControllerHandle, LocalBroker, RunnerSettings, Setup};
use klamm::topic_admin::TopicAdmin;
use klamm::zk::registration::{self, Registrar};
use klamm::zk::{Zk, ZkSession, ZkSettings};
use test_lab::{Driver, JavaBroker, KafkaVersion, ZooKeeper, ZooKeeperVersion};
use tokio::sync::watch;
use wire::{
    LeaderAndIsrRequest, LeaderAndIsrResponse, StopReplicaRequest, StopReplicaResponse, UpdateMetadataRequest,
    UpdateMetadataResponse,
};
use world::SystemClock;
use zk_paths::broker_registration::{BrokerRegistration, Endpoint, RegistrationFormat, SecurityProtocol};
use zk_paths::ids::{BrokerId, TopicPartition};
use zk_paths::partition_state::{self, PartitionState};
use zk_paths::{preferred_replica_election, topic};

const LIMIT: Duration = Duration::from_secs(60);
const LINES: usize = 1000;

#[test]
fn brokers_of_both_releases_obey_at_protocol_2_4() {
    let zookeeper = ZooKeeper::start(ZooKeeperVersion::V3_8);
    runtime().block_on(async {
        let lab = Lab::start(&zookeeper, "2.4").await;
        let settings = |id| [("broker.id", id), ("inter.broker.protocol.version", "2.4")];
        let mut newer = JavaBroker::start(KafkaVersion::V3_9, &zookeeper.address(), &settings("2"));
        let older = JavaBroker::start(KafkaVersion::V2_4, &zookeeper.address(), &settings("3"));
        lab.create("orders", &[2, 3]).await;
        lab.leads("orders", 2, &[2, 3]).await;
        produce(&newer, "orders");

        // The leader dies: the other one has every acknowledged line.
        newer.kill();
        lab.leads("orders", 3, &[3]).await;
        assert_eq!(consume(&older, "orders"), LINES);

        // It comes back, catches up, and leads again when the 2.4 tool asks.
        newer.restart();
        lab.leads("orders", 3, &[3, 2]).await;
        let wanted = preferred_replica_election::encode(&[TopicPartition::new("orders", 0)]);
        lab.zk.create(preferred_replica_election::PATH, Some(wanted.into()), persistent()).await.unwrap();
        lab.leads("orders", 2, &[3, 2]).await;
        assert_eq!(consume(&newer, "orders"), LINES);

        lab.delete("orders").await;
        for broker in [&newer, &older] {
            lab.until("the logs are deleted", || !has_log(&broker.log_dir(), "orders-0")).await;
        }
    });
}

#[test]
fn a_3_9_broker_obeys_at_its_own_protocol() {
    let zookeeper = ZooKeeper::start(ZooKeeperVersion::V3_8);
    runtime().block_on(async {
        let lab = Lab::start(&zookeeper, "3.9").await;
        let mut broker = JavaBroker::start(KafkaVersion::V3_9, &zookeeper.address(), &[("broker.id", "2")]);
        lab.create("orders", &[2]).await;
        lab.leads("orders", 2, &[2]).await;
        produce(&broker, "orders");
        // A bounce: a new registration, the same data.
        broker.kill();
        broker.restart();
        lab.leads("orders", 2, &[2]).await;
        assert_eq!(consume(&broker, "orders"), LINES);
        lab.delete("orders").await;
        lab.until("the log is deleted", || !has_log(&broker.log_dir(), "orders-0")).await;
    });
}

/// The controller and its ZooKeeper session.
struct Lab {
    zk: Arc<ZkSession>,
    admin: TopicAdmin,
    handle: ControllerHandle,
    _registered: watch::Sender<bool>,
}

impl Lab {
    async fn start(zookeeper: &ZooKeeper, protocol: &str) -> Lab {
        let protocol: MetadataVersion = protocol.parse().unwrap();
        let zk = ZkSession::connect(ZkSettings::parse(&zookeeper.address()).unwrap()).await.unwrap();
        registration::create_top_level_paths(zk.as_ref()).await.unwrap();
        register(&zk, protocol).await;
        let (registered, is_registered) = watch::channel(true);
        let links = BrokerLinks {
            me: BrokerId(1),
            local: Arc::new(Nobody),
            network: Arc::new(TcpNetwork),
            listener: "PLAINTEXT".into(),
            request_timeout: Duration::from_secs(30),
        };
        let handle = controller_runner::start(Setup {
            me: BrokerId(1),
            zk: zk.clone(),
            clock: Arc::new(SystemClock::new()),
            links: Arc::new(links),
            registered: is_registered,
            settings: RunnerSettings {
                protocol,
                inter_broker_listener: "PLAINTEXT".into(),
                core: controller::Settings {
                    topic_ids: protocol.has_topic_ids(),
                    leader_recovery: protocol.has_leader_recovery_state(),
                    leaders_write_states: !protocol.has_alter_partition(),
                    ..controller::Settings::default()
                },
                balance_interval: None,
            },
        });
        tokio::time::timeout(LIMIT, handle.term().wait_for(Option::is_some)).await.unwrap().unwrap();
        let admin = TopicAdmin::new(zk.clone(), protocol);
        Lab { zk, admin, handle, _registered: registered }
    }

    async fn create(&self, name: &str, replicas: &[i32]) {
        let placement = vec![replicas.iter().map(|id| BrokerId(*id)).collect()];
        self.admin.create_topic(name, &placement, &BTreeMap::new()).await.unwrap();
    }

    /// Waits until partition 0 has this leader and these in-sync replicas, in any order.
    async fn leads(&self, name: &str, leader: i32, isr: &[i32]) {
        let partition = TopicPartition::new(name, 0);
        let mut wanted = isr.to_vec();
        wanted.sort();
        let mut last = None;
        let waiting = async {
            loop {
                if let Ok(node) = self.zk.get(&partition_state::path(&partition)).await {
                    let state = PartitionState::decode(&partition, &node.data).unwrap();
                    let mut found: Vec<_> = state.isr.iter().map(|id| id.0).collect();
                    found.sort();
                    if state.leader.0 == leader && found == wanted {
                        return;
                    }
                    last = Some(state);
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let done = tokio::time::timeout(LIMIT, waiting).await;
        assert!(done.is_ok(), "wanted leader {leader} and in sync {isr:?}, have {last:?}");
        assert!(self.handle.is_active());
    }

    async fn delete(&self, name: &str) {
        self.admin.delete_topic(name).await.unwrap();
        let gone = async {
            while self.zk.exists(&topic::path(name)).await.unwrap().is_some() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        assert!(tokio::time::timeout(LIMIT, gone).await.is_ok(), "{name} was not deleted");
    }

    async fn until(&self, what: &str, holds: impl Fn() -> bool) {
        let waiting = async {
            while !holds() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        assert!(tokio::time::timeout(LIMIT, waiting).await.is_ok(), "waited in vain until {what}");
    }
}

/// Numbered lines, with every one acknowledged by all in-sync replicas.
fn produce(broker: &JavaBroker, topic: &str) {
    let lines: String = (0..LINES).map(|n| format!("line {n}\n")).collect();
    let address = broker.address();
    let args = ["--bootstrap-server", &address, "--topic", topic, "--request-required-acks", "all"];
    // Producer ids come from the controller, which nobody can reach here.
    let args = [&args[..], &["--producer-property", "enable.idempotence=false"]].concat();
    Driver::shared().tool_with_input(KafkaVersion::V3_9, "kafka-console-producer", &args, &lines).ok();
}

fn consume(broker: &JavaBroker, topic: &str) -> usize {
    let address = broker.address();
    let count = LINES.to_string();
    let args = ["--bootstrap-server", &address, "--topic", topic, "--partition", "0", "--offset", "earliest"];
    let args = [&args[..], &["--max-messages", &count, "--timeout-ms", "30000"]].concat();
    let output = Driver::shared().tool(KafkaVersion::V3_9, "kafka-console-consumer", &args).ok();
    let expected: Vec<_> = (0..LINES).map(|n| format!("line {n}")).collect();
    assert_eq!(output.stdout.lines().collect::<Vec<_>>(), expected);
    output.stdout.lines().count()
}

fn has_log(log_dir: &Path, partition: &str) -> bool {
    log_dir.join(partition).exists()
}

async fn register(zk: &Arc<ZkSession>, protocol: MetadataVersion) {
    let nowhere = Endpoint {
        listener_name: "PLAINTEXT".into(),
        security_protocol: SecurityProtocol::Plaintext,
        host: "127.0.0.1".into(),
        port: i32::from(test_lab::free_port()),
    };
    let registration = BrokerRegistration {
        endpoints: vec![nowhere],
        rack: None,
        features: BTreeMap::new(),
        jmx_port: -1,
        timestamp_ms: 0,
    };
    let format = if protocol.has_feature_versioning() { RegistrationFormat::V5 } else { RegistrationFormat::V4 };
    Registrar::new(zk.clone(), BrokerId(1)).register(&registration, format).await.unwrap();
}

/// Broker 1 hosts nothing; it says yes to everything.
#[derive(Debug)]
struct Nobody;

#[async_trait::async_trait]
impl LocalBroker for Nobody {
    async fn leader_and_isr(&self, _request: LeaderAndIsrRequest, _api_version: i16) -> LeaderAndIsrResponse {
        LeaderAndIsrResponse::default()
    }

    async fn update_metadata(&self, _request: UpdateMetadataRequest, _api_version: i16) -> UpdateMetadataResponse {
        UpdateMetadataResponse::default()
    }

    async fn stop_replica(&self, _request: StopReplicaRequest, _api_version: i16) -> StopReplicaResponse {
        StopReplicaResponse::default()
    }
}

fn persistent() -> klamm::zk::CreateMode {
    klamm::zk::CreateMode::Persistent
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap()
}
