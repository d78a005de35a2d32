//! One partition of `__consumer_offsets` on this broker, and the task that drives it while the broker leads it.
//!
//! ```text
//! NotOwned ── elected ──▶ Loading ── replayed ──▶ Active        resigned, from anywhere: NotOwned
//! ```
//!
//! One short lock guards a slot; no lock is held while waiting and none is shared between partitions. A request takes the
//! lock, gives its event to the core, and waits on a channel for the reply. Appends queue up in the order in which the
//! core yielded them; the driver writes them and gives the outcomes back, and wakes at the core's next deadline.
//!
//! A *term* is one time of being active. What belongs to an earlier one (a load, an append) comes to nothing.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, oneshot};
use tokio::task::JoinError;
use tracing::{debug, error, info, warn};
use world::Clock;
use zk_paths::ids::LeaderEpoch;

use super::core::answer::{Refusal, Reply};
use super::core::{Append, Effects, Event, Now, Settings, Shard, Token};
use super::load::load;
use super::log::{OffsetsLog, ReadFailure};
use super::writer::{self, Format, Written};
use crate::locks::lock;

/// How long a partition that cannot be read is left alone at first, and at most.
const LOAD_RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// What all slots share.
#[derive(Debug)]
pub struct Shared {
    /// The log.
    pub log: Arc<dyn OffsetsLog>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The core's configuration.
    pub settings: Settings,
    /// How records are written.
    pub format: Format,
    /// `offsets.load.buffer.size`.
    pub load_buffer_bytes: usize,
    /// Partitions are read one at a time, as in Kafka: a new leader of all of them has one buffer and one busy thread.
    pub load_permit: Semaphore,
    /// `offsets.retention.check.interval.ms`.
    pub expiry_check_ms: u64,
}

impl Shared {
    /// The time on both clocks.
    pub fn now(&self) -> Now {
        let monotonic_ms = u64::try_from(self.clock.monotonic().as_millis()).unwrap_or(u64::MAX);
        Now { wall_ms: self.clock.now_ms(), monotonic_ms }
    }
}

/// One partition.
#[derive(Debug)]
pub struct Slot {
    partition: i32,
    shared: Arc<Shared>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    leader_epoch: LeaderEpoch,
    term: u64,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    NotOwned,
    Loading,
    Active(Box<Active>),
}

#[derive(Debug)]
struct Active {
    core: Shard,
    waiting: HashMap<Token, oneshot::Sender<Reply>>,
    last_token: u64,
    /// Bounded by the requests that wait for them, and by one cleaning of each group.
    queue: VecDeque<Append>,
    is_writing: bool,
    /// Makes the driver look again.
    wake: Arc<Notify>,
    /// When the driver will look by itself.
    armed_ms: u64,
    next_expiry_ms: u64,
}

impl Slot {
    /// A partition that somebody else leads.
    pub fn new(partition: i32, shared: Arc<Shared>) -> Slot {
        let state = State { leader_epoch: LeaderEpoch::NONE, term: 0, phase: Phase::NotOwned };
        Slot { partition, shared, state: Mutex::new(state) }
    }

    /// Hands a request to the core and waits for its reply.
    pub async fn call(&self, event: impl FnOnce(Token) -> Event) -> Result<Reply, Refusal> {
        let receiver = self.with_active(|active| {
            let (sender, receiver) = oneshot::channel();
            active.last_token += 1;
            let token = Token(active.last_token);
            active.waiting.insert(token, sender);
            active.take(self.shared.now(), event(token));
            receiver
        })?;
        // The sender is dropped when the partition moves away.
        receiver.await.map_err(|_| Refusal::NotCoordinator)
    }

    /// Hands the core something that nobody waits for.
    pub fn tell(&self, event: Event) -> Result<(), Refusal> {
        self.with_active(|active| active.take(self.shared.now(), event))
    }

    /// Looks into the core.
    pub fn read<T>(&self, look: impl FnOnce(&Shard) -> T) -> Result<T, Refusal> {
        self.with_active(|active| look(&active.core))
    }

    fn with_active<T>(&self, work: impl FnOnce(&mut Active) -> T) -> Result<T, Refusal> {
        match &mut self.lock().phase {
            Phase::NotOwned => Err(Refusal::NotCoordinator),
            Phase::Loading => Err(Refusal::CoordinatorLoadInProgress),
            Phase::Active(active) => Ok(work(active)),
        }
    }

    /// This broker leads the partition: load it, unless it is there already. News of an older epoch are no news.
    pub fn elected(self: &Arc<Self>, leader_epoch: LeaderEpoch) {
        let mut state = self.lock();
        if leader_epoch < state.leader_epoch {
            return info!("__consumer_offsets-{}: not loading for the old leader epoch {leader_epoch}", self.partition);
        }
        state.leader_epoch = leader_epoch;
        if matches!(state.phase, Phase::NotOwned) {
            state.term += 1;
            state.phase = Phase::Loading;
            tokio::spawn(Arc::clone(self).load_and_drive(state.term));
        }
    }

    /// Somebody else leads it, or (without an epoch) it is gone: forget its groups. Whoever waits hears NOT_COORDINATOR.
    pub fn resigned(&self, leader_epoch: Option<LeaderEpoch>) {
        let mut state = self.lock();
        if leader_epoch.is_some_and(|epoch| epoch < state.leader_epoch) {
            return;
        }
        state.leader_epoch = leader_epoch.unwrap_or(LeaderEpoch::NONE);
        state.term += 1;
        if !matches!(state.phase, Phase::NotOwned) {
            debug!("__consumer_offsets-{}: its groups are unloaded", self.partition);
        }
        if let Phase::Active(old) = std::mem::replace(&mut state.phase, Phase::NotOwned) {
            old.wake.notify_one();
        }
    }

    async fn load_and_drive(self: Arc<Self>, term: u64) {
        let mut pause = LOAD_RETRY.0;
        while self.is_in(term) {
            match self.load_in_turn(term).await {
                Ok(Ok(wake)) => return self.drive(term, &wake).await,
                Ok(Err(ReadFailure::NotLeader(_))) => return self.give_up(term),
                Ok(Err(failure)) => error!("groups cannot be loaded, trying again: {failure}"),
                Err(panic) => error!("loading __consumer_offsets-{} came to an end: {panic}", self.partition),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LOAD_RETRY.1);
        }
    }

    async fn load_in_turn(self: &Arc<Self>, term: u64) -> Result<Result<Arc<Notify>, ReadFailure>, JoinError> {
        let started = self.shared.now();
        let slot = Arc::clone(self);
        // Never closed; without a permit it would be read all the same.
        let _permit = self.shared.load_permit.acquire().await;
        tokio::task::spawn_blocking(move || slot.load(started, term)).await
    }

    /// Replays the partition and becomes active. Blocks.
    fn load(&self, started: Now, term: u64) -> Result<Arc<Notify>, ReadFailure> {
        let shared = &self.shared;
        let go_on = || self.is_in(term);
        let settings = shared.settings.clone();
        let loaded = load(&*shared.log, self.partition, settings, shared.load_buffer_bytes, started, go_on)?;
        let now = shared.now();
        let wake = Arc::new(Notify::new());
        let mut active = Box::new(Active {
            core: loaded.shard,
            waiting: HashMap::new(),
            last_token: 0,
            queue: VecDeque::new(),
            is_writing: false,
            wake: Arc::clone(&wake),
            armed_ms: 0,
            next_expiry_ms: now.monotonic_ms.saturating_add(shared.expiry_check_ms),
        });
        let effects = active.core.finish_loading(now);
        active.carry_out(effects);
        let mut state = self.lock();
        if state.term == term {
            state.phase = Phase::Active(active);
            let took_ms = now.monotonic_ms.saturating_sub(started.monotonic_ms);
            match loaded.records {
                0 => debug!("__consumer_offsets-{} is empty", self.partition),
                records => info!("__consumer_offsets-{}: {records} records loaded in {took_ms} ms", self.partition),
            }
        }
        Ok(wake)
    }

    fn give_up(&self, term: u64) {
        let mut state = self.lock();
        if state.term == term {
            warn!("__consumer_offsets-{} has moved away while it was loaded", self.partition);
            state.phase = Phase::NotOwned;
        }
    }

    /// Writes appends and meets deadlines until the term is over.
    async fn drive(self: Arc<Self>, term: u64, wake: &Notify) {
        let mut writing = None;
        loop {
            let Some(step) = self.next_step(term) else { return };
            if let Some((leader_epoch, appends)) = step.write {
                writing = Some(Box::pin(self.write(leader_epoch, appends)));
            }
            tokio::select! {
                () = wake.notified() => {}
                () = tokio::time::sleep(step.sleep) => self.tick(term),
                written = async { match writing.as_mut() {
                    Some(writing) => writing.await,
                    None => std::future::pending().await,
                } } => {
                    writing = None;
                    self.conclude(term, written);
                }
            }
        }
    }

    async fn write(&self, leader_epoch: LeaderEpoch, appends: Vec<Append>) -> Vec<Written> {
        let Shared { log, format, .. } = &*self.shared;
        writer::write(&**log, self.partition, leader_epoch, *format, self.shared.now().wall_ms, appends).await
    }

    fn next_step(&self, term: u64) -> Option<Step> {
        let mut state = self.lock();
        let leader_epoch = state.leader_epoch;
        let active = state.active(term)?;
        active.armed_ms = active.core.next_deadline().unwrap_or(u64::MAX).min(active.next_expiry_ms);
        let sleep = Duration::from_millis(active.armed_ms.saturating_sub(self.shared.now().monotonic_ms));
        let write = (!active.is_writing && !active.queue.is_empty()).then(|| {
            active.is_writing = true;
            (leader_epoch, active.queue.drain(..).collect())
        });
        Some(Step { write, sleep })
    }

    fn tick(&self, term: u64) {
        let now = self.shared.now();
        let mut state = self.lock();
        let Some(active) = state.active(term) else { return };
        active.take(now, Event::Tick);
        if active.next_expiry_ms <= now.monotonic_ms {
            active.next_expiry_ms = now.monotonic_ms.saturating_add(self.shared.expiry_check_ms);
            active.take(now, Event::ExpireOffsets);
        }
    }

    fn conclude(&self, term: u64, written: Vec<Written>) {
        let now = self.shared.now();
        let mut state = self.lock();
        let Some(active) = state.active(term) else { return };
        active.is_writing = false;
        for (append, outcome) in written {
            if let Err(failure) = outcome {
                warn!("__consumer_offsets-{}: a record was not written: {failure}", self.partition);
            }
            active.take(now, Event::Appended(append, outcome));
        }
    }

    fn is_in(&self, term: u64) -> bool {
        self.lock().term == term
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

/// What the driver does next.
struct Step {
    write: Option<(LeaderEpoch, Vec<Append>)>,
    sleep: Duration,
}

impl State {
    fn active(&mut self, term: u64) -> Option<&mut Active> {
        match &mut self.phase {
            Phase::Active(active) if self.term == term => Some(active),
            _ => None,
        }
    }
}

impl Active {
    /// Takes an event, and wakes the driver if it would come too late by itself.
    fn take(&mut self, now: Now, event: Event) {
        let effects = self.core.handle(now, event);
        self.carry_out(effects);
        let is_earlier = self.core.next_deadline().is_some_and(|at| at < self.armed_ms);
        if is_earlier || (!self.queue.is_empty() && !self.is_writing) {
            self.wake.notify_one();
        }
    }

    fn carry_out(&mut self, effects: Effects) {
        for note in effects.notes {
            // Ids and reasons are the clients' words: they must not make lines of their own.
            info!("{}", note.replace(char::is_control, " "));
        }
        self.queue.extend(effects.appends);
        for (token, reply) in effects.replies {
            if let Some(waiting) = self.waiting.remove(&token) {
                // A client that is gone does not want it.
                let _ = waiting.send(reply);
            }
        }
    }
}
