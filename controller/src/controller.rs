//! The engine: runs one event as a list of stages, pausing wherever ZooKeeper must take writes first.
//!
//! Always: a request leaves only for a state that ZooKeeper holds; stages run in order, and the next one starts when all
//! writes of the one before are concluded; a second event starts when the first has ended.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use zk_paths::ids::{BrokerId, TopicName, TopicPartition};
use zk_paths::partition_state::PartitionState;

use crate::action::{Action, AlteredPartition, Answer, ElectionRefusal, Problem, Request, RequestBody};
use crate::cluster::{ClusterState, Leadership, LiveBroker, Replica};
use crate::election::{Candidates, Rules, Strategy, elect, initial_state, remove_from_isr};
use crate::event::{ElectionKind, Event, TopicRef, Trigger};
use crate::phases::{PartitionPhase, ReplicaPhase};
use crate::requests::RequestBatch;
use crate::write::{Change, Outcome, Write};

/// The controller of one term: from winning an election to losing it.
#[derive(Debug)]
pub struct Controller {
    pub(crate) cluster: ClusterState,
    pub(crate) batch: RequestBatch,
    pub(crate) actions: Vec<Action>,
    pub(crate) answers: Answers,
    stages: VecDeque<Stage>,
    in_flight: Vec<Write>,
    reading: Vec<TopicPartition>,
    states_are_fresh: bool,
    told_metadata: bool,
}

/// What to do now.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// In this order, before the rest.
    pub actions: Vec<Action>,
    /// State nodes to be read; what is there goes to [`Controller::refresh`]. Never together with writes.
    pub reads: Vec<TopicPartition>,
    /// Their outcomes go to [`Controller::conclude`].
    pub writes: Vec<Write>,
}

impl Progress {
    /// Whether the event has ended: nothing is to be read or written.
    pub fn is_end(&self) -> bool {
        self.reads.is_empty() && self.writes.is_empty()
    }
}

/// Results gathered for the answer at the end of the event.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    pub elections: BTreeMap<TopicPartition, Result<BrokerId, ElectionRefusal>>,
    pub altered: Vec<AlteredPartition>,
    /// Partitions whose change is being written, and how the request named their topics.
    pub altering: BTreeMap<TopicPartition, TopicRef>,
}

/// One step of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Writes that were decided already.
    Write(Vec<Write>),
    /// First leaders for New partitions, other leaders for the rest.
    Elect(Vec<TopicPartition>, Strategy),
    /// The same for all partitions that wait for a leader.
    ElectUnsettled,
    /// First phases of all partitions of a new term.
    SettlePartitions,
    /// Move partitions to a phase that needs no write.
    MovePartitions(Vec<TopicPartition>, PartitionPhase),
    /// Replicas whose broker lives: tell it about them.
    ReplicasOnline(Vec<Replica>),
    /// Replicas that stop: out of the in-sync sets, and tell everybody.
    ReplicasOffline(Vec<Replica>),
    /// Tell brokers to delete replicas, or note how that went.
    MoveReplicas(Vec<Replica>, ReplicaPhase),
    /// Believe new registrations.
    BrokersJoin(Vec<Arc<LiveBroker>>),
    /// Tell these brokers everything.
    TellAll(Vec<BrokerId>),
    /// Tell all brokers who lives.
    TellBrokers,
    /// The same, unless something in this event told them already.
    TellBrokersIfQuiet,
    /// Take up the deletion of topics again.
    ResumeDeletions(Vec<TopicName>),
    /// The same, after what halted them may have gone.
    RetryDeletions(Vec<TopicName>),
    /// Stop and delete a topic's replicas.
    StartDeletion(TopicName),
    /// Delete all that these topics left.
    FinishDeletion(TopicName),
    /// Answer the sender of the event.
    AnswerShutdown(BrokerId),
    AnswerAlterPartitions,
    AnswerElections,
}

impl Controller {
    /// A controller that knows nothing yet; see [`Controller::start`].
    pub(crate) fn new(cluster: ClusterState) -> Controller {
        Controller {
            cluster,
            batch: RequestBatch::default(),
            actions: Vec::new(),
            answers: Answers::default(),
            stages: VecDeque::new(),
            in_flight: Vec::new(),
            reading: Vec::new(),
            states_are_fresh: false,
            told_metadata: false,
        }
    }

    /// What it knows.
    pub fn cluster(&self) -> &ClusterState {
        &self.cluster
    }

    /// Takes up an event. The one before must have ended.
    pub fn begin(&mut self, event: Event) -> Progress {
        debug_assert!(self.in_flight.is_empty() && self.stages.is_empty(), "the event before has not ended");
        self.told_metadata = false;
        self.answers = Answers::default();
        self.dispatch(event);
        self.advance()
    }

    /// Learns what became of the writes, in the order in which they were given.
    pub fn conclude(&mut self, outcomes: Vec<Outcome>) -> Progress {
        let mut again = Vec::new();
        for (write, outcome) in std::mem::take(&mut self.in_flight).into_iter().zip(outcomes) {
            again.extend(self.conclude_write(write, outcome));
        }
        self.flush();
        self.in_flight = again;
        self.advance()
    }

    /// Learns what state nodes hold.
    pub fn refresh(&mut self, states: impl IntoIterator<Item = (TopicPartition, Leadership)>) -> Progress {
        self.reading.clear();
        self.states_are_fresh = true;
        for (partition, leadership) in states {
            self.cluster.set_leadership(&partition, leadership);
        }
        self.advance()
    }

    fn dispatch(&mut self, event: Event) {
        match event {
            Event::BrokersChanged(brokers) => self.brokers_changed(brokers),
            Event::BrokerUpdated(broker) => self.broker_updated(broker),
            Event::TopicsChanged { added, removed } => self.topics_changed(added, &removed),
            Event::TopicUpdated(topic) => self.topic_updated(topic),
            Event::DeletionsRequested(topics) => self.deletions_requested(topics),
            Event::IsrNotified(states) => self.isr_notified(states),
            Event::LogDirsFailed(brokers) => self.log_dirs_failed(&brokers),
            Event::LeaderAndIsrReplied(reply) => self.leader_and_isr_replied(reply),
            Event::StopReplicaReplied(reply) => self.stop_replica_replied(reply),
            Event::ChannelOverrun(broker) => self.tell_again(broker),
            Event::ControlledShutdown { broker, broker_epoch } => self.controlled_shutdown(broker, broker_epoch),
            Event::AlterPartitions(request) => self.alter_partitions(request),
            Event::ElectLeaders { partitions, kind, trigger } => self.elect_leaders(partitions, kind, trigger),
            Event::BalanceLeaders => self.balance_leaders(),
            Event::UncleanElectionConfigured { topic, allowed } => self.unclean_election_configured(topic, allowed),
            Event::ReassignmentRequested => self.report(Problem::ReassignmentNotBuilt),
        }
    }

    /// Runs stages until one has writes or needs fresh states, or none is left.
    pub(crate) fn advance(&mut self) -> Progress {
        self.flush();
        while self.in_flight.is_empty()
            && let Some(stage) = self.stages.pop_front()
        {
            self.reading = self.stale_states(&stage);
            if !self.reading.is_empty() {
                self.stages.push_front(stage);
                break;
            }
            self.states_are_fresh = false;
            self.run(stage);
            self.flush();
        }
        Progress {
            actions: std::mem::take(&mut self.actions),
            reads: self.reading.clone(),
            writes: self.in_flight.clone(),
        }
    }

    /// The states on which a stage decides, where leaders may have written them since we read them.
    fn stale_states(&self, stage: &Stage) -> Vec<TopicPartition> {
        if !self.cluster.settings.leaders_write_states || self.states_are_fresh {
            return Vec::new();
        }
        let partitions = match stage {
            Stage::Elect(partitions, _) => partitions.clone(),
            Stage::ElectUnsettled => self.cluster.unsettled(),
            Stage::ReplicasOffline(replicas) => replicas.iter().map(|replica| replica.partition.clone()).collect(),
            _ => return Vec::new(),
        };
        partitions.into_iter().filter(|partition| self.cluster.leadership(partition).is_some()).collect()
    }

    fn run(&mut self, stage: Stage) {
        match stage {
            Stage::Write(writes) => self.in_flight = writes,
            Stage::Elect(partitions, strategy) => self.plan_election(&partitions, strategy),
            Stage::ElectUnsettled => {
                self.plan_election(&self.cluster.unsettled(), Strategy::Offline { allow_unclean: false })
            }
            Stage::SettlePartitions => self.settle_partitions(),
            Stage::MovePartitions(partitions, phase) => {
                partitions.iter().for_each(|partition| _ = self.move_partition(partition, phase))
            }
            Stage::ReplicasOnline(replicas) => self.replicas_online(replicas),
            Stage::ReplicasOffline(replicas) => self.replicas_offline(replicas),
            Stage::MoveReplicas(replicas, phase) => self.move_replicas(replicas, phase),
            Stage::BrokersJoin(brokers) => self.brokers_join(brokers),
            Stage::TellAll(brokers) => self.tell_all(&brokers),
            Stage::TellBrokers => self.batch.brokers_to_all(),
            Stage::TellBrokersIfQuiet if self.told_metadata => {}
            Stage::TellBrokersIfQuiet => self.batch.brokers_to_all(),
            Stage::ResumeDeletions(topics) => self.resume_deletions(&topics),
            Stage::RetryDeletions(topics) => self.retry_deletions(topics),
            Stage::StartDeletion(topic) => self.start_deletion(topic),
            Stage::FinishDeletion(topic) => self.in_flight = vec![Write::DeleteTopic(topic)],
            Stage::AnswerShutdown(broker) => self.answer_shutdown(broker),
            Stage::AnswerAlterPartitions => self.answer_alter_partitions(),
            Stage::AnswerElections => self.answer_elections(),
        }
    }

    /// Puts stages behind all others.
    pub(crate) fn then(&mut self, stages: impl IntoIterator<Item = Stage>) {
        self.stages.extend(stages);
    }

    /// Puts stages before all others, keeping their order.
    pub(crate) fn next(&mut self, stages: Vec<Stage>) {
        stages.into_iter().rev().for_each(|stage| self.stages.push_front(stage));
    }

    pub(crate) fn report(&mut self, problem: Problem) {
        self.actions.push(Action::Report(problem));
    }

    /// Adds writes to the stage that runs; they are concluded before the next one starts.
    pub(crate) fn write(&mut self, writes: impl IntoIterator<Item = Write>) {
        self.in_flight.extend(writes);
    }

    /// Turns what the batch has gathered into requests.
    pub(crate) fn flush(&mut self) {
        let requests = self.batch.take(&self.cluster);
        let metadata = |request: &Request| matches!(request.body, RequestBody::UpdateMetadata(_));
        self.told_metadata |= requests.iter().any(metadata);
        self.actions.extend(requests.into_iter().map(Action::Send));
    }

    /// Moves a partition or reports why not.
    pub(crate) fn move_partition(&mut self, partition: &TopicPartition, to: PartitionPhase) -> bool {
        let from = self.cluster.partition(partition).map_or(PartitionPhase::NonExistent, |found| found.phase);
        let moved = self.cluster.set_phase(partition, to);
        if !moved {
            self.report(Problem::PartitionPhase { partition: partition.clone(), from, to });
        }
        moved
    }
}

/// Partition states: plan, write, conclude.
impl Controller {
    fn plan_election(&mut self, partitions: &[TopicPartition], strategy: Strategy) {
        for partition in partitions {
            let phase = self.cluster.partition(partition).map(|found| found.phase);
            let write = match phase {
                Some(PartitionPhase::New) => self.plan_first_leader(partition),
                Some(PartitionPhase::Online | PartitionPhase::Offline) => {
                    let current = self.cluster.leadership(partition).cloned();
                    self.plan_change(partition, Change::Elect(strategy), current)
                }
                Some(PartitionPhase::NonExistent) | None => {
                    self.move_partition(partition, PartitionPhase::Online);
                    None
                }
            };
            self.in_flight.extend(write);
        }
    }

    fn plan_first_leader(&mut self, partition: &TopicPartition) -> Option<Write> {
        let online = self.cluster.online_replicas(partition);
        let Some(state) = initial_state(&online, self.cluster.controller_epoch) else {
            let replicas = self.cluster.replicas(partition).to_vec();
            self.report(Problem::NoFirstLeader { partition: partition.clone(), replicas });
            return None;
        };
        Some(Write::PartitionState { partition: partition.clone(), state, expected: None, change: Change::Initialize })
    }

    /// What `change` makes of the current state; `None` when nothing is to be written.
    pub(crate) fn plan_change(
        &mut self,
        partition: &TopicPartition,
        change: Change,
        current: Option<Leadership>,
    ) -> Option<Write> {
        let Some(current) = current else {
            self.report(Problem::UnexpectedState { partition: partition.clone(), found: "missing" });
            return None;
        };
        let theirs = current.state.controller_epoch;
        if theirs > self.cluster.controller_epoch {
            self.report(Problem::NewerController { partition: partition.clone(), theirs, state: current.state });
            return None;
        }
        let state = match &change {
            Change::Initialize | Change::AlterIsr => None,
            Change::Elect(strategy) => self.elect(partition, *strategy, &current.state),
            Change::RemoveFromIsr(removed) => remove_from_isr(removed, &current.state, self.cluster.controller_epoch),
        }?;
        let expected = Some(current.zk_version);
        Some(Write::PartitionState { partition: partition.clone(), state, expected, change })
    }

    fn elect(
        &mut self,
        partition: &TopicPartition,
        strategy: Strategy,
        current: &PartitionState,
    ) -> Option<PartitionState> {
        let (online, leaving) = (self.cluster.online_replicas(partition), self.cluster.leaving());
        let candidates =
            Candidates { replicas: self.cluster.replicas(partition), online: &online, leaving: &leaving, current };
        let rules = Rules {
            controller_epoch: self.cluster.controller_epoch,
            unclean_allowed: self.cluster.unclean_allowed(&partition.topic),
            leader_recovery: self.cluster.settings.leader_recovery,
        };
        let elected = elect(strategy, candidates, rules);
        match elected {
            Some(elected) => {
                self.actions.push(Action::CountElection { unclean: elected.unclean });
                Some(elected.state)
            }
            None => {
                let (partition, replicas) = (partition.clone(), self.cluster.replicas(partition).to_vec());
                let isr = current.isr.clone();
                self.report(Problem::NoLeader { partition, strategy, replicas, online, isr });
                None
            }
        }
    }

    /// Believes a write that was taken; plans one again that was refused.
    fn conclude_write(&mut self, write: Write, outcome: Outcome) -> Option<Write> {
        match write {
            Write::PartitionState { partition, state, change, .. } => match outcome {
                Outcome::Written(zk_version) => {
                    self.state_written(&partition, Leadership { state, zk_version }, &change);
                    None
                }
                Outcome::Refused(Some(found)) if found.state == state => {
                    self.state_written(&partition, found, &change);
                    None
                }
                Outcome::Refused(found) => self.plan_again(&partition, change, found),
                Outcome::Failed(reason) => {
                    self.state_failed(&partition, &change, reason);
                    None
                }
            },
            Write::Topic { topic, .. } => self.conclude_plain(format!("topic {topic}"), outcome),
            Write::DeleteTopic(topic) => {
                if let Outcome::Failed(reason) = outcome {
                    let what = format!("the deletion of topic {topic}");
                    self.report(Problem::WriteFailed { what, reason });
                } else {
                    self.cluster.remove_topic(&topic);
                }
                None
            }
            Write::DropDeletionRequest(topic) => self.conclude_plain(format!("deletion request {topic}"), outcome),
            Write::DropPreferredElection => self.conclude_plain("the preferred election request".into(), outcome),
        }
    }

    fn conclude_plain(&mut self, what: String, outcome: Outcome) -> Option<Write> {
        match outcome {
            Outcome::Written(_) => {}
            Outcome::Refused(_) => self.report(Problem::WriteFailed { what, reason: "it has changed".into() }),
            Outcome::Failed(reason) => self.report(Problem::WriteFailed { what, reason }),
        }
        None
    }

    fn plan_again(&mut self, partition: &TopicPartition, change: Change, found: Option<Leadership>) -> Option<Write> {
        match (&change, found) {
            (Change::Initialize, Some(_)) => {
                self.report(Problem::UnexpectedState { partition: partition.clone(), found: "there already" });
                None
            }
            (Change::Initialize, None) => self.plan_first_leader(partition),
            (Change::AlterIsr, found) => {
                self.alter_refused(partition, found);
                None
            }
            (_, None) => {
                self.report(Problem::UnexpectedState { partition: partition.clone(), found: "missing" });
                None
            }
            (_, Some(found)) => {
                self.cluster.set_leadership(partition, found.clone());
                self.plan_change(partition, change, Some(found))
            }
        }
    }

    fn state_written(&mut self, partition: &TopicPartition, leadership: Leadership, change: &Change) {
        let leader = leadership.state.leader;
        let isr = leadership.state.isr.clone();
        self.cluster.set_leadership(partition, leadership);
        match change {
            Change::Initialize => {
                self.batch.leader_and_isr(&isr, partition, true);
                self.move_partition(partition, PartitionPhase::Online);
            }
            Change::Elect(strategy) => {
                let recipients = self.election_recipients(partition, *strategy);
                self.batch.leader_and_isr(&recipients, partition, false);
                self.move_partition(partition, PartitionPhase::Online);
                self.answers.elections.insert(partition.clone(), Ok(leader));
            }
            Change::RemoveFromIsr(removed) => self.told_to_stop(partition, removed),
            Change::AlterIsr => self.altered(partition),
        }
    }

    fn state_failed(&mut self, partition: &TopicPartition, change: &Change, reason: String) {
        self.report(Problem::WriteFailed { what: format!("the state of {partition}"), reason });
        if *change == Change::AlterIsr {
            self.alter_failed(partition);
        }
    }

    /// Everybody who replicates it and can listen: a leaving broker too, when it is its turn to hand over.
    fn election_recipients(&self, partition: &TopicPartition, strategy: Strategy) -> Vec<BrokerId> {
        match strategy {
            Strategy::Offline { .. } => self.cluster.online_replicas(partition),
            Strategy::Preferred | Strategy::ControlledShutdown => self.cluster.replicas(partition).to_vec(),
        }
    }
}

/// Elections that somebody asked for.
impl Controller {
    /// Checks each partition, then elects; every partition has its answer, `None` means all partitions.
    fn elect_leaders(&mut self, wanted: Option<Vec<TopicPartition>>, kind: ElectionKind, trigger: Trigger) {
        let wanted = wanted.unwrap_or_else(|| self.all_partitions());
        let mut electable = Vec::new();
        for partition in wanted {
            match self.check_electable(&partition, kind) {
                Ok(()) => electable.push(partition),
                Err(refusal) => _ = self.answers.elections.insert(partition, Err(refusal)),
            }
        }
        let strategy = match kind {
            ElectionKind::Preferred => Strategy::Preferred,
            // Only a person may risk records (Kafka's AdminClientTriggered).
            ElectionKind::Unclean => Strategy::Offline { allow_unclean: trigger == Trigger::Admin },
        };
        let refusal = match kind {
            ElectionKind::Preferred => ElectionRefusal::PreferredNotAvailable,
            ElectionKind::Unclean => ElectionRefusal::NoneEligible,
        };
        // Whoever is not elected keeps this answer.
        self.answers.elections.extend(electable.iter().map(|partition| (partition.clone(), Err(refusal))));
        self.then([Stage::Elect(electable, strategy)]);
        if trigger == Trigger::Znode {
            self.then([Stage::Write(vec![Write::DropPreferredElection])]);
        }
        self.then([Stage::AnswerElections]);
    }

    fn all_partitions(&self) -> Vec<TopicPartition> {
        self.cluster.topics().flat_map(|(topic, _)| self.cluster.partitions_of(topic)).collect()
    }

    fn check_electable(&self, partition: &TopicPartition, kind: ElectionKind) -> Result<(), ElectionRefusal> {
        let found = self.cluster.partition(partition).ok_or(ElectionRefusal::UnknownPartition)?;
        if self.cluster.is_deleting(&partition.topic) {
            return Err(ElectionRefusal::TopicDeleting);
        }
        let leader = found.leadership.as_ref().map_or(BrokerId::NONE, |leadership| leadership.state.leader);
        let settled = match kind {
            ElectionKind::Preferred => found.assignment.replicas.first() == Some(&leader),
            ElectionKind::Unclean => self.cluster.is_live(leader),
        };
        if settled { Err(ElectionRefusal::NotNeeded) } else { Ok(()) }
    }

    fn answer_elections(&mut self) {
        let results = std::mem::take(&mut self.answers.elections).into_iter().collect();
        self.actions.push(Action::Answer(Answer::ElectLeaders(results)));
    }
}

#[cfg(test)]
mod tests;
