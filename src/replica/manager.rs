//! All partitions of this broker: found by name without a lock, changed one controller request at a time.
//!
//! Invariant: requests of the controller are carried out in the order of their epochs. One that was meant for an earlier
//! life of this broker, or that comes from a deposed controller, changes nothing (`ReplicaManager.becomeLeaderOrFollower`,
//! apis.md 3.3).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicI64, Ordering};

use config::TopicDefaults;
use storage::{LogManager, StorageError};
use tokio::sync::Mutex;
use tracing::{debug, error, info, warn};
use wire::ErrorCode;
use zk_paths::ids::{BrokerEpoch, BrokerId, ControllerEpoch, LeaderEpoch, TopicId, TopicName, TopicPartition};

use super::moves::Moves;
use super::partition::{Assigned, Partition};
use crate::broker::Broker;
use crate::topic_configs::{Overrides, TopicConfigListener};
use crate::topic_names::CONSUMER_OFFSETS;
use crate::topic_settings::TopicSettings;

/// Who sent a controller's request, to which life of this broker.
#[derive(Debug, Clone, Copy)]
pub struct RequestEpochs {
    /// The controller.
    pub controller_id: BrokerId,
    /// Its epoch.
    pub controller_epoch: ControllerEpoch,
    /// The registration it was meant for; [`BrokerEpoch::NONE`] is not compared.
    pub broker_epoch: BrokerEpoch,
}

/// One partition of a LeaderAndIsr request.
#[derive(Debug, Clone)]
pub struct Assignment {
    /// The partition.
    pub name: TopicPartition,
    /// Its topic's id, or zero.
    pub topic_id: TopicId,
    /// Who leads it.
    pub assigned: Assigned,
    /// The partition was just made: it may be placed in any directory.
    pub is_new: bool,
}

/// One partition of a StopReplica request.
#[derive(Debug, Clone)]
pub struct Stop {
    /// The partition.
    pub name: TopicPartition,
    /// The epoch that the controller knows.
    pub leader_epoch: LeaderEpoch,
    /// Whether its data goes as well.
    pub delete: bool,
}

/// The partitions.
#[derive(Debug)]
pub struct ReplicaManager {
    me: BrokerId,
    logs: Arc<LogManager>,
    defaults: TopicDefaults,
    partitions: papaya::HashMap<TopicName, Arc<HashMap<i32, Arc<Partition>>>>,
    controller_epoch: AtomicI32,
    broker_epoch: AtomicI64,
    moves: Moves,
    /// Held while a request of the controller is carried out.
    changing: Mutex<()>,
}

impl ReplicaManager {
    /// Hosts nothing until the controller says so; logs are already loaded.
    pub fn new(me: BrokerId, logs: Arc<LogManager>, defaults: TopicDefaults) -> ReplicaManager {
        ReplicaManager {
            me,
            logs,
            defaults,
            partitions: papaya::HashMap::new(),
            controller_epoch: AtomicI32::new(ControllerEpoch::NONE.0),
            broker_epoch: AtomicI64::new(BrokerEpoch::NONE.0),
            moves: Moves::default(),
            changing: Mutex::new(()),
        }
    }

    /// The logs beneath.
    pub fn logs(&self) -> &Arc<LogManager> {
        &self.logs
    }

    /// What the broker's own settings give a topic that has none.
    pub(super) fn defaults(&self) -> &TopicDefaults {
        &self.defaults
    }

    /// Moves between log directories that wait for their turn.
    pub fn moves(&self) -> &Moves {
        &self.moves
    }

    /// Held while something changes which logs there are.
    pub(super) async fn changing(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.changing.lock().await
    }

    /// This broker has registered: requests meant for earlier registrations are stale from now on.
    pub fn registered(&self, broker_epoch: BrokerEpoch) {
        self.broker_epoch.store(broker_epoch.0, Ordering::SeqCst);
    }

    /// A partition hosted here; `None` when it is not, an error when its directory has failed.
    pub fn partition(&self, topic: &str, partition: i32) -> Option<Result<Arc<Partition>, ErrorCode>> {
        let hosted = self.partitions.pin().get(topic)?.get(&partition)?.clone();
        Some(hosted.check_online().map(|()| hosted))
    }

    /// All partitions hosted here, in no order.
    pub fn all(&self) -> Vec<Arc<Partition>> {
        self.partitions.pin().values().flat_map(|of_topic| of_topic.values().cloned()).collect()
    }

    /// Checks a request's epochs and remembers the controller's.
    pub fn accept(&self, epochs: RequestEpochs) -> Result<(), ErrorCode> {
        let ours = self.broker_epoch.load(Ordering::SeqCst);
        if epochs.broker_epoch != BrokerEpoch::NONE && epochs.broker_epoch.0 < ours {
            warn!("request of controller {} refused: it is meant for an earlier registration", epochs.controller_id);
            return Err(ErrorCode::StaleBrokerEpoch);
        }
        let known = self.controller_epoch.fetch_max(epochs.controller_epoch.0, Ordering::SeqCst);
        if epochs.controller_epoch.0 < known {
            warn!("request of controller {} refused: epoch {known} has begun", epochs.controller_id);
            return Err(ErrorCode::StaleControllerEpoch);
        }
        Ok(())
    }

    /// Carries out a LeaderAndIsr request: an error for all of it, or one answer per partition.
    pub async fn assign(
        &self,
        broker: &Arc<Broker>,
        epochs: RequestEpochs,
        assignments: Vec<Assignment>,
    ) -> Result<Vec<(TopicPartition, TopicId, ErrorCode)>, ErrorCode> {
        let _one_at_a_time = self.changing.lock().await;
        self.accept(epochs)?;
        let topics: std::collections::BTreeSet<TopicName> =
            assignments.iter().filter(|one| one.is_new).map(|one| one.name.topic.clone()).collect();
        for topic in topics {
            // The settings of a new topic were written before it; their announcement may still be on its way, or there is none.
            match broker.topic_configs.refresh(broker.zk.as_ref(), &topic).await {
                // Of a topic that grows, other partitions are here already: the announcement finds nothing new any more.
                Ok(true) => broker.topic_config_changed(&topic, &broker.topic_configs.of(&topic)),
                Ok(false) => {}
                Err(error) => warn!(%topic, "the settings known so far are used: {error}"),
            }
        }
        let broker = broker.clone();
        // Making logs is file work: it leaves the runtime's workers.
        let work = tokio::task::spawn_blocking(move || {
            let replicas = &broker.replicas;
            let refused = replicas.host_new(&broker, &assignments);
            let mut led = Vec::new();
            let answer = |one: Assignment| {
                let assigned = match refused.get(&one.name) {
                    Some(error) => Err(*error),
                    None => replicas.assign_one(&broker, &one),
                };
                if assigned == Ok(Change::Leads) {
                    led.push(one.name.clone());
                }
                (one.name, one.topic_id, assigned.err().unwrap_or(ErrorCode::None))
            };
            let answers = assignments.into_iter().map(answer).collect();
            if !led.is_empty() {
                info!("leading {} more partitions: {}", led.len(), some_of(&led));
            }
            answers
        });
        work.await.map_err(|_| ErrorCode::UnknownServerError)
    }

    fn assign_one(&self, broker: &Broker, one: &Assignment) -> Result<Change, ErrorCode> {
        let known = match self.partition(&one.name.topic, one.name.partition) {
            Some(known) => Some(known?),
            None => None,
        };
        if let Some(known) = &known {
            if !one.topic_id.is_zero() && !known.topic_id().is_zero() && known.topic_id() != one.topic_id {
                error!(partition = %one.name, "refused: our topic id is {}, not {}", known.topic_id(), one.topic_id);
                return Err(ErrorCode::InconsistentTopicId);
            }
            if one.assigned.leader_epoch <= known.leader_epoch() {
                return Err(ErrorCode::StaleControllerEpoch);
            }
        }
        // Whatever was new has been made, unless this broker is no replica of it.
        let partition = known.filter(|_| one.assigned.replicas.contains(&self.me.0));
        let partition = partition.ok_or(ErrorCode::UnknownTopicOrPartition)?;
        self.resume_move(&partition);
        if one.assigned.leader != self.me {
            if partition.is_leader() {
                partition.resign();
                resigned(broker, &partition);
            }
            // -1 is no leader at all, which is nothing to follow either.
            if one.assigned.leader != BrokerId::NONE {
                error!(partition = %one.name, "cannot follow broker {}: replication is not built yet", one.assigned.leader);
            }
            return Ok(Change::Idle);
        }
        partition.become_leader(self.me, &one.assigned).map_err(|fault| {
            error!(partition = %one.name, "cannot lead: {fault}");
            ErrorCode::KafkaStorageError
        })?;
        debug!(partition = %one.name, leader_epoch = %one.assigned.leader_epoch, "leading from {}", partition.log().log_end_offset());
        elected(broker, &partition);
        Ok(Change::Leads)
    }

    /// Makes the partitions of a request that are not here yet, and shows those of a topic all at once: their table is
    /// copied for every change. Answers what could not be made.
    fn host_new(&self, broker: &Broker, assignments: &[Assignment]) -> HashMap<TopicPartition, ErrorCode> {
        let mut made: HashMap<TopicName, HashMap<i32, Arc<Partition>>> = HashMap::new();
        let mut refused = HashMap::new();
        for one in assignments.iter().filter(|one| one.assigned.replicas.contains(&self.me.0)) {
            let name = &one.name;
            let of_topic = made.entry(name.topic.clone()).or_default();
            if of_topic.contains_key(&name.partition) || self.partition(&name.topic, name.partition).is_some() {
                continue;
            }
            match self.host(broker, one) {
                Ok(partition) => drop(of_topic.insert(name.partition, partition)),
                Err(error) => drop(refused.insert(name.clone(), error)),
            }
        }
        let partitions = self.partitions.pin();
        for (topic, new) in made.into_iter().filter(|(_, new)| !new.is_empty()) {
            let mut of_topic = partitions.get(&topic).map(|known| HashMap::clone(known)).unwrap_or_default();
            of_topic.extend(new);
            partitions.insert(topic, Arc::new(of_topic));
        }
        refused
    }

    fn host(&self, broker: &Broker, one: &Assignment) -> Result<Arc<Partition>, ErrorCode> {
        let topic = &one.name.topic;
        let settings = TopicSettings::resolve(&self.defaults, topic, &broker.topic_configs.of(topic));
        let topic_id = (!one.topic_id.is_zero()).then_some(one.topic_id);
        let log = self
            .logs
            .get_or_create(&one.name, one.is_new, None, settings.log.clone())
            .map_err(|fault| no_log(one, &fault))?;
        if let (Some(ours), Some(theirs)) = (log.topic_id(), topic_id)
            && ours != theirs
        {
            error!(partition = %one.name, "refused: the topic id on disk is {ours}, not {theirs}");
            return Err(ErrorCode::InconsistentTopicId);
        }
        if let Some(topic_id) = topic_id {
            log.assign_topic_id(topic_id).map_err(|fault| no_log(one, &fault))?;
        }
        Ok(Arc::new(Partition::new(one.name.clone(), one.topic_id, log, &settings)))
    }

    /// Hosts partitions no more, those of a topic all at once.
    fn remove(&self, names: &[TopicPartition]) {
        let mut gone: HashMap<&TopicName, Vec<i32>> = HashMap::new();
        names.iter().for_each(|name| gone.entry(&name.topic).or_default().push(name.partition));
        let partitions = self.partitions.pin();
        for (topic, numbers) in gone {
            let Some(known) = partitions.get(topic) else { continue };
            let mut of_topic = HashMap::clone(known);
            numbers.iter().for_each(|number| drop(of_topic.remove(number)));
            if of_topic.is_empty() {
                partitions.remove(topic);
            } else {
                partitions.insert(topic.clone(), Arc::new(of_topic));
            }
        }
    }

    /// Carries out a StopReplica request: an error for all of it, or one answer per partition.
    pub async fn stop(
        &self,
        broker: &Arc<Broker>,
        epochs: RequestEpochs,
        stops: Vec<Stop>,
    ) -> Result<Vec<(TopicPartition, ErrorCode)>, ErrorCode> {
        let _one_at_a_time = self.changing.lock().await;
        self.accept(epochs)?;
        let broker = broker.clone();
        let work = tokio::task::spawn_blocking(move || {
            let replicas = &broker.replicas;
            let mut doomed = Vec::new();
            let answer = |stop: Stop| {
                let stopped = replicas.stop_one(&broker, &stop);
                if stopped.is_ok() && stop.delete {
                    doomed.push(stop.name.clone());
                }
                (stop.name, stopped.err().unwrap_or(ErrorCode::None))
            };
            let mut answers: Vec<(TopicPartition, ErrorCode)> = stops.into_iter().map(answer).collect();
            let failed = replicas.delete_all(&doomed);
            for (name, error) in &mut answers {
                if failed.contains(name) {
                    *error = ErrorCode::KafkaStorageError;
                }
            }
            answers
        });
        work.await.map_err(|_| ErrorCode::UnknownServerError)
    }

    fn stop_one(&self, broker: &Broker, stop: &Stop) -> Result<(), ErrorCode> {
        match self.partition(&stop.name.topic, stop.name.partition) {
            Some(Err(offline)) => return Err(offline),
            Some(Ok(known)) => {
                let compared = stop.leader_epoch.0 >= 0;
                if compared && stop.leader_epoch < known.leader_epoch() {
                    return Err(ErrorCode::FencedLeaderEpoch);
                }
                let led = known.is_leader();
                known.resign();
                if led {
                    resigned(broker, &known);
                }
                self.rest_move(&known);
                if stop.delete {
                    deleted(broker, &known);
                }
            }
            None => {}
        }
        Ok(())
    }

    /// Deletes partitions that are stopped already, and what is left of them on disk. Answers those that could not be.
    fn delete_all(&self, names: &[TopicPartition]) -> HashSet<TopicPartition> {
        if names.is_empty() {
            return HashSet::new();
        }
        self.remove(names);
        let failed = self.logs.delete(names);
        failed.iter().for_each(|(name, fault)| error!(partition = %name, "cannot delete it: {fault}"));
        info!("deleted {} partitions: {}", names.len() - failed.len(), some_of(names));
        failed.into_iter().map(|(name, _)| name).collect()
    }
}

/// What an assignment came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Leads,
    Idle,
}

/// Names for a log line, which must not grow with the number of partitions.
pub(super) fn some_of(names: &[TopicPartition]) -> String {
    const SOME: usize = 5;
    let shown: Vec<String> = names.iter().take(SOME).map(TopicPartition::to_string).collect();
    let more = if names.len() > SOME { ", …" } else { "" };
    format!("{}{more}", shown.join(", "))
}

fn no_log(one: &Assignment, fault: &StorageError) -> ErrorCode {
    match fault {
        // Said when it failed, once for all its partitions.
        StorageError::Offline { .. } => debug!(partition = %one.name, "no log for it: {fault}"),
        fault => error!(partition = %one.name, "no log for it: {fault}"),
    }
    ErrorCode::KafkaStorageError
}

/// Tells the coordinator whose state is in the partition that this broker leads it now.
fn elected(broker: &Broker, partition: &Partition) {
    let name = partition.name();
    if &*name.topic == CONSUMER_OFFSETS {
        broker.groups.on_election(name.partition, partition.leader_epoch());
    }
}

/// Tells it that there is no such partition any more: one of the same name begins with leader epoch 0 again.
fn deleted(broker: &Broker, partition: &Partition) {
    let name = partition.name();
    if &*name.topic == CONSUMER_OFFSETS {
        broker.groups.on_resignation(name.partition, None);
    }
}

/// Tells it that this broker leads the partition no more.
fn resigned(broker: &Broker, partition: &Partition) {
    let name = partition.name();
    if &*name.topic == CONSUMER_OFFSETS {
        broker.groups.on_resignation(name.partition, Some(partition.leader_epoch()));
    }
}

impl TopicConfigListener for ReplicaManager {
    fn topic_config_changed(&self, topic: &str, overrides: &Overrides) {
        let settings = TopicSettings::resolve(&self.defaults, topic, overrides);
        let partitions = self.partitions.pin();
        let of_topic = partitions.get(topic).into_iter().flat_map(|of_topic| of_topic.values());
        of_topic.for_each(|partition| partition.configure(&settings));
    }
}
