//! Whole events against a ZooKeeper that is a map: what is written, and only then told to whom.

use std::collections::{BTreeMap, HashMap};

use zk_paths::broker_registration::BrokerRegistration;
use zk_paths::ids::{BrokerEpoch, ControllerEpoch, LeaderEpoch, TopicId, ZkVersion};
use zk_paths::partition_state::{LeaderRecoveryState, PartitionState};
use zk_paths::topic::{ReplicaAssignment, TopicAssignment};

use super::*;
use crate::action::{AlterRefusal, StaleBrokerEpoch};
use crate::cluster::Settings;
use crate::event::{AlterPartition, AlterPartitions, LeaderAndIsrReply, NewTopic, ReplicaError, StopReplicaReply};
use crate::startup::Snapshot;

mod random_walk;

const OUR_EPOCH: ControllerEpoch = ControllerEpoch(7);

/// The controller, a ZooKeeper, and brokers that only listen.
struct Sim {
    controller: Controller,
    states: BTreeMap<TopicPartition, Leadership>,
    brokers: BTreeMap<i32, i64>,
    /// Done to ZooKeeper right before the next writes, once: somebody else was faster.
    interference: Option<(TopicPartition, PartitionState)>,
}

fn ids(text: &str) -> Vec<BrokerId> {
    text.split(',').filter(|id| !id.is_empty()).map(|id| BrokerId(id.parse().unwrap())).collect()
}

fn tp(text: &str) -> TopicPartition {
    let (topic, partition) = text.rsplit_once('-').unwrap();
    TopicPartition::new(topic, partition.parse().unwrap())
}

fn text(ids: &[BrokerId]) -> String {
    ids.iter().map(BrokerId::to_string).collect::<Vec<_>>().join(",")
}

fn live(id: i32, broker_epoch: i64) -> LiveBroker {
    let registration = BrokerRegistration {
        endpoints: Vec::new(),
        rack: None,
        features: BTreeMap::new(),
        jmx_port: -1,
        timestamp_ms: 0,
    };
    LiveBroker { id: BrokerId(id), broker_epoch: BrokerEpoch(broker_epoch), registration }
}

/// `orders 1,2 2,1` is a topic with two partitions.
fn topic(line: &str) -> NewTopic {
    let mut words = line.split(' ');
    let name = words.next().unwrap();
    let partitions = words.enumerate().map(|(n, replicas)| (n as i32, ReplicaAssignment::of(ids(replicas)))).collect();
    let mut id = [0; 16];
    name.bytes().take(16).enumerate().for_each(|(n, byte)| id[n] = byte);
    NewTopic {
        name: name.into(),
        assignment: TopicAssignment { topic_id: Some(TopicId(id)), partitions },
        zk_version: ZkVersion(0),
        unclean_allowed: None,
        spare_id: TopicId([9; 16]),
    }
}

/// `orders-0 leader=1 isr=1,2` in leader epoch 4 of controller 6, state version 10.
fn state(line: &str) -> (TopicPartition, Leadership) {
    let mut words = line.split(' ');
    let partition = tp(words.next().unwrap());
    let mut value = || words.next().unwrap().split_once('=').unwrap().1;
    let state = PartitionState {
        leader: BrokerId(value().parse().unwrap()),
        leader_epoch: LeaderEpoch(4),
        isr: ids(value()),
        leader_recovery_state: LeaderRecoveryState::Recovered,
        controller_epoch: ControllerEpoch(6),
    };
    (partition, Leadership { state, zk_version: ZkVersion(10) })
}

impl Sim {
    /// A new term; what it does at first is answered as well.
    fn start_with(settings: Settings, brokers: &str, topics: &[&str], states: &[&str]) -> (Sim, Vec<String>) {
        Sim::start_deleting(settings, brokers, topics, states, &[])
    }

    fn start_deleting(
        settings: Settings,
        brokers: &str,
        topics: &[&str],
        states: &[&str],
        deletions: &[&str],
    ) -> (Sim, Vec<String>) {
        let brokers: BTreeMap<_, _> = ids(brokers).into_iter().map(|id| (id.0, 100)).collect();
        let states: HashMap<_, _> = states.iter().map(|line| state(line)).collect();
        let snapshot = Snapshot {
            brokers: brokers.iter().map(|(id, epoch)| live(*id, *epoch)).collect(),
            topics: topics.iter().map(|line| topic(line)).collect(),
            states: states.clone(),
            deletions: deletions.iter().map(|topic| (*topic).into()).collect(),
        };
        let (controller, progress) = Controller::start(OUR_EPOCH, settings, snapshot);
        let mut sim = Sim { controller, states: states.into_iter().collect(), brokers, interference: None };
        let log = sim.carry_out(progress);
        (sim, log)
    }

    /// A settled cluster.
    fn start(brokers: &str, topics: &[&str], states: &[&str]) -> Sim {
        Sim::start_with(Settings::default(), brokers, topics, states).0
    }

    fn on(&mut self, event: Event) -> Vec<String> {
        let progress = self.controller.begin(event);
        self.carry_out(progress)
    }

    fn brokers(&mut self, change: impl FnOnce(&mut BTreeMap<i32, i64>)) -> Vec<String> {
        change(&mut self.brokers);
        let registered = self.brokers.iter().map(|(id, epoch)| live(*id, *epoch)).collect();
        self.on(Event::BrokersChanged(registered))
    }

    fn carry_out(&mut self, mut progress: Progress) -> Vec<String> {
        let mut log = Vec::new();
        loop {
            log.extend(progress.actions.iter().filter_map(describe));
            if progress.is_end() {
                return log;
            }
            if !progress.reads.is_empty() {
                let found = progress.reads.iter().filter_map(|tp| Some((tp.clone(), self.states.get(tp)?.clone())));
                progress = self.controller.refresh(found.collect::<Vec<_>>());
                continue;
            }
            if let Some((partition, state)) = self.interference.take() {
                let zk_version = ZkVersion(self.states.get(&partition).map_or(0, |old| old.zk_version.0 + 1));
                self.states.insert(partition, Leadership { state, zk_version });
            }
            let outcomes = progress.writes.iter().map(|write| self.write(write, &mut log)).collect();
            progress = self.controller.conclude(outcomes);
        }
    }

    fn write(&mut self, write: &Write, log: &mut Vec<String>) -> Outcome {
        let Write::PartitionState { partition, state, expected, .. } = write else {
            log.push(format!("write {write:?}"));
            return Outcome::Written(ZkVersion(1));
        };
        let found = self.states.get(partition).cloned();
        if found.as_ref().map(|found| found.zk_version) != *expected {
            log.push(format!("refused {partition}"));
            return Outcome::Refused(found);
        }
        let zk_version = ZkVersion(expected.map_or(0, |version| version.0 + 1));
        let (leader, epoch, isr) = (state.leader, state.leader_epoch, text(&state.isr));
        log.push(format!("write {partition} leader={leader} isr={isr} epoch={epoch}"));
        self.states.insert(partition.clone(), Leadership { state: state.clone(), zk_version });
        Outcome::Written(zk_version)
    }
}

/// One line per action; UpdateMetadata only to the lowest receiver, it is the same for all.
fn describe(action: &Action) -> Option<String> {
    match action {
        Action::OpenChannel(broker) => Some(format!("open {}", broker.id)),
        Action::CloseChannel(id) => Some(format!("close {id}")),
        Action::CountElection { unclean } => unclean.then(|| "unclean".into()),
        Action::Report(problem) => Some(format!("problem {problem}")),
        Action::Answer(answer) => Some(format!("answer {answer:?}")),
        Action::Send(Request { to, body: RequestBody::LeaderAndIsr(body), .. }) => {
            let parts = body.partitions.iter().map(|update| {
                let new = if update.is_new { " new" } else { "" };
                format!("{} leader={} epoch={}{new}", update.partition, update.leader, update.leader_epoch)
            });
            Some(format!("{to} <- lead-or-follow {}", parts.collect::<Vec<_>>().join(" ")))
        }
        Action::Send(Request { to, body: RequestBody::UpdateMetadata(body), .. }) => {
            let brokers: Vec<_> = body.brokers.iter().map(|broker| broker.id).collect();
            let parts = body.partitions.iter().map(|update| {
                let offline = if update.offline.is_empty() {
                    String::new()
                } else {
                    format!(" offline={}", text(&update.offline))
                };
                format!(" {}:{}{offline}", update.partition, update.leader)
            });
            Some(format!("{to} <- metadata live={}{}", text(&brokers), parts.collect::<String>()))
        }
        Action::Send(Request { to, body: RequestBody::StopReplica(body), .. }) => {
            let parts = body.iter().map(|stop| {
                let delete = if stop.delete { " delete" } else { "" };
                format!("{} epoch={}{delete}", stop.partition, stop.leader_epoch)
            });
            Some(format!("{to} <- stop {}", parts.collect::<Vec<_>>().join(" ")))
        }
    }
}

fn check(log: &[String], expected: &[&str]) {
    assert_eq!(log, expected, "\n{}\n", log.join("\n"));
}

fn added(line: &str) -> Event {
    Event::TopicsChanged { added: vec![topic(line)], removed: Vec::new() }
}

#[test]
fn a_new_topic_is_written_before_anybody_hears_of_it() {
    let mut sim = Sim::start("1,2,3", &[], &[]);
    check(
        &sim.on(added("orders 1,2 9,3")),
        &[
            "write orders-0 leader=1 isr=1,2 epoch=0",
            "write orders-1 leader=3 isr=3 epoch=0",
            "1 <- lead-or-follow orders-0 leader=1 epoch=0 new",
            "2 <- lead-or-follow orders-0 leader=1 epoch=0 new",
            "3 <- lead-or-follow orders-1 leader=3 epoch=0 new",
            "1 <- metadata live=1,2,3 orders-0:1 orders-1:3 offline=9",
            "2 <- metadata live=1,2,3 orders-0:1 orders-1:3 offline=9",
            "3 <- metadata live=1,2,3 orders-0:1 orders-1:3 offline=9",
        ],
    );
    check(&sim.on(added("orders 1,2 9,3")), &[]);
}

#[test]
fn a_topic_without_live_replicas_waits_for_a_broker() {
    let mut sim = Sim::start("1", &[], &[]);
    check(
        &sim.on(added("orders 5")),
        &["problem orders-0: none of its replicas [5] is online, so it has no first leader yet"],
    );
    let log = sim.brokers(|brokers| _ = brokers.insert(5, 200));
    check(
        &log,
        &[
            "open 5",
            "1 <- metadata live=1,5",
            "5 <- metadata live=1,5",
            "5 <- metadata live=1,5",
            "write orders-0 leader=5 isr=5 epoch=0",
            "5 <- lead-or-follow orders-0 leader=5 epoch=0 new",
            "1 <- metadata live=1,5 orders-0:5",
            "5 <- metadata live=1,5 orders-0:5",
        ],
    );
}

#[test]
fn partitions_grow() {
    let mut sim = Sim::start("1,2", &["orders 1,2"], &["orders-0 leader=1 isr=1,2"]);
    let log = sim.on(Event::TopicUpdated(topic("orders 1,2 2,1")));
    assert_eq!(log[0], "write orders-1 leader=2 isr=2,1 epoch=0");
    assert!(log.iter().all(|line| !line.contains("orders-0")), "{log:?}");
    check(&sim.on(Event::TopicUpdated(topic("orders 1,2 2,1"))), &[]);
}

#[test]
fn a_topic_without_id_gets_one_and_keeps_it() {
    let without_id = |line: &str| {
        let topic = topic(line);
        NewTopic { assignment: TopicAssignment { topic_id: None, ..topic.assignment }, ..topic }
    };
    let mut sim = Sim::start("1", &[], &[]);
    let log = sim.on(Event::TopicsChanged { added: vec![without_id("orders 1")], removed: vec![] });
    assert!(log[0].starts_with("write Topic { topic: \"orders\""), "{log:?}");
    assert_eq!(sim.controller.cluster().topic("orders").unwrap().id, Some(TopicId([9; 16])));

    // A 2.4 tool adds a partition and drops the id: the same one comes back.
    let rewritten = NewTopic { spare_id: TopicId([8; 16]), ..without_id("orders 1 1") };
    let log = sim.on(Event::TopicUpdated(rewritten));
    assert!(log[0].contains(&TopicId([9; 16]).to_string()), "{log:?}");
}

#[test]
fn a_dead_leader_is_replaced_and_a_dead_follower_leaves_the_isr() {
    let topics = ["orders 1,2,3 2,1,3 3,1"];
    let states = ["orders-0 leader=1 isr=1,2,3", "orders-1 leader=2 isr=2,1,3", "orders-2 leader=3 isr=3"];
    let mut sim = Sim::start("1,2,3", &topics, &states);
    check(
        &sim.brokers(|brokers| _ = brokers.remove(&1)),
        &[
            "close 1",
            "write orders-0 leader=2 isr=2,3 epoch=5",
            "2 <- lead-or-follow orders-0 leader=2 epoch=5",
            "3 <- lead-or-follow orders-0 leader=2 epoch=5",
            "2 <- metadata live=2,3 orders-0:2 offline=1",
            "3 <- metadata live=2,3 orders-0:2 offline=1",
            "2 <- metadata live=2,3 orders-0:2 offline=1 orders-1:2 offline=1 orders-2:3 offline=1",
            "3 <- metadata live=2,3 orders-0:2 offline=1 orders-1:2 offline=1 orders-2:3 offline=1",
            "write orders-1 leader=2 isr=2,3 epoch=5",
            "2 <- lead-or-follow orders-1 leader=2 epoch=5",
            "3 <- lead-or-follow orders-1 leader=2 epoch=5",
            "2 <- metadata live=2,3 orders-1:2 offline=1",
            "3 <- metadata live=2,3 orders-1:2 offline=1",
        ],
    );
}

#[test]
fn the_last_in_sync_replica_is_waited_for() {
    let mut sim = Sim::start("1,2", &["orders 1,2"], &["orders-0 leader=1 isr=1"]);
    let log = sim.brokers(|brokers| _ = brokers.remove(&1));
    check(
        &log,
        &[
            "close 1",
            "problem orders-0: no leader found in place of the one that is gone; replicas [1, 2], online [2], in sync [1]",
            "2 <- metadata live=2 orders-0:1 offline=1",
            "write orders-0 leader=-1 isr=1 epoch=5",
            "2 <- lead-or-follow orders-0 leader=-1 epoch=5",
            "2 <- metadata live=2 orders-0:-1 offline=1",
        ],
    );
    assert_eq!(sim.controller.cluster().offline_partitions(), 1);

    let log = sim.brokers(|brokers| _ = brokers.insert(1, 200));
    assert!(log.contains(&"write orders-0 leader=1 isr=1 epoch=6".to_string()), "{log:?}");
    assert_eq!(sim.controller.cluster().offline_partitions(), 0);
}

#[test]
fn an_operator_may_allow_an_unclean_leader() {
    let mut sim = Sim::start("2", &["orders 1,2"], &["orders-0 leader=1 isr=1"]);
    let event = Event::UncleanElectionConfigured { topic: Some("orders".into()), allowed: Some(true) };
    let log = sim.on(event);
    check(&log[..2], &["unclean", "write orders-0 leader=2 isr=2 epoch=6"]);
    assert_eq!(sim.states[&tp("orders-0")].state.leader_recovery_state, LeaderRecoveryState::Recovering);
}

#[test]
fn a_bounced_broker_is_dead_first() {
    let mut sim = Sim::start("1,2", &["orders 1,2"], &["orders-0 leader=1 isr=1,2"]);
    let log = sim.brokers(|brokers| _ = brokers.insert(1, 200));
    let writes: Vec<_> = log.iter().filter(|line| line.starts_with("write")).collect();
    assert_eq!(writes, ["write orders-0 leader=2 isr=2 epoch=5"]);
    let position = |wanted: &str| log.iter().position(|line| line == wanted).unwrap();
    assert!(position("close 1") < position("open 1"));
    assert!(position("open 1") < position("1 <- lead-or-follow orders-0 leader=2 epoch=5"));
}

#[test]
fn an_older_registration_of_the_same_broker_changes_nothing() {
    let mut sim = Sim::start("1,2", &["orders 1,2"], &["orders-0 leader=1 isr=1,2"]);
    check(&sim.brokers(|_| ()), &[]);
}

#[test]
fn a_refused_election_is_planned_again_from_what_is_there() {
    let mut sim = Sim::start("1,2,3", &["orders 1,2,3"], &["orders-0 leader=1 isr=1,2,3"]);
    // An old leader shrank the set behind our back: 2 is no longer in sync.
    let mut shrunk = sim.states[&tp("orders-0")].state.clone();
    shrunk.isr = ids("1,3");
    sim.interference = Some((tp("orders-0"), shrunk));
    let log = sim.brokers(|brokers| _ = brokers.remove(&1));
    check(
        &log[..4],
        &[
            "close 1",
            "refused orders-0",
            "write orders-0 leader=3 isr=3 epoch=5",
            "2 <- lead-or-follow orders-0 leader=3 epoch=5",
        ],
    );
}

#[test]
fn a_newer_controllers_decision_is_left_alone() {
    let mut sim = Sim::start("1,2", &["orders 1,2"], &["orders-0 leader=1 isr=1,2"]);
    let theirs = PartitionState { controller_epoch: ControllerEpoch(8), ..sim.states[&tp("orders-0")].state.clone() };
    sim.interference = Some((tp("orders-0"), theirs));
    let log = sim.brokers(|brokers| _ = brokers.remove(&1));
    assert_eq!(log[1], "refused orders-0");
    assert!(log[2].contains("a controller of epoch 8 has written"), "{log:?}");
    assert!(!log.iter().any(|line| line.starts_with("write") || line.contains("lead-or-follow")), "{log:?}");
}

#[test]
fn a_write_that_happened_after_all_is_believed() {
    let mut sim = Sim::start("1", &[], &[]);
    // The connection broke, the shell read back: the node holds exactly what we wanted.
    sim.interference = Some((tp("orders-0"), initial_state(&ids("1"), OUR_EPOCH).unwrap()));
    let log = sim.on(added("orders 1"));
    check(&log[..2], &["refused orders-0", "1 <- lead-or-follow orders-0 leader=1 epoch=0 new"]);
}

#[test]
fn a_new_term_settles_what_the_last_one_left() {
    let topics = ["orders 1,2 2,1 1"];
    let (sim, log) =
        Sim::start_with(Settings::default(), "2", &topics, &["orders-0 leader=1 isr=1,2", "orders-1 leader=2 isr=2"]);
    check(
        &log,
        &[
            "open 2",
            "2 <- metadata live=2",
            "2 <- lead-or-follow orders-0 leader=1 epoch=4 orders-1 leader=2 epoch=4",
            "2 <- metadata live=2 orders-0:1 offline=1 orders-1:2 offline=1",
            "2 <- metadata live=2 orders-0:1 offline=1 orders-1:2 offline=1",
            "write orders-0 leader=-1 isr=2 epoch=5",
            "2 <- lead-or-follow orders-0 leader=-1 epoch=5",
            "2 <- metadata live=2 orders-0:-1 offline=1",
            "problem orders-2: none of its replicas [1] is online, so it has no first leader yet",
            "write orders-0 leader=2 isr=2 epoch=6",
            "2 <- lead-or-follow orders-0 leader=2 epoch=6",
            "2 <- metadata live=2 orders-0:2 offline=1",
        ],
    );
    assert_eq!(sim.controller.cluster().unsettled(), [tp("orders-2")]);
}

fn stopped(broker: i32, partitions: &[&str], error: ReplicaError) -> Event {
    Event::StopReplicaReplied(StopReplicaReply {
        broker: BrokerId(broker),
        broker_epoch: BrokerEpoch(100),
        error_code: 0,
        deleted: partitions.iter().map(|partition| (tp(partition), error)).collect(),
    })
}

#[test]
fn a_topic_is_deleted_when_every_replica_is() {
    let mut sim = Sim::start("1,2", &["orders 1,2"], &["orders-0 leader=1 isr=1,2"]);
    check(
        &sim.on(Event::DeletionsRequested(vec!["orders".into()])),
        &[
            "1 <- metadata live=1,2 orders-0:-2",
            "2 <- metadata live=1,2 orders-0:-2",
            "1 <- stop orders-0 epoch=-2",
            "2 <- stop orders-0 epoch=-2",
            "1 <- stop orders-0 epoch=-2 delete",
            "2 <- stop orders-0 epoch=-2 delete",
        ],
    );
    check(&sim.on(Event::DeletionsRequested(vec!["orders".into()])), &[]);
    check(&sim.on(stopped(1, &["orders-0"], ReplicaError::None)), &[]);
    check(&sim.on(stopped(2, &["orders-0"], ReplicaError::None)), &["write DeleteTopic(\"orders\")"]);
    assert!(sim.controller.cluster().topic("orders").is_none());
    // The same name again is a new topic.
    assert_eq!(sim.on(added("orders 2"))[0], "refused orders-0", "this fake ZooKeeper kept the old node");
}

#[test]
fn deletion_waits_for_a_dead_broker() {
    let mut sim = Sim::start("1", &["orders 1,2"], &["orders-0 leader=1 isr=1"]);
    let log = sim.on(Event::DeletionsRequested(vec!["orders".into()]));
    assert!(log.contains(&"problem deletion of orders is halted: a replica is offline".to_string()), "{log:?}");
    check(&sim.on(stopped(1, &["orders-0"], ReplicaError::None)), &[]);

    let log = sim.brokers(|brokers| _ = brokers.insert(2, 100));
    assert!(log.contains(&"2 <- stop orders-0 epoch=-2 delete".to_string()), "{log:?}");
    assert!(!log.iter().any(|line| line.starts_with("1 <- stop")), "already deleted there: {log:?}");
    check(&sim.on(stopped(2, &["orders-0"], ReplicaError::None)), &["write DeleteTopic(\"orders\")"]);
}

#[test]
fn a_broker_that_dies_during_a_deletion_halts_it() {
    let mut sim = Sim::start("1,2", &["orders 1,2"], &["orders-0 leader=1 isr=1,2"]);
    sim.on(Event::DeletionsRequested(vec!["orders".into()]));
    let log = sim.brokers(|brokers| _ = brokers.remove(&2));
    check(&log, &["close 2", "problem deletion of orders is halted: a replica is offline", "1 <- metadata live=1"]);
    check(&sim.on(stopped(1, &["orders-0"], ReplicaError::None)), &[]);
    let log = sim.brokers(|brokers| _ = brokers.insert(2, 100));
    assert!(log.contains(&"2 <- stop orders-0 epoch=-2 delete".to_string()), "{log:?}");
    check(&sim.on(stopped(2, &["orders-0"], ReplicaError::None)), &["write DeleteTopic(\"orders\")"]);
}

#[test]
fn a_replica_that_cannot_be_deleted_halts_the_deletion() {
    let mut sim = Sim::start("1", &["orders 1"], &["orders-0 leader=1 isr=1"]);
    sim.on(Event::DeletionsRequested(vec!["orders".into()]));
    let log = sim.on(stopped(1, &["orders-0"], ReplicaError::Storage));
    check(&log, &["problem deletion of orders is halted: a replica could not be deleted"]);
    check(&sim.on(stopped(1, &["orders-0"], ReplicaError::None)), &[]);
    // Its broker comes back: tried again.
    let log = sim.brokers(|brokers| _ = brokers.insert(1, 200));
    assert!(log.contains(&"1 <- stop orders-0 epoch=-2 delete".to_string()), "{log:?}");
}

#[test]
fn deletion_of_the_unknown_or_the_forbidden_is_dropped() {
    let mut sim = Sim::start("1", &[], &[]);
    let log = sim.on(Event::DeletionsRequested(vec!["gone".into()]));
    check(
        &log,
        &[
            "problem the request to delete gone is dropped: there is no such topic",
            "write DropDeletionRequest(\"gone\")",
        ],
    );
    let settings = Settings { delete_topic_enable: false, ..Settings::default() };
    let (mut sim, _) = Sim::start_with(settings, "1", &["orders 1"], &["orders-0 leader=1 isr=1"]);
    let log = sim.on(Event::DeletionsRequested(vec!["orders".into()]));
    assert!(log[0].contains("delete.topic.enable is off"), "{log:?}");
}

#[test]
fn a_deletion_is_taken_up_by_the_next_controller() {
    let states = ["orders-0 leader=1 isr=1"];
    let (_, log) = Sim::start_deleting(Settings::default(), "1", &["orders 1"], &states, &["orders"]);
    assert!(log.contains(&"1 <- stop orders-0 epoch=-2 delete".to_string()), "{log:?}");
}

#[test]
fn growth_of_a_topic_being_deleted_is_taken_back() {
    let mut sim = Sim::start("1", &["orders 1"], &["orders-0 leader=1 isr=1"]);
    sim.on(Event::DeletionsRequested(vec!["orders".into()]));
    let log = sim.on(Event::TopicUpdated(topic("orders 1 1")));
    assert_eq!(log[0], "problem orders is being deleted: 1 added partitions are taken back");
    assert!(log[1].starts_with("write Topic {") && !log[1].contains("1: ReplicaAssignment"), "{log:?}");
}

#[test]
fn a_leaving_broker_hands_over_and_is_told_what_is_left() {
    let topics = ["orders 1,2 2,1 1,2 1"];
    let states = [
        "orders-0 leader=1 isr=1,2",
        "orders-1 leader=2 isr=2,1",
        "orders-2 leader=1 isr=1",
        "orders-3 leader=1 isr=1",
    ];
    let mut sim = Sim::start("1,2", &topics, &states);
    let leave =
        |broker_epoch: i64| Event::ControlledShutdown { broker: BrokerId(1), broker_epoch: BrokerEpoch(broker_epoch) };
    check(&sim.on(leave(99)), &["answer ControlledShutdown(Err(StaleBrokerEpoch))"]);
    let log = sim.on(leave(100));
    let writes: Vec<_> = log.iter().filter(|line| line.starts_with("write")).collect();
    assert_eq!(writes, ["write orders-0 leader=2 isr=2 epoch=5", "write orders-1 leader=2 isr=2 epoch=5"]);
    assert!(log.contains(&"1 <- stop orders-1 epoch=4".to_string()), "{log:?}");
    let answer = Answer::ControlledShutdown(Ok(vec![tp("orders-2")]));
    assert_eq!(log.last(), Some(&format!("answer {answer:?}")), "orders-3 has one replica and does not count");
    // It is still told what happens, but leads nothing new.
    let log = sim.on(added("more 1,2"));
    assert_eq!(log[0], "write more-0 leader=2 isr=2 epoch=0");
    assert!(log.iter().any(|line| line.starts_with("1 <- metadata")), "{log:?}");
}

#[test]
fn an_unknown_broker_may_not_leave() {
    let mut sim = Sim::start("1", &[], &[]);
    let event = Event::ControlledShutdown { broker: BrokerId(5), broker_epoch: BrokerEpoch::NONE };
    check(&sim.on(event), &["answer ControlledShutdown(Err(UnknownBroker))"]);
}

fn alter(sim: &mut Sim, change: impl FnOnce(&mut AlterPartition, &mut AlterPartitions)) -> (Vec<String>, String) {
    let current = &sim.states[&tp("orders-0")];
    let mut partition = AlterPartition {
        topic: TopicRef::Name("orders".into()),
        partition: 0,
        leader_epoch: current.state.leader_epoch,
        partition_epoch: current.zk_version,
        isr: ids("1,2"),
        leader_recovery_state: LeaderRecoveryState::Recovered,
    };
    let mut request = AlterPartitions { broker: BrokerId(1), broker_epoch: BrokerEpoch(100), partitions: Vec::new() };
    change(&mut partition, &mut request);
    request.partitions.push(partition);
    let mut log = sim.on(Event::AlterPartitions(request));
    let answer = log.pop().unwrap();
    (log, answer)
}

#[test]
fn a_leader_changes_its_isr_without_a_new_leader_epoch() {
    let mut sim = Sim::start("1,2,3", &["orders 1,2"], &["orders-0 leader=1 isr=1"]);
    let (log, answer) = alter(&mut sim, |_, _| ());
    check(
        &log,
        &[
            "write orders-0 leader=1 isr=1,2 epoch=4",
            "1 <- metadata live=1,2,3 orders-0:1",
            "2 <- metadata live=1,2,3 orders-0:1",
            "3 <- metadata live=1,2,3 orders-0:1",
        ],
    );
    assert!(answer.contains("zk_version: ZkVersion(11)"), "{answer}");
    // The same again, with the version it had then: holds already.
    let (log, answer) = alter(&mut sim, |partition, _| partition.partition_epoch = ZkVersion(10));
    assert!(log.iter().all(|line| !line.starts_with("write")) && answer.contains("ZkVersion(11)"), "{log:?} {answer}");
}

#[test]
fn every_refusal_of_an_isr_change_has_its_reason() {
    let refused = |expected: AlterRefusal, change: fn(&mut AlterPartition, &mut AlterPartitions)| {
        let mut sim = Sim::start("1,2", &["orders 1,2,3"], &["orders-0 leader=1 isr=1"]);
        let (log, answer) = alter(&mut sim, change);
        assert!(answer.contains(&format!("Err({expected:?})")), "{expected:?}: {answer}");
        assert!(log.iter().all(|line| !line.starts_with("write")), "{log:?}");
    };
    refused(AlterRefusal::UnknownTopicId, |partition, _| partition.topic = TopicRef::Id(TopicId([1; 16])));
    refused(AlterRefusal::UnknownPartition, |partition, _| partition.partition = 9);
    refused(AlterRefusal::UnknownPartition, |partition, _| partition.topic = TopicRef::Name("other".into()));
    refused(AlterRefusal::NotController, |partition, _| partition.leader_epoch = LeaderEpoch(5));
    refused(AlterRefusal::NotController, |partition, _| partition.partition_epoch = ZkVersion(11));
    refused(AlterRefusal::FencedLeaderEpoch, |partition, _| partition.leader_epoch = LeaderEpoch(3));
    refused(AlterRefusal::InvalidUpdateVersion, |partition, _| partition.partition_epoch = ZkVersion(9));
    refused(AlterRefusal::InvalidRequest, |partition, _| {
        partition.leader_recovery_state = LeaderRecoveryState::Recovering
    });
    refused(AlterRefusal::InvalidRequest, |partition, _| partition.isr = Vec::new());
    refused(AlterRefusal::InvalidRequest, |_, request| request.broker = BrokerId(2));
    refused(AlterRefusal::IneligibleReplica, |partition, _| partition.isr = ids("1,3"));
}

#[test]
fn an_isr_change_from_an_earlier_life_is_refused_whole() {
    let mut sim = Sim::start("1", &["orders 1"], &["orders-0 leader=1 isr=1"]);
    for (broker, broker_epoch) in [(1, 99), (1, 101), (5, 100)] {
        let (_, answer) = alter(&mut sim, |_, request| {
            (request.broker, request.broker_epoch) = (BrokerId(broker), BrokerEpoch(broker_epoch));
        });
        assert_eq!(answer, format!("answer {:?}", Answer::AlterPartitions(Err(StaleBrokerEpoch))));
    }
}

#[test]
fn a_lost_log_directory_costs_its_replicas_their_leadership() {
    let mut sim = Sim::start("1,2", &["orders 1,2 1,2"], &["orders-0 leader=1 isr=1,2", "orders-1 leader=1 isr=1,2"]);
    let log = sim.on(Event::LogDirsFailed(ids("1")));
    assert_eq!(log[0], "1 <- lead-or-follow orders-0 leader=1 epoch=4 orders-1 leader=1 epoch=4");
    let reply = |broker_epoch: i64| LeaderAndIsrReply {
        broker: BrokerId(1),
        broker_epoch: BrokerEpoch(broker_epoch),
        error_code: 0,
        partitions: vec![(tp("orders-0"), ReplicaError::Storage), (tp("orders-1"), ReplicaError::None)],
    };
    check(&sim.on(Event::LeaderAndIsrReplied(reply(99))), &[]);
    let log = sim.on(Event::LeaderAndIsrReplied(reply(100)));
    assert_eq!(log[1], "write orders-0 leader=2 isr=2 epoch=5");
    assert!(log.iter().any(|line| line == "1 <- stop orders-0 epoch=5"), "{log:?}");
    check(&sim.on(Event::LeaderAndIsrReplied(reply(100))), &[]);
}

#[test]
fn preferred_leaders_come_back_when_too_many_are_elsewhere() {
    let topics = ["orders 1,2 1,2 2,1"];
    let states = ["orders-0 leader=2 isr=2,1", "orders-1 leader=2 isr=2", "orders-2 leader=2 isr=2,1"];
    let mut sim = Sim::start("1,2", &topics, &states);
    let log = sim.on(Event::BalanceLeaders);
    let writes: Vec<_> = log.iter().filter(|line| line.starts_with("write")).collect();
    assert_eq!(writes, ["write orders-0 leader=1 isr=2,1 epoch=5"], "1 is not in sync in orders-1");

    let settings = Settings { leader_imbalance_percentage: 100, ..Settings::default() };
    let (mut sim, _) = Sim::start_with(settings, "1,2", &topics, &states);
    check(&sim.on(Event::BalanceLeaders), &[]);
}

#[test]
fn asked_for_elections_are_all_answered() {
    let topics = ["orders 1,2 1,2 1,2", "going 1,2"];
    let states = [
        "orders-0 leader=2 isr=2,1",
        "orders-1 leader=1 isr=1,2",
        "orders-2 leader=2 isr=2",
        "going-0 leader=2 isr=2,1",
    ];
    let mut sim = Sim::start("1,2", &topics, &states);
    sim.on(Event::DeletionsRequested(vec!["going".into()]));
    let wanted = ["orders-0", "orders-1", "orders-2", "going-0", "other-0"].map(tp).to_vec();
    let event =
        Event::ElectLeaders { partitions: Some(wanted), kind: ElectionKind::Preferred, trigger: Trigger::Admin };
    let expected = Answer::ElectLeaders(vec![
        (tp("going-0"), Err(ElectionRefusal::TopicDeleting)),
        (tp("orders-0"), Ok(BrokerId(1))),
        (tp("orders-1"), Err(ElectionRefusal::NotNeeded)),
        (tp("orders-2"), Err(ElectionRefusal::PreferredNotAvailable)),
        (tp("other-0"), Err(ElectionRefusal::UnknownPartition)),
    ]);
    assert_eq!(sim.on(event).last(), Some(&format!("answer {expected:?}")));
    let log = sim.on(Controller::pending_preferred_election(vec![tp("orders-0")]));
    assert_eq!(log[0], "write DropPreferredElection");
}

#[test]
fn an_unclean_election_needs_a_person() {
    for (trigger, elected) in [(Trigger::Admin, true), (Trigger::Znode, false)] {
        let mut sim = Sim::start("2", &["orders 1,2"], &["orders-0 leader=-1 isr=1"]);
        let event = Event::ElectLeaders { partitions: None, kind: ElectionKind::Unclean, trigger };
        let log = sim.on(event);
        assert_eq!(log.contains(&"unclean".to_string()), elected, "{log:?}");
    }
}

#[test]
fn states_written_by_old_leaders_are_passed_on() {
    let mut sim = Sim::start("1,2", &["orders 1,2"], &["orders-0 leader=1 isr=1,2"]);
    let (partition, mut shrunk) = state("orders-0 leader=1 isr=1");
    shrunk.zk_version = ZkVersion(11);
    let log = sim.on(Event::IsrNotified(vec![(partition.clone(), shrunk.clone()), state("other-0 leader=1 isr=1")]));
    check(&log, &["1 <- metadata live=1,2 orders-0:1", "2 <- metadata live=1,2 orders-0:1"]);
    assert_eq!(sim.controller.cluster().leadership(&partition), Some(&shrunk));
}

#[test]
fn reassignment_is_reported_and_left_alone() {
    let mut sim = Sim::start("1", &[], &[]);
    let log = sim.on(Event::ReassignmentRequested);
    assert!(log.len() == 1 && log[0].contains("cannot do yet"), "{log:?}");
}

#[test]
fn changed_endpoints_reach_everybody() {
    let mut sim = Sim::start("1,2", &[], &[]);
    check(&sim.on(Event::BrokerUpdated(live(1, 100))), &[]);
    let mut moved = live(1, 100);
    moved
        .registration
        .features
        .insert("f".into(), zk_paths::broker_registration::FeatureRange { min_version: 1, max_version: 2 });
    check(&sim.on(Event::BrokerUpdated(moved)), &["open 1", "1 <- metadata live=1,2", "2 <- metadata live=1,2"]);
}

#[test]
fn a_broker_that_missed_requests_is_told_everything_again() {
    let topics = ["going 1,2", "orders 1,2"];
    let mut sim = Sim::start("1,2", &topics, &["orders-0 leader=1 isr=1,2", "going-0 leader=1 isr=1,2"]);
    sim.on(Event::DeletionsRequested(vec!["going".into()]));
    let log = sim.on(Event::ChannelOverrun(BrokerId(2)));
    for told in ["2 <- metadata live=1,2 orders-0:1", "2 <- lead-or-follow orders-0 leader=1 epoch=4"] {
        assert!(log.contains(&told.to_string()), "{told}: {log:?}");
    }
    // The deletion goes on with the next answer to it.
    let log = sim.on(stopped(1, &["going-0"], ReplicaError::None));
    assert!(log.contains(&"2 <- stop going-0 epoch=-2 delete".to_string()), "{log:?}");
}

#[test]
fn where_leaders_write_states_they_are_read_before_every_decision() {
    let settings = Settings { leaders_write_states: true, ..Settings::default() };
    let states = ["orders-0 leader=1 isr=1"];
    let (mut sim, _) = Sim::start_with(settings, "1,2", &["orders 1,2"], &states);
    // The leader has taken 2 into the set, and its notification is still on its way.
    let joined = sim.states.get_mut(&tp("orders-0")).unwrap();
    (joined.state.isr, joined.zk_version) = (ids("1,2"), ZkVersion(11));
    let log = sim.brokers(|brokers| _ = brokers.remove(&1));
    assert_eq!(log[1], "write orders-0 leader=2 isr=2 epoch=5");
    sim.brokers(|brokers| _ = brokers.insert(1, 200));
    let joined = sim.states.get_mut(&tp("orders-0")).unwrap();
    (joined.state.isr, joined.zk_version) = (ids("2,1"), ZkVersion(13));
    let log = sim.on(Controller::pending_preferred_election(vec![tp("orders-0")]));
    assert_eq!(log[0], "write orders-0 leader=1 isr=2,1 epoch=6");
}
