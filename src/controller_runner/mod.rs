//! The controller's shell: watches become events, decisions become znodes and requests to brokers.
//!
//! Every broker runs one. It follows `/controller` and stands for election whenever there is none ([`election`]); the
//! winner runs a [`term`]: reads the cluster ([`reading`]), feeds [`controller::Controller`] one event at a time, has its
//! writes taken by ZooKeeper under a check of `/controller_epoch` ([`writing`]), and only then puts requests into the
//! brokers' channels ([`channels`], in the shapes of [`messages`]).
//!
//! A term ends when somebody else is controller, when the session expires, or when its start fails; all that belongs to
//! it, channels and answers due included, goes with it. No Kafka decision is made here.
//!
//! Absent: reassignment, delegation token expiry, KRaft migration (`/migration` is never touched).

mod channels;
mod election;
mod features;
mod links;
mod messages;
mod reading;
mod term;
#[cfg(test)]
mod tests;
mod writing;

use std::sync::Arc;
use std::time::Duration;

use config::{BrokerConfig, MetadataVersion};
use controller::Event;
use controller::action::{AlteredPartition, Answer, ElectionRefusal, ShutdownRefusal, StaleBrokerEpoch};
use controller::event::{AlterPartitions, ElectionKind, Trigger};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};
use world::Clock;
use zk_paths::ids::{BrokerEpoch, BrokerId, ControllerEpoch, TopicPartition};

pub use links::{BrokerLink, BrokerLinks, LinkError, Links, LocalBroker};

use crate::topic_configs::{Overrides, TopicConfigListener};
use crate::zk::{Zk, ZkError};

/// Most requests of handlers that wait for the controller.
const COMMAND_LIMIT: usize = 1000;

/// What a runner needs.
#[derive(Debug)]
pub struct Setup {
    /// This broker.
    pub me: BrokerId,
    /// ZooKeeper.
    pub zk: Arc<dyn Zk>,
    /// For the timestamp in `/controller`.
    pub clock: Arc<dyn Clock>,
    /// How brokers are reached.
    pub links: Arc<dyn Links>,
    /// Whether this broker is registered in its present session. It stands for election only then, as Kafka does: a
    /// controller whose own broker is missing would take it for dead.
    pub registered: watch::Receiver<bool>,
    /// What is configured.
    pub settings: RunnerSettings,
}

/// The controller's part of the configuration.
#[derive(Debug, Clone)]
pub struct RunnerSettings {
    /// `inter.broker.protocol.version`: versions of requests, topic ids, `/feature`.
    pub protocol: MetadataVersion,
    /// Listener under which LeaderAndIsr names leaders to their followers.
    pub inter_broker_listener: String,
    /// What the core needs to know.
    pub core: controller::Settings,
    /// `leader.imbalance.check.interval.seconds`, when `auto.leader.rebalance.enable` is on.
    pub balance_interval: Option<Duration>,
}

impl RunnerSettings {
    /// Picks them out of the broker's configuration.
    pub fn from_config(config: &BrokerConfig) -> RunnerSettings {
        let protocol = config.replication.protocol_version;
        RunnerSettings {
            protocol,
            inter_broker_listener: config.network.inter_broker_listener.clone(),
            core: controller::Settings {
                topic_ids: protocol.has_topic_ids(),
                leader_recovery: protocol.has_leader_recovery_state(),
                leaders_write_states: !protocol.has_alter_partition(),
                delete_topic_enable: config.topics.delete_enable,
                unclean_leader_election: config.topic_defaults.text(reading::UNCLEAN_ELECTION) == "true",
                leader_imbalance_percentage: config.controller.imbalance_percentage.try_into().unwrap_or(0),
            },
            balance_interval: config.controller.auto_rebalance.then_some(config.controller.imbalance_check_interval),
        }
    }
}

/// Starts the runner's task on the present tokio runtime. It ends when the last handle is dropped or ZooKeeper is closed.
pub fn start(setup: Setup) -> ControllerHandle {
    let (commands, queue) = mpsc::channel(COMMAND_LIMIT);
    let (active, is_active) = watch::channel(None);
    tokio::spawn(election::run(setup, queue, active));
    ControllerHandle { commands, active: is_active }
}

/// How handlers reach the controller, if this broker is it.
#[derive(Debug, Clone)]
pub struct ControllerHandle {
    commands: mpsc::Sender<Command>,
    active: watch::Receiver<Option<ControllerEpoch>>,
}

/// An event from a handler, and where its answer goes.
#[derive(Debug)]
struct Command {
    event: Event,
    answer: Option<oneshot::Sender<Answer>>,
}

/// This broker is not the controller, or stopped being it before it could answer (NOT_CONTROLLER).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("this broker is not the controller")]
pub struct NotController;

impl ControllerHandle {
    /// Whether this broker is the controller now.
    pub fn is_active(&self) -> bool {
        self.active.borrow().is_some()
    }

    /// The controller epoch of our term; `None` while we are not the controller. Can be waited on.
    pub fn term(&self) -> watch::Receiver<Option<ControllerEpoch>> {
        self.active.clone()
    }

    /// A broker wants to leave (ControlledShutdown): what it still leads.
    pub async fn controlled_shutdown(
        &self,
        broker: BrokerId,
        broker_epoch: BrokerEpoch,
    ) -> Result<Result<Vec<TopicPartition>, ShutdownRefusal>, NotController> {
        match self.ask(Event::ControlledShutdown { broker, broker_epoch }).await? {
            Answer::ControlledShutdown(result) => Ok(result),
            Answer::AlterPartitions(_) | Answer::ElectLeaders(_) => Err(NotController),
        }
    }

    /// A leader wants other in-sync sets (AlterPartition).
    pub async fn alter_partitions(
        &self,
        request: AlterPartitions,
    ) -> Result<Result<Vec<AlteredPartition>, StaleBrokerEpoch>, NotController> {
        match self.ask(Event::AlterPartitions(request)).await? {
            Answer::AlterPartitions(result) => Ok(result),
            Answer::ControlledShutdown(_) | Answer::ElectLeaders(_) => Err(NotController),
        }
    }

    /// An operator wants leaders elected (ElectLeaders); `None` means all partitions.
    pub async fn elect_leaders(
        &self,
        partitions: Option<Vec<TopicPartition>>,
        kind: ElectionKind,
    ) -> Result<Vec<(TopicPartition, Result<BrokerId, ElectionRefusal>)>, NotController> {
        match self.ask(Event::ElectLeaders { partitions, kind, trigger: Trigger::Admin }).await? {
            Answer::ElectLeaders(results) => Ok(results),
            Answer::ControlledShutdown(_) | Answer::AlterPartitions(_) => Err(NotController),
        }
    }

    async fn ask(&self, event: Event) -> Result<Answer, NotController> {
        if !self.is_active() {
            return Err(NotController);
        }
        let (sender, answer) = oneshot::channel();
        let command = Command { event, answer: Some(sender) };
        self.commands.send(command).await.map_err(|_| NotController)?;
        answer.await.map_err(|_| NotController)
    }
}

impl TopicConfigListener for ControllerHandle {
    /// Unclean election may have been allowed. A full queue loses nothing that matters: the topic's configuration is
    /// read again by the next term, and an operator can ask for the election.
    fn topic_config_changed(&self, topic: &str, overrides: &Overrides) {
        if self.is_active() {
            let allowed = reading::unclean_allowed(overrides);
            let event = Event::UncleanElectionConfigured { topic: Some(topic.into()), allowed };
            if self.commands.try_send(Command { event, answer: None }).is_err() {
                tracing::warn!(topic, "the controller is too busy to take note of a changed topic configuration");
            }
        }
    }
}

/// Why a term, or an attempt at one, ended.
#[derive(Debug, Error)]
enum End {
    /// Somebody else is controller.
    #[error("another broker is controller now")]
    Deposed,
    /// The session is over, and `/controller` with it.
    #[error("the ZooKeeper session has expired")]
    Expired,
    /// The broker stops.
    #[error("the broker stops")]
    Stopped,
    /// ZooKeeper refused something that cannot be done without.
    #[error("{0}")]
    Failed(ZkError),
    /// The same in the middle of an event: the core and ZooKeeper would part ways.
    #[error("{0}, in the middle of an event")]
    HalfDone(ZkError),
}

impl End {
    /// For reads in the middle of an event.
    fn half_done(self) -> End {
        match self {
            End::Failed(error) => End::HalfDone(error),
            end => end,
        }
    }
}

impl From<ZkError> for End {
    fn from(error: ZkError) -> End {
        match error {
            ZkError::SessionExpired { .. } => End::Expired,
            ZkError::Closed { .. } => End::Stopped,
            error => End::Failed(error),
        }
    }
}
