//! Random events against a controller, with what must hold after each of them; then everything heals, and must settle.
//!
//! Always: a leader epoch has one leader; a leader is registered and in its in-sync set, which is never empty and holds replicas only;
//! what the controller believes is what ZooKeeper holds; brokers are told nothing else; both state machines are obeyed.
//! After healing: every partition has a live leader, and every deletion asked for has happened.

use std::collections::BTreeSet;

use proptest::prelude::*;

use proptest::strategy::Strategy;

use super::*;

const TOPICS: [&str; 3] = ["a", "b", "c"];
const BROKERS: i32 = 4;

#[derive(Debug, Clone)]
enum Step {
    Start(i32),
    Kill(i32),
    Leave(i32),
    Create(usize, Vec<Vec<i32>>),
    Delete(usize),
    /// Brokers answer the deletions they were told, well or with an error.
    Answer(bool),
    /// The leader of a partition sets its in-sync set to those of these that replicate it, plus itself.
    Alter(usize, i32, Vec<i32>),
    /// Before the next write somebody raises the version of this partition's state.
    Interfere(usize, i32),
    LoseDirectory(i32, usize, i32),
    Balance,
    Overrun(i32),
    NextTerm,
}

fn step() -> impl Strategy<Value = Step> {
    let broker = 1..=BROKERS;
    let replicas = prop::sample::subsequence((1..=BROKERS).collect::<Vec<_>>(), 1..4).prop_shuffle();
    let topic = 0..TOPICS.len();
    prop_oneof![
        3 => broker.clone().prop_map(Step::Start),
        3 => broker.clone().prop_map(Step::Kill),
        1 => broker.clone().prop_map(Step::Leave),
        3 => (topic.clone(), prop::collection::vec(replicas.clone(), 1..4)).prop_map(|(t, r)| Step::Create(t, r)),
        2 => topic.clone().prop_map(Step::Delete),
        3 => any::<bool>().prop_map(Step::Answer),
        3 => (topic.clone(), 0..3, replicas).prop_map(|(t, p, isr)| Step::Alter(t, p, isr)),
        1 => (topic.clone(), 0..3).prop_map(|(t, p)| Step::Interfere(t, p)),
        1 => (broker.clone(), topic, 0..3).prop_map(|(b, t, p)| Step::LoseDirectory(b, t, p)),
        1 => Just(Step::Balance),
        1 => broker.prop_map(Step::Overrun),
        1 => Just(Step::NextTerm),
    ]
}

/// A walk and what it has seen.
struct Walk {
    sim: Sim,
    /// Topics that exist, with their replicas.
    topics: BTreeMap<&'static str, Vec<Vec<i32>>>,
    deletions: BTreeSet<&'static str>,
    /// Deletions that brokers were told and have not answered.
    unanswered: Vec<(i32, TopicPartition)>,
    /// The leader of every leader epoch of every life of a topic.
    leaders: HashMap<(TopicPartition, u32, LeaderEpoch), BrokerId>,
    lives: HashMap<TopicName, u32>,
    registrations: i64,
}

impl Walk {
    fn new(settings: Settings) -> Walk {
        let (sim, _) = Sim::start_with(settings, "1,2,3,4", &[], &[]);
        let topics = BTreeMap::new();
        let (leaders, lives) = (HashMap::new(), HashMap::new());
        Walk { sim, topics, deletions: BTreeSet::new(), unanswered: Vec::new(), leaders, lives, registrations: 100 }
    }

    fn step(&mut self, step: Step) {
        let log = match step {
            Step::Start(id) => self.start(id),
            Step::Kill(id) => {
                self.unanswered.retain(|(broker, _)| *broker != id);
                self.sim.brokers(|brokers| _ = brokers.remove(&id))
            }
            Step::Leave(id) => {
                self.sim.on(Event::ControlledShutdown { broker: BrokerId(id), broker_epoch: BrokerEpoch::NONE })
            }
            Step::Create(topic, replicas) => self.create(TOPICS[topic], replicas),
            Step::Delete(topic) if self.topics.contains_key(TOPICS[topic]) => {
                self.deletions.insert(TOPICS[topic]);
                self.sim.on(Event::DeletionsRequested(self.deletions.iter().map(|topic| (*topic).into()).collect()))
            }
            Step::Delete(_) => Vec::new(),
            Step::Answer(well) => self.answer(well),
            Step::Alter(topic, partition, isr) => self.alter(TOPICS[topic], partition, &isr),
            Step::Interfere(topic, partition) => {
                let partition = TopicPartition::new(TOPICS[topic], partition);
                let state = self.sim.states.get(&partition).map(|found| found.state.clone());
                self.sim.interference = state.map(|state| (partition, state));
                Vec::new()
            }
            Step::LoseDirectory(id, topic, partition) => self.lose(id, TopicPartition::new(TOPICS[topic], partition)),
            Step::Balance => self.sim.on(Event::BalanceLeaders),
            Step::Overrun(id) => {
                self.unanswered.retain(|(broker, _)| *broker != id);
                self.sim.on(Event::ChannelOverrun(BrokerId(id)))
            }
            Step::NextTerm => self.next_term(),
        };
        self.look_at(&log);
    }

    fn start(&mut self, id: i32) -> Vec<String> {
        self.registrations += 1;
        self.unanswered.retain(|(broker, _)| *broker != id);
        let epoch = self.registrations;
        self.sim.brokers(|brokers| _ = brokers.insert(id, epoch))
    }

    fn create(&mut self, name: &'static str, replicas: Vec<Vec<i32>>) -> Vec<String> {
        if self.topics.contains_key(name) {
            return Vec::new();
        }
        *self.lives.entry(name.into()).or_default() += 1;
        let event = Event::TopicsChanged { added: vec![new_topic(name, &replicas)], removed: Vec::new() };
        self.topics.insert(name, replicas);
        self.sim.on(event)
    }

    fn answer(&mut self, well: bool) -> Vec<String> {
        let mut log = Vec::new();
        for (broker, partition) in std::mem::take(&mut self.unanswered) {
            let Some(epoch) = self.sim.brokers.get(&broker) else { continue };
            let error = if well { ReplicaError::None } else { ReplicaError::Other(1) };
            let reply = StopReplicaReply {
                broker: BrokerId(broker),
                broker_epoch: BrokerEpoch(*epoch),
                error_code: 0,
                deleted: vec![(partition, error)],
            };
            let lines = self.sim.on(Event::StopReplicaReplied(reply));
            self.look_at(&lines);
            log.extend(lines);
        }
        Vec::new()
    }

    fn alter(&mut self, topic: &str, partition: i32, isr: &[i32]) -> Vec<String> {
        let name = TopicPartition::new(topic, partition);
        let Some(current) = self.sim.states.get(&name) else { return Vec::new() };
        let leader = current.state.leader;
        let Some(epoch) = self.sim.brokers.get(&leader.0) else { return Vec::new() };
        let replicas = self.sim.controller.cluster().replicas(&name);
        let wanted = isr.iter().map(|id| BrokerId(*id)).filter(|id| *id != leader && replicas.contains(id));
        let partition = AlterPartition {
            topic: TopicRef::Name(topic.into()),
            partition,
            leader_epoch: current.state.leader_epoch,
            partition_epoch: current.zk_version,
            isr: [leader].into_iter().chain(wanted).collect(),
            leader_recovery_state: LeaderRecoveryState::Recovered,
        };
        let (broker, broker_epoch) = (leader, BrokerEpoch(*epoch));
        self.sim.on(Event::AlterPartitions(AlterPartitions { broker, broker_epoch, partitions: vec![partition] }))
    }

    fn lose(&mut self, id: i32, partition: TopicPartition) -> Vec<String> {
        let Some(epoch) = self.sim.brokers.get(&id) else { return Vec::new() };
        if !self.sim.controller.cluster().replicas(&partition).contains(&BrokerId(id)) {
            return Vec::new();
        }
        self.sim.on(Event::LeaderAndIsrReplied(LeaderAndIsrReply {
            broker: BrokerId(id),
            broker_epoch: BrokerEpoch(*epoch),
            error_code: 0,
            partitions: vec![(partition, ReplicaError::Storage)],
        }))
    }

    /// Another broker wins: all that is not in ZooKeeper is forgotten.
    fn next_term(&mut self) -> Vec<String> {
        let epoch = ControllerEpoch(self.sim.controller.cluster().controller_epoch.0 + 1);
        let snapshot = Snapshot {
            brokers: self.sim.brokers.iter().map(|(id, epoch)| live(*id, *epoch)).collect(),
            topics: self.topics.iter().map(|(name, replicas)| new_topic(name, replicas)).collect(),
            states: self.sim.states.clone().into_iter().collect(),
            deletions: self.deletions.iter().map(|topic| (*topic).into()).collect(),
        };
        self.unanswered.clear();
        let (controller, progress) = Controller::start(epoch, self.sim.controller.cluster().settings, snapshot);
        self.sim.controller = controller;
        self.sim.carry_out(progress)
    }

    fn look_at(&mut self, log: &[String]) {
        for line in log {
            assert!(!line.contains("cannot go from"), "{line}");
            if let Some(topic) = line.strip_prefix("write DeleteTopic(\"").and_then(|rest| rest.strip_suffix("\")")) {
                self.deleted(topic);
            }
            if let Some((broker, stops)) = line.split_once(" <- stop ") {
                self.told_to_stop(broker.parse().unwrap(), stops);
            }
        }
        self.check_states();
    }

    fn deleted(&mut self, topic: &str) {
        let name = TOPICS.into_iter().find(|name| *name == topic).unwrap();
        assert!(self.deletions.remove(name), "{name} was deleted though nobody asked");
        self.topics.remove(name);
        self.sim.states.retain(|partition, _| &*partition.topic != name);
        self.unanswered.retain(|(_, partition)| &*partition.topic != name);
    }

    fn told_to_stop(&mut self, broker: i32, stops: &str) {
        let words: Vec<_> = stops.split(' ').collect();
        for (at, word) in words.iter().enumerate() {
            if *word == "delete" {
                self.unanswered.push((broker, tp(words[at - 2])));
            }
        }
    }

    fn check_states(&mut self) {
        let cluster = self.sim.controller.cluster();
        for (partition, found) in &self.sim.states {
            let state = &found.state;
            let replicas = cluster.replicas(partition);
            assert!(!state.isr.is_empty(), "{partition}: {state:?}");
            assert!(state.isr.iter().all(|id| replicas.contains(id)), "{partition}: {state:?}");
            if state.leader != BrokerId::NONE {
                assert!(state.isr.contains(&state.leader), "{partition}: {state:?}");
                let life = self.lives[&partition.topic];
                let leader = self.leaders.entry((partition.clone(), life, state.leader_epoch)).or_insert(state.leader);
                assert_eq!(*leader, state.leader, "{partition} has two leaders in epoch {}", state.leader_epoch);
            }
            let may_lead = state.leader == BrokerId::NONE || cluster.broker(state.leader).is_some();
            assert!(may_lead || cluster.is_deleting(&partition.topic), "{partition}: {} is dead", state.leader);
            // Where somebody interfered the controller finds out with its next write.
            let known = cluster.leadership(partition).unwrap();
            assert_eq!(known.state.leader_epoch, state.leader_epoch, "{partition}");
            assert_eq!((known.state.leader, &known.state.isr), (state.leader, &state.isr), "{partition}");
        }
    }

    /// All brokers come back, in a life of their own, and answer all they are asked.
    fn heal(&mut self) {
        for id in 1..=BROKERS {
            self.step(Step::Start(id));
        }
        for _ in 0..2 * TOPICS.len() {
            self.step(Step::Answer(true));
        }
        assert_eq!(self.deletions, BTreeSet::new(), "deletions never end: {:?}", self.unanswered);
        let cluster = self.sim.controller.cluster();
        assert_eq!(cluster.unsettled(), [], "partitions without leader");
        for partition in TOPICS.iter().flat_map(|topic| cluster.partitions_of(&(*topic).into())) {
            let leader = cluster.leadership(&partition).unwrap().state.leader;
            assert!(cluster.is_replica_online(&partition, leader), "{partition}: {leader} is not online");
        }
    }
}

fn new_topic(name: &str, replicas: &[Vec<i32>]) -> NewTopic {
    let line: Vec<_> =
        replicas.iter().map(|ids| ids.iter().map(i32::to_string).collect::<Vec<_>>().join(",")).collect();
    topic(&format!("{name} {}", line.join(" ")))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_rules_hold_and_it_heals(
        steps in prop::collection::vec(step(), 1..60),
        leaders_write_states in any::<bool>(),
    ) {
        let mut walk = Walk::new(Settings { leaders_write_states, ..Settings::default() });
        steps.into_iter().for_each(|step| walk.step(step));
        walk.heal();
    }
}
