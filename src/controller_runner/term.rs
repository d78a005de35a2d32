//! One term of this broker as controller: one event at a time, end to end, in the order *read, plan, write, conclude*.

use std::collections::VecDeque;
use std::time::Duration;

use controller::action::{Action, Answer, Problem};
use controller::{Controller, Event, Progress};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior};
use tracing::{debug, error, info, warn};
use zk_paths::ids::{ControllerEpoch, TopicName, ZkVersion};
use zk_paths::{
    broker_ids, controller as controller_node, delete_topics, isr_change_notification, log_dir_event_notification,
    preferred_replica_election, reassign_partitions, topic,
};

use super::channels::Channels;
use super::election::{give_up, still_controller};
use super::messages::Sender;
use super::reading::Reader;
use super::writing::Guarded;
use super::{Command, End, Setup, features};
use crate::zk::{Change, EventReceiver, Watch, ZkEvent};

/// Answers of brokers that wait for the controller.
const REPLY_LIMIT: usize = 1000;
/// Problems of one event that are worth a warning each.
const PROBLEMS_TOLD: usize = 20;
/// When leaders are balanced for the first time (`KafkaController.onControllerFailover`).
const FIRST_BALANCE: Duration = Duration::from_secs(5);

/// What a won election gives: the epoch that brokers compare, and the version that ZooKeeper compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TermEpoch {
    pub controller_epoch: ControllerEpoch,
    pub zk_version: ZkVersion,
}

/// A running term.
#[derive(Debug)]
pub(super) struct Term<'a> {
    setup: &'a Setup,
    core: Controller,
    reader: Reader,
    guarded: Guarded,
    channels: Channels,
    /// Events that the term makes for itself; they come before all others.
    own_events: VecDeque<Event>,
    /// How many problems the event under way has had.
    problems: usize,
}

impl Term<'_> {
    /// Runs until the term ends, and says why.
    pub async fn run(
        setup: &Setup,
        epoch: TermEpoch,
        events: &mut EventReceiver,
        commands: &mut mpsc::Receiver<Command>,
        active: &watch::Sender<Option<ControllerEpoch>>,
    ) -> End {
        let watches = watches();
        let end = match Term::start(setup, epoch, &watches).await {
            Ok((mut term, replies)) => {
                info!("serving as controller of epoch {}", epoch.controller_epoch);
                active.send_replace(Some(epoch.controller_epoch));
                match term.serve(events, commands, replies).await {
                    Ok(never) => match never {},
                    Err(end) => end,
                }
            }
            Err(end) => end,
        };
        active.send_replace(None);
        watches.iter().for_each(|watch| setup.zk.unwatch(watch));
        if matches!(end, End::Failed(_) | End::HalfDone(_)) {
            give_up(setup.zk.as_ref(), epoch).await;
        }
        end
    }

    /// Reads the cluster and carries out what that alone asks for (zookeeper.md 5.3).
    async fn start<'a>(
        setup: &'a Setup,
        epoch: TermEpoch,
        watches: &[Watch],
    ) -> Result<(Term<'a>, mpsc::Receiver<Event>), End> {
        let guarded = Guarded::new(setup.zk.clone(), epoch.zk_version);
        features::set_up(setup.zk.as_ref(), &guarded, setup.settings.protocol).await?;
        for watch in watches {
            setup.zk.watch(watch.clone()).await?;
        }
        let reader = Reader::new(setup.zk.clone());
        // What these entries announce is read below anyway.
        guarded.delete(reader.log_dir_failures().await?.1).await?;
        guarded.delete(reader.isr_changes().await?.1).await?;
        let snapshot = reader.snapshot().await?;
        info!(
            "{} brokers, {} topics, {} partitions",
            snapshot.brokers.len(),
            snapshot.topics.len(),
            snapshot.states.len()
        );
        let (core, progress) = Controller::start(epoch.controller_epoch, setup.settings.core, snapshot);
        let (sender, replies) = mpsc::channel(REPLY_LIMIT);
        let header = Sender {
            controller: setup.me,
            controller_epoch: epoch.controller_epoch,
            protocol: setup.settings.protocol,
            inter_broker_listener: setup.settings.inter_broker_listener.clone(),
        };
        let channels = Channels::new(setup.links.clone(), header, sender);
        let mut term = Term { setup, core, reader, guarded, channels, own_events: VecDeque::new(), problems: 0 };
        term.carry_out(progress, None).await?;
        term.read_requests_of_tools().await?;
        term.run_own_events().await?;
        Ok((term, replies))
    }

    async fn serve(
        &mut self,
        events: &mut EventReceiver,
        commands: &mut mpsc::Receiver<Command>,
        mut replies: mpsc::Receiver<Event>,
    ) -> Result<std::convert::Infallible, End> {
        let mut balance = self.setup.settings.balance_interval.map(|every| {
            let mut ticks = tokio::time::interval_at(Instant::now() + FIRST_BALANCE, every);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        });
        loop {
            let result = tokio::select! {
                event = events.next() => match event {
                    None => Err(End::Stopped),
                    Some(event) => self.on_zk_event(event).await,
                },
                command = commands.recv() => match command {
                    None => Err(End::Stopped),
                    Some(Command { event, answer }) => self.on_event(event, answer).await,
                },
                Some(event) = replies.recv() => self.on_event(event, None).await,
                () = tick(&mut balance) => self.on_event(Event::BalanceLeaders, None).await,
            };
            match result {
                // One event that could not be read or written does not end a term; Kafka's event loop goes on as well.
                Err(End::Failed(error)) => error!("an event was not carried through: {error}"),
                Err(end) => return Err(end),
                Ok(()) => {}
            }
        }
    }

    async fn on_zk_event(&mut self, event: ZkEvent) -> Result<(), End> {
        match event {
            ZkEvent::Changed { path, change } => self.on_change(&path, change).await,
            ZkEvent::Resync => self.read_all_again().await,
            ZkEvent::Expired => Err(End::Expired),
            ZkEvent::SessionEstablished { .. } | ZkEvent::Disconnected => Ok(()),
        }
    }

    /// Reads what a watch pointed at.
    async fn on_change(&mut self, path: &str, change: Change) -> Result<(), End> {
        match (path, change) {
            (controller_node::PATH, _) => self.check_controller().await,
            (broker_ids::PATH, Change::Children) => self.read_brokers().await,
            (topic::ROOT, Change::Children) => self.read_topics().await,
            (delete_topics::PATH, Change::Children) => self.read_deletions().await,
            (log_dir_event_notification::PATH, Change::Children) => self.read_log_dir_failures().await,
            (isr_change_notification::PATH, Change::Children) => self.read_isr_changes().await,
            (preferred_replica_election::PATH | reassign_partitions::PATH, Change::Created | Change::Data) => {
                self.read_requests_of_tools().await?;
                self.run_own_events().await
            }
            (path, Change::Data) => self.on_data(path).await,
            _ => Ok(()),
        }
    }

    /// A broker's or a topic's node has other data.
    async fn on_data(&mut self, path: &str) -> Result<(), End> {
        let below = |parent: &str| path.strip_prefix(parent).and_then(|rest| rest.strip_prefix('/'));
        if let Some(id) = below(broker_ids::PATH).and_then(|name| broker_ids::parse_child(name).ok()) {
            return match self.reader.broker(id).await? {
                Some(broker) => self.on_event(Event::BrokerUpdated(broker), None).await,
                None => Ok(()),
            };
        }
        match below(topic::ROOT) {
            // It could not be read when it was new.
            Some(name) if self.core.cluster().topic(name).is_none() => self.read_topics().await,
            Some(name) => self.read_known_topics(vec![name.into()]).await,
            None => Ok(()),
        }
    }

    async fn check_controller(&self) -> Result<(), End> {
        if still_controller(self.setup.zk.as_ref()).await? { Ok(()) } else { Err(End::Deposed) }
    }

    async fn read_brokers(&mut self) -> Result<(), End> {
        let brokers = self.reader.brokers().await?;
        info!("live brokers: {:?}", brokers.iter().map(|broker| broker.id.0).collect::<Vec<_>>());
        self.on_event(Event::BrokersChanged(brokers), None).await
    }

    async fn read_topics(&mut self) -> Result<(), End> {
        let event = self.reader.topic_changes(self.core.cluster()).await?;
        if let Event::TopicsChanged { added, removed } = &event {
            added
                .iter()
                .for_each(|topic| info!("topic {} with {} partitions", topic.name, topic.assignment.partitions.len()));
            removed.iter().for_each(|topic| info!("topic {topic} is gone"));
        }
        self.on_event(event, None).await
    }

    async fn read_known_topics(&mut self, names: Vec<TopicName>) -> Result<(), End> {
        for topic in self.reader.topics(names).await? {
            self.on_event(Event::TopicUpdated(topic), None).await?;
        }
        Ok(())
    }

    async fn read_deletions(&mut self) -> Result<(), End> {
        let topics = self.reader.deletions().await?;
        if topics.iter().any(|topic| self.core.cluster().topic(topic).is_none()) {
            // The topic may be newer than what we have read.
            self.read_topics().await?;
        }
        self.on_event(Event::DeletionsRequested(topics), None).await
    }

    async fn read_log_dir_failures(&mut self) -> Result<(), End> {
        let (brokers, entries) = self.reader.log_dir_failures().await?;
        if !entries.is_empty() {
            self.on_event(Event::LogDirsFailed(brokers), None).await?;
            self.guarded.delete(entries).await?;
        }
        Ok(())
    }

    async fn read_isr_changes(&mut self) -> Result<(), End> {
        let (states, entries) = self.reader.isr_changes().await?;
        if !entries.is_empty() {
            self.on_event(Event::IsrNotified(states), None).await?;
            self.guarded.delete(entries).await?;
        }
        Ok(())
    }

    /// What Kafka 2.4's tools leave in `/admin`.
    async fn read_requests_of_tools(&mut self) -> Result<(), End> {
        if let Some(partitions) = self.reader.preferred_election().await? {
            self.own_events.push_back(Controller::pending_preferred_election(partitions));
        }
        if self.reader.exists(reassign_partitions::PATH).await? {
            self.own_events.push_back(Event::ReassignmentRequested);
        }
        Ok(())
    }

    /// After a reconnect: events may have been missed.
    async fn read_all_again(&mut self) -> Result<(), End> {
        self.check_controller().await?;
        self.read_brokers().await?;
        self.read_topics().await?;
        let known = self.core.cluster().topics().map(|(name, _)| name.clone()).collect();
        self.read_known_topics(known).await?;
        self.read_deletions().await?;
        self.read_log_dir_failures().await?;
        self.read_isr_changes().await?;
        self.read_requests_of_tools().await?;
        self.run_own_events().await
    }

    async fn on_event(&mut self, event: Event, answer: Option<oneshot::Sender<Answer>>) -> Result<(), End> {
        let progress = self.core.begin(event);
        self.carry_out(progress, answer).await?;
        self.run_own_events().await
    }

    async fn run_own_events(&mut self) -> Result<(), End> {
        while let Some(event) = self.own_events.pop_front() {
            let progress = self.core.begin(event);
            self.carry_out(progress, None).await?;
        }
        Ok(())
    }

    /// Writes and concludes until the event has ended.
    async fn carry_out(
        &mut self,
        mut progress: Progress,
        mut answer: Option<oneshot::Sender<Answer>>,
    ) -> Result<(), End> {
        self.problems = 0;
        loop {
            for action in std::mem::take(&mut progress.actions) {
                self.act(action, &mut answer);
            }
            if progress.is_end() {
                if self.problems > PROBLEMS_TOLD {
                    warn!("{} more such problems, told at level DEBUG", self.problems - PROBLEMS_TOLD);
                }
                return Ok(());
            }
            progress = if progress.reads.is_empty() {
                self.core.conclude(self.guarded.write(&progress.writes).await?)
            } else {
                self.core.refresh(self.reader.states(progress.reads).await.map_err(End::half_done)?)
            };
        }
    }

    fn act(&mut self, action: Action, answer: &mut Option<oneshot::Sender<Answer>>) {
        match action {
            Action::OpenChannel(broker) => self.channels.open(broker),
            Action::CloseChannel(broker) => self.channels.close(broker),
            Action::Send(request) => {
                let overrun = self.channels.send(&request);
                self.own_events.extend(overrun.map(Event::ChannelOverrun));
            }
            Action::Answer(result) => {
                if let Some(answer) = answer.take() {
                    // Whoever asked may have given up.
                    let _ = answer.send(result);
                }
            }
            Action::CountElection { unclean: true } => warn!("an unclean leader was elected: records may be lost"),
            Action::CountElection { unclean: false } => {}
            Action::Report(problem) => self.report(&problem),
        }
    }

    /// One event can be the trouble of thousands of partitions.
    fn report(&mut self, problem: &Problem) {
        self.problems += 1;
        if self.problems <= PROBLEMS_TOLD { warn!("{problem}") } else { debug!("{problem}") }
    }
}

/// What a controller watches besides `/controller`.
fn watches() -> [Watch; 7] {
    [
        Watch::ChildrenAndData(broker_ids::PATH.into()),
        Watch::ChildrenAndData(topic::ROOT.into()),
        Watch::Children(delete_topics::PATH.into()),
        Watch::Children(log_dir_event_notification::PATH.into()),
        Watch::Children(isr_change_notification::PATH.into()),
        Watch::Data(preferred_replica_election::PATH.into()),
        Watch::Data(reassign_partitions::PATH.into()),
    ]
}

/// The next tick; never, when there are none.
async fn tick(balance: &mut Option<Interval>) {
    match balance {
        Some(ticks) => _ = ticks.tick().await,
        None => std::future::pending().await,
    }
}
