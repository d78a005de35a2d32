//! Runners on a fake ZooKeeper, with brokers that write down what they are told and answer that all is well.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use controller::cluster::LiveBroker;
use controller::event::{AlterPartition, TopicRef};
use wire::leader_and_isr::{LeaderAndIsrPartitionError, LeaderAndIsrTopicError};
use wire::stop_replica::StopReplicaPartitionError;
use wire::{
    LeaderAndIsrRequest, LeaderAndIsrResponse, StopReplicaRequest, StopReplicaResponse, UpdateMetadataRequest,
    UpdateMetadataResponse,
};
use world::clock::ManualClock;
use zk_paths::ids::{LeaderEpoch, ZkVersion};
use zk_paths::partition_state::{LeaderRecoveryState, PartitionState};
use zk_paths::{partition_state, persistent_paths, topic};

use super::*;
use crate::topic_admin::TopicAdmin;
use crate::zk::fake::{FakeSession, FakeZooKeeper, Lost};
use crate::zk::{CreateMode, Op};

/// What brokers were told, one line per request.
#[derive(Debug, Default)]
struct Brokers {
    told: Mutex<Vec<String>>,
    changed: tokio::sync::Notify,
    /// Requests fail while this is set.
    unreachable: Mutex<Option<BrokerId>>,
}

#[derive(Debug)]
struct FakeLink {
    to: BrokerId,
    brokers: Arc<Brokers>,
}

impl Brokers {
    fn tell(&self, to: BrokerId, line: String) -> Result<(), LinkError> {
        if *self.unreachable.lock().unwrap() == Some(to) {
            return Err(LinkError::Local("unreachable".into()));
        }
        self.told.lock().unwrap().push(format!("{to} <- {line}"));
        self.changed.notify_waiters();
        Ok(())
    }

    fn told(&self, part: &str) -> bool {
        self.told.lock().unwrap().iter().any(|line| line.contains(part))
    }

    /// Waits until some line contains `part`; the lines before are forgotten.
    async fn wait_for(&self, part: &str) {
        let waiting = async {
            loop {
                let changed = self.changed.notified();
                {
                    let mut told = self.told.lock().unwrap();
                    if let Some(at) = told.iter().position(|line| line.contains(part)) {
                        told.drain(..=at);
                        return;
                    }
                }
                changed.await;
            }
        };
        let told = tokio::time::timeout(Duration::from_secs(60), waiting).await;
        assert!(told.is_ok(), "nobody was told '{part}': {:#?}", self.told.lock().unwrap());
    }
}

#[derive(Debug)]
struct FakeLinks(Arc<Brokers>);

impl Links for FakeLinks {
    fn link_to(&self, broker: &LiveBroker) -> Arc<dyn BrokerLink> {
        Arc::new(FakeLink { to: broker.id, brokers: self.0.clone() })
    }
}

#[async_trait]
impl BrokerLink for FakeLink {
    async fn leader_and_isr(
        &self,
        request: &LeaderAndIsrRequest,
        api_version: i16,
    ) -> Result<LeaderAndIsrResponse, LinkError> {
        let mut topics = Vec::new();
        for topic in &request.topic_states {
            for state in &topic.partition_states {
                let (name, number) = (&topic.topic_name, state.partition_index);
                let line = format!("v{api_version} lead-or-follow {name}-{number} leader={}", state.leader);
                self.brokers.tell(self.to, format!("{line} epoch={}", state.leader_epoch))?;
            }
            let errors = topic.partition_states.iter().map(|state| LeaderAndIsrPartitionError {
                partition_index: state.partition_index,
                ..Default::default()
            });
            topics.push(LeaderAndIsrTopicError { topic_id: topic.topic_id, partition_errors: errors.collect() });
        }
        Ok(LeaderAndIsrResponse { topics, ..Default::default() })
    }

    async fn update_metadata(
        &self,
        request: &UpdateMetadataRequest,
        _api_version: i16,
    ) -> Result<UpdateMetadataResponse, LinkError> {
        let live: Vec<_> = request.live_brokers.iter().map(|broker| broker.id).collect();
        let mut line = format!("metadata epoch={} live={live:?}", request.controller_epoch);
        for topic in &request.topic_states {
            for state in &topic.partition_states {
                line += &format!(" {}-{}:{}", topic.topic_name, state.partition_index, state.leader);
            }
        }
        self.brokers.tell(self.to, line)?;
        Ok(UpdateMetadataResponse::default())
    }

    async fn stop_replica(
        &self,
        request: &StopReplicaRequest,
        _api_version: i16,
    ) -> Result<StopReplicaResponse, LinkError> {
        let mut partition_errors = Vec::new();
        for topic in &request.topic_states {
            for state in &topic.partition_states {
                let delete = if state.delete_partition { " delete" } else { "" };
                let line = format!("stop {}-{}{delete}", topic.topic_name, state.partition_index);
                self.brokers.tell(self.to, line)?;
                partition_errors.push(StopReplicaPartitionError {
                    topic_name: topic.topic_name.clone(),
                    partition_index: state.partition_index,
                    error_code: 0,
                });
            }
        }
        Ok(StopReplicaResponse { partition_errors, ..Default::default() })
    }
}

/// One broker: its session, its runner.
struct Node {
    session: Arc<FakeSession>,
    registered: watch::Sender<bool>,
    handle: ControllerHandle,
    brokers: Arc<Brokers>,
    admin: TopicAdmin,
}

fn ensemble() -> FakeZooKeeper {
    let ensemble = FakeZooKeeper::new();
    persistent_paths::CREATED_AT_START.iter().for_each(|path| ensemble.put(path, ""));
    ensemble
}

async fn register(session: &FakeSession, id: i32) {
    let data = r#"{"version":5,"host":"h","port":1,"jmx_port":-1,"timestamp":"1","endpoints":["PLAINTEXT://h:1"],
        "listener_security_protocol_map":{"PLAINTEXT":"PLAINTEXT"},"features":{}}"#;
    let path = format!("/brokers/ids/{id}");
    let ops = vec![
        Op::Create { path: path.clone(), data: None, mode: CreateMode::Ephemeral },
        Op::Set { path, data: data.into(), expected: ZkVersion(0) },
    ];
    session.multi(ops).await.unwrap();
}

async fn node(ensemble: &FakeZooKeeper, id: i32) -> Node {
    let session = ensemble.session();
    register(&session, id).await;
    let brokers = Arc::new(Brokers::default());
    let (registered, is_registered) = watch::channel(true);
    let handle = start(Setup {
        me: BrokerId(id),
        zk: session.clone(),
        clock: Arc::new(ManualClock::new(1_700_000_000_000)),
        links: Arc::new(FakeLinks(brokers.clone())),
        registered: is_registered,
        settings: RunnerSettings {
            protocol: MetadataVersion::LATEST,
            inter_broker_listener: "PLAINTEXT".into(),
            core: controller::Settings::default(),
            balance_interval: Some(Duration::from_secs(300)),
        },
    });
    let admin = TopicAdmin::new(session.clone(), MetadataVersion::LATEST);
    Node { session, registered, handle, brokers, admin }
}

impl Node {
    async fn becomes_controller(&self) {
        let mut term = self.handle.term();
        let elected = tokio::time::timeout(Duration::from_secs(60), term.wait_for(Option::is_some)).await;
        assert!(elected.is_ok(), "was not elected");
    }

    async fn resigns(&self) {
        let mut term = self.handle.term();
        let resigned = tokio::time::timeout(Duration::from_secs(60), term.wait_for(Option::is_none)).await;
        assert!(resigned.is_ok(), "did not resign");
    }

    async fn create(&self, name: &str, replicas: &[i32]) {
        let placement = vec![replicas.iter().map(|id| BrokerId(*id)).collect()];
        self.admin.create_topic(name, &placement, &BTreeMap::new()).await.unwrap();
    }
}

fn state(ensemble: &FakeZooKeeper, partition: &TopicPartition) -> PartitionState {
    let data = ensemble.data(&partition_state::path(partition)).unwrap().unwrap();
    PartitionState::decode(partition, &data).unwrap()
}

fn orders() -> TopicPartition {
    TopicPartition::new("orders", 0)
}

#[tokio::test(start_paused = true)]
async fn a_lone_broker_elects_itself_and_makes_topics() {
    let ensemble = ensemble();
    let one = node(&ensemble, 1).await;
    one.becomes_controller().await;
    assert_eq!(ensemble.data("/controller_epoch").unwrap().unwrap(), &b"1"[..]);
    let registration = ensemble.data("/controller").unwrap().unwrap();
    let expected = r#"{"brokerid":1,"kraftControllerEpoch":-1,"timestamp":"1700000000000","version":2}"#;
    assert_eq!(registration, expected.as_bytes());
    let feature = ensemble.data("/feature").unwrap().unwrap();
    assert_eq!(feature, br#"{"features":{},"status":1,"version":2}"#[..]);

    one.create("orders", &[1]).await;
    one.brokers.wait_for("1 <- v7 lead-or-follow orders-0 leader=1 epoch=0").await;
    one.brokers.wait_for("1 <- metadata epoch=1 live=[1] orders-0:1").await;
    assert_eq!(ensemble.data("/brokers/topics/orders/partitions"), Some(None), "null data");
    assert_eq!(ensemble.data("/brokers/topics/orders/partitions/0"), Some(None), "null data");
    assert_eq!(state(&ensemble, &orders()).isr, [BrokerId(1)]);
}

#[tokio::test(start_paused = true)]
async fn topics_grow_and_go() {
    let ensemble = ensemble();
    let one = node(&ensemble, 1).await;
    one.create("orders", &[1]).await;
    one.brokers.wait_for("lead-or-follow orders-0").await;
    one.admin.create_partitions("orders", 3, Some(&vec![vec![BrokerId(1)]; 2]), &[place(1)], false).await.unwrap();
    one.brokers.wait_for("lead-or-follow orders-2").await;

    one.admin.delete_topic("orders").await.unwrap();
    one.brokers.wait_for("stop orders-2 delete").await;
    let gone = || !ensemble.paths().iter().any(|path| path.contains("orders"));
    eventually(gone).await;

    one.create("orders", &[1]).await;
    one.brokers.wait_for("lead-or-follow orders-0 leader=1 epoch=0").await;
}

fn place(id: i32) -> controller::assignment::Place {
    controller::assignment::Place { broker: BrokerId(id), rack: None }
}

/// Lets the other tasks run until something holds.
async fn eventually(holds: impl Fn() -> bool) {
    for _ in 0..10_000 {
        if holds() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("it did not come to pass");
}

#[tokio::test(start_paused = true)]
async fn the_next_broker_takes_over_with_a_higher_epoch() {
    let ensemble = ensemble();
    let one = node(&ensemble, 1).await;
    one.becomes_controller().await;
    let two = node(&ensemble, 2).await;
    one.create("orders", &[1, 2]).await;
    one.brokers.wait_for("2 <- v7 lead-or-follow orders-0 leader=1 epoch=0").await;
    assert!(!two.handle.is_active());

    one.registered.send_replace(false);
    one.session.expire();
    one.resigns().await;
    two.becomes_controller().await;
    assert_eq!(ensemble.data("/controller_epoch").unwrap().unwrap(), &b"2"[..]);
    two.brokers.wait_for("2 <- v7 lead-or-follow orders-0 leader=2").await;
    let now = state(&ensemble, &orders());
    assert_eq!((now.leader, now.isr, now.controller_epoch), (BrokerId(2), vec![BrokerId(2)], ControllerEpoch(2)));

    // The first one comes back: it follows the new controller, which brings it back in.
    register(&one.session, 1).await;
    one.registered.send_replace(true);
    two.brokers.wait_for("1 <- v7 lead-or-follow orders-0 leader=2").await;
    assert!(!one.handle.is_active());
}

#[tokio::test(start_paused = true)]
async fn after_an_expiry_the_broker_registers_before_it_is_elected() {
    let ensemble = ensemble();
    let one = node(&ensemble, 1).await;
    one.becomes_controller().await;
    one.create("orders", &[1]).await;
    one.brokers.wait_for("lead-or-follow orders-0 leader=1 epoch=0").await;
    // Whoever registers us has not heard of the expiry yet and still says that we are registered.
    one.session.expire();
    one.resigns().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!one.handle.is_active());
    register(&one.session, 1).await;
    one.becomes_controller().await;
    one.brokers.wait_for("lead-or-follow orders-0 leader=1 epoch=0").await;
    assert_eq!(state(&ensemble, &orders()).leader_epoch, LeaderEpoch(0), "nobody took the broker for dead");
}

#[tokio::test(start_paused = true)]
async fn a_deposed_controller_writes_nothing() {
    let ensemble = ensemble();
    let one = node(&ensemble, 1).await;
    one.becomes_controller().await;
    // Another controller has been elected, but the event about it is still on its way.
    one.registered.send_replace(false);
    ensemble.put("/controller_epoch", "2");
    one.create("orders", &[1]).await;
    one.resigns().await;
    assert!(ensemble.data(&partition_state::path(&orders())).is_none());
    assert!(!one.brokers.told("orders"));
}

#[tokio::test(start_paused = true)]
async fn deleting_the_controller_node_moves_the_controller() {
    let ensemble = ensemble();
    let one = node(&ensemble, 1).await;
    one.becomes_controller().await;
    one.registered.send_replace(false);
    let two = node(&ensemble, 2).await;
    one.session.delete("/controller", ZkVersion::ANY).await.unwrap();
    two.becomes_controller().await;
    one.resigns().await;
    assert_eq!(one.handle.controlled_shutdown(BrokerId(1), BrokerEpoch::NONE).await, Err(NotController));
}

#[tokio::test(start_paused = true)]
async fn an_election_whose_answer_was_lost_counts() {
    for lost in [Lost::BeforeTheWrite, Lost::AfterTheWrite] {
        let ensemble = ensemble();
        ensemble.put("/controller_epoch", "4");
        let session = ensemble.session();
        register(&session, 1).await;
        let (_registered, is_registered) = watch::channel(true);
        let setup = Setup {
            me: BrokerId(1),
            zk: session.clone(),
            clock: Arc::new(ManualClock::new(0)),
            links: Arc::new(FakeLinks(Arc::default())),
            registered: is_registered,
            settings: RunnerSettings {
                protocol: MetadataVersion::LATEST,
                inter_broker_listener: "PLAINTEXT".into(),
                core: controller::Settings::default(),
                balance_interval: None,
            },
        };
        session.lose_next_write(lost);
        let first = election::vote(&setup).await.unwrap();
        match lost {
            Lost::BeforeTheWrite => assert_eq!(first, election::Vote::Lost),
            Lost::AfterTheWrite => assert!(matches!(first, election::Vote::Won(_))),
        }
        let epoch = if lost == Lost::AfterTheWrite { "5" } else { "4" };
        assert_eq!(ensemble.data("/controller_epoch").unwrap().unwrap(), epoch.as_bytes());
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_answer_was_lost_is_read_back() {
    for lost in [Lost::BeforeTheWrite, Lost::AfterTheWrite] {
        let ensemble = ensemble();
        let one = node(&ensemble, 1).await;
        let two = node(&ensemble, 2).await;
        one.becomes_controller().await;
        one.create("orders", &[2, 1]).await;
        one.brokers.wait_for("1 <- v7 lead-or-follow orders-0 leader=2 epoch=0").await;
        two.registered.send_replace(false);
        one.session.lose_next_write(lost);
        two.session.expire();
        one.brokers.wait_for("1 <- v7 lead-or-follow orders-0 leader=1 epoch=1").await;
        assert_eq!(state(&ensemble, &orders()).leader_epoch, LeaderEpoch(1), "{lost:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn changes_missed_while_disconnected_are_seen_afterwards() {
    let ensemble = ensemble();
    let one = node(&ensemble, 1).await;
    one.becomes_controller().await;
    let other = ensemble.session();
    let admin = TopicAdmin::new(other.clone(), MetadataVersion::LATEST);
    admin.create_topic("first", &vec![vec![BrokerId(1)]], &BTreeMap::new()).await.unwrap();
    one.brokers.wait_for("lead-or-follow first-0").await;

    one.session.disconnect();
    admin.create_topic("second", &vec![vec![BrokerId(1)]], &BTreeMap::new()).await.unwrap();
    admin.create_partitions("first", 2, None, &[place(1)], false).await.unwrap();
    one.session.reconnect();
    one.brokers.wait_for("lead-or-follow second-0").await;
    one.brokers.wait_for("lead-or-follow first-1").await;
    assert!(one.handle.is_active());
}

#[tokio::test(start_paused = true)]
async fn a_request_is_repeated_until_it_arrives() {
    let ensemble = ensemble();
    let one = node(&ensemble, 1).await;
    one.becomes_controller().await;
    one.brokers.wait_for("1 <- metadata").await;
    *one.brokers.unreachable.lock().unwrap() = Some(BrokerId(1));
    one.create("orders", &[1]).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(!one.brokers.told("orders"));
    *one.brokers.unreachable.lock().unwrap() = None;
    one.brokers.wait_for("lead-or-follow orders-0").await;
    one.brokers.wait_for("metadata epoch=1 live=[1] orders-0:1").await;
}

#[tokio::test(start_paused = true)]
async fn handlers_are_answered() {
    let ensemble = ensemble();
    let one = node(&ensemble, 1).await;
    let two = node(&ensemble, 2).await;
    one.becomes_controller().await;
    one.create("orders", &[1, 2]).await;
    one.brokers.wait_for("2 <- v7 lead-or-follow orders-0").await;
    let broker_epoch = BrokerEpoch(one.session.exists("/brokers/ids/1").await.unwrap().unwrap().czxid);
    let shrink = AlterPartitions {
        broker: BrokerId(1),
        broker_epoch,
        partitions: vec![AlterPartition {
            topic: TopicRef::Name("orders".into()),
            partition: 0,
            leader_epoch: LeaderEpoch(0),
            partition_epoch: ZkVersion(0),
            isr: vec![BrokerId(1)],
            leader_recovery_state: LeaderRecoveryState::Recovered,
        }],
    };
    let answer = one.handle.alter_partitions(shrink.clone()).await.unwrap().unwrap();
    assert_eq!(answer[0].result.as_ref().unwrap().zk_version, ZkVersion(1));
    assert_eq!(state(&ensemble, &orders()).isr, [BrokerId(1)]);
    assert_eq!(two.handle.alter_partitions(shrink).await, Err(NotController));

    let elected = one.handle.elect_leaders(None, ElectionKind::Preferred).await.unwrap();
    assert_eq!(elected, [(orders(), Err(ElectionRefusal::NotNeeded))]);
    let left = one.handle.controlled_shutdown(BrokerId(1), BrokerEpoch::NONE).await.unwrap();
    assert_eq!(left, Ok(vec![orders()]), "2 is not in sync any more");
    let unknown = one.handle.controlled_shutdown(BrokerId(9), BrokerEpoch::NONE).await.unwrap();
    assert_eq!(unknown, Err(ShutdownRefusal::UnknownBroker));
}

#[tokio::test(start_paused = true)]
async fn tools_of_old_are_heard() {
    let ensemble = ensemble();
    let one = node(&ensemble, 1).await;
    let two = node(&ensemble, 2).await;
    one.becomes_controller().await;
    one.create("orders", &[2, 1]).await;
    one.brokers.wait_for("1 <- v7 lead-or-follow orders-0 leader=2").await;
    two.registered.send_replace(false);
    two.session.expire();
    one.brokers.wait_for("1 <- v7 lead-or-follow orders-0 leader=1").await;
    register(&two.session, 2).await;
    one.brokers.wait_for("2 <- v7 lead-or-follow orders-0 leader=1").await;
    // An old leader takes 2 back into the in-sync set by itself and says so.
    let path = partition_state::path(&orders());
    let mut joined = state(&ensemble, &orders());
    joined.isr = vec![BrokerId(1), BrokerId(2)];
    two.session.set(&path, joined.encode().into(), ZkVersion::ANY).await.unwrap();
    let entry = zk_paths::isr_change_notification::encode(&[orders()]);
    let at = zk_paths::isr_change_notification::create_path();
    two.session.create(&at, Some(entry.into()), CreateMode::PersistentSequential).await.unwrap();
    one.brokers.wait_for("1 <- metadata epoch=1 live=[1, 2] orders-0:1").await;

    let request = zk_paths::preferred_replica_election::encode(&[orders()]);
    ensemble.put("/admin/preferred_replica_election", &String::from_utf8(request).unwrap());
    one.brokers.wait_for("2 <- v7 lead-or-follow orders-0 leader=2").await;
    eventually(|| {
        let paths = ensemble.paths();
        !paths.iter().any(|path| path.contains("preferred_replica") || path.contains("isr_change_0"))
    })
    .await;
    ensemble.put("/admin/reassign_partitions", r#"{"version":1,"partitions":[]}"#);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(ensemble.data("/admin/reassign_partitions").is_some(), "left alone");
}

#[tokio::test(start_paused = true)]
async fn a_failed_log_directory_is_asked_about() {
    let ensemble = ensemble();
    let one = node(&ensemble, 1).await;
    one.create("orders", &[1]).await;
    one.brokers.wait_for("metadata epoch=1 live=[1] orders-0:1").await;
    let entry = zk_paths::log_dir_event_notification::encode(BrokerId(1));
    let at = zk_paths::log_dir_event_notification::create_path();
    one.session.create(&at, Some(entry.into()), CreateMode::PersistentSequential).await.unwrap();
    one.brokers.wait_for("1 <- v7 lead-or-follow orders-0 leader=1 epoch=0").await;
    eventually(|| !ensemble.paths().iter().any(|path| path.contains("log_dir_event_0"))).await;
}

#[tokio::test(start_paused = true)]
async fn broken_nodes_do_not_stop_the_controller() {
    let ensemble = ensemble();
    ensemble.put("/brokers/topics/broken", "not json");
    ensemble.put("/brokers/ids/x", "{}");
    ensemble.put("/brokers/ids/7", "not json");
    ensemble.put("/feature", "not json");
    ensemble.put("/admin/preferred_replica_election", "not json");
    let one = node(&ensemble, 1).await;
    one.create("orders", &[1]).await;
    one.brokers.wait_for("lead-or-follow orders-0").await;
    // Repaired, it is taken up.
    ensemble.put("/brokers/topics/broken", r#"{"version":1,"partitions":{"0":[1]}}"#);
    one.brokers.wait_for("lead-or-follow broken-0").await;
}

#[tokio::test(start_paused = true)]
async fn many_partitions_are_written_in_batches_and_each_has_its_outcome() {
    let ensemble = ensemble();
    let one = node(&ensemble, 1).await;
    one.becomes_controller().await;
    // Somebody has left a state behind for one of them.
    let left = TopicPartition::new("many", 700);
    ensemble.put(
        &partition_state::path(&left),
        r#"{"version":1,"leader":9,"leader_epoch":3,"controller_epoch":0,"isr":[9]}"#,
    );
    let placement: Vec<_> = (0..1000).map(|_| vec![BrokerId(1)]).collect();
    let topic = topic::TopicAssignment {
        topic_id: None,
        partitions: (0..)
            .zip(&placement)
            .map(|(n, ids)| (n, topic::ReplicaAssignment::of(ids.iter().copied())))
            .collect(),
    };
    ensemble.put(&topic::path("many"), &String::from_utf8(topic.encode(topic::TopicFormat::V2)).unwrap());
    one.brokers.wait_for("lead-or-follow many-999").await;
    assert_eq!(state(&ensemble, &TopicPartition::new("many", 999)).leader, BrokerId(1));
    assert_eq!(state(&ensemble, &left).leader, BrokerId(9), "left as it was");
}
