//! One partition that this broker hosts: its log, its place in the cluster, and who waits for it.
//!
//! Reads take no lock of this file for longer than it takes to copy a pointer: the role is swapped as a whole on leadership
//! changes, and so is the log when a move to another directory ends. Whoever changes the log shares `swapping`, which the
//! end of a move takes for itself, so that no record is appended to a log that has been replaced.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use arc_swap::{ArcSwap, ArcSwapOption};
use bytes::Bytes;
use storage::compression::Codec;
use storage::{AppendOrigin, DueFlush, Log, LogStartError, TimestampOffset, TopicCompression};
use tracing::{error, info};
use wire::ErrorCode;
use zk_paths::ids::{BrokerId, LeaderEpoch, Offset, TopicId, TopicPartition, ZkVersion};

use super::core::leader::Leader;
use super::shared_flush::SharedFlush;
use super::waiters::Waiters;
use crate::error_mapping;
use crate::net::Region;
use crate::topic_settings::TopicSettings;

/// Which records a reader may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// Up to the high watermark.
    ReadUncommitted,
    /// Up to the last stable offset, with the list of aborted transactions.
    ReadCommitted,
}

/// How much to read.
#[derive(Debug, Clone, Copy)]
pub struct ReadLimits {
    /// Bytes at most.
    pub max_bytes: usize,
    /// Send the first batch whole, even when it is larger.
    pub whole_batch: bool,
    /// Which records.
    pub isolation: Isolation,
}

/// What a read found.
#[derive(Debug)]
pub struct Read {
    /// The high watermark.
    pub high_watermark: Offset,
    /// The last stable offset.
    pub last_stable_offset: Offset,
    /// The log start offset.
    pub log_start_offset: Offset,
    /// The records, if there are any.
    pub region: Option<Region>,
    /// The reader's log diverges from ours after this epoch and offset; then there are no records.
    pub diverging: Option<(LeaderEpoch, Offset)>,
    /// Producer id and first offset of aborted transactions among the records; for committed reads only.
    pub aborted: Option<Vec<(i64, i64)>>,
}

/// Who asks for an offset.
#[derive(Debug, Clone, Copy)]
pub struct Reader {
    /// A client's isolation; `None` for brokers and debugging readers, who see up to the log end.
    pub isolation: Option<Isolation>,
    /// Only the leader may answer.
    pub leader_only: bool,
}

/// Which offset is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The end, as far as the reader may see.
    Latest,
    /// The log start offset.
    Earliest,
    /// The record with the largest timestamp.
    MaxTimestamp,
    /// The last offset in tiered storage; there is none.
    Tiered,
    /// The first record at or after this time, milliseconds since 1970.
    Timestamp(i64),
}

/// An offset that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Its record's timestamp, or -1.
    pub timestamp: i64,
    /// The offset.
    pub offset: Offset,
    /// The epoch that wrote it, or none.
    pub leader_epoch: LeaderEpoch,
}

impl From<TimestampOffset> for Found {
    fn from(found: TimestampOffset) -> Found {
        let leader_epoch = found.leader_epoch.unwrap_or(LeaderEpoch::NONE);
        Found { timestamp: found.timestamp, offset: found.offset, leader_epoch }
    }
}

/// What an append did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Offset of the first record.
    pub base_offset: Offset,
    /// Offset behind the last record.
    pub end_offset: Offset,
    /// Time that the broker stamped on the records, or -1 when they kept their own.
    pub log_append_time_ms: i64,
    /// The log start offset.
    pub log_start_offset: Offset,
    /// What has to be on disk before the append is acknowledged, see [`Partition::flushed`].
    pub due_flush: DueFlush,
}

/// Why an append was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppendRefused {
    /// The error.
    pub error: ErrorCode,
    /// More about it.
    pub message: Option<String>,
    /// Records at fault: index in the batch and reason.
    pub records: Vec<(i32, String)>,
    /// Where the log starts, if it was the log that refused them.
    pub log_start_offset: Offset,
}

impl AppendRefused {
    /// With a text.
    pub fn of(error: ErrorCode, message: impl Into<String>) -> AppendRefused {
        AppendRefused { message: Some(message.into()), ..AppendRefused::from(error) }
    }
}

impl From<ErrorCode> for AppendRefused {
    fn from(error: ErrorCode) -> AppendRefused {
        AppendRefused { error, message: None, records: Vec::new(), log_start_offset: Offset::NONE }
    }
}

/// What the controller says of a partition (LeaderAndIsr).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assigned {
    /// The leader.
    pub leader: BrokerId,
    /// Its epoch.
    pub leader_epoch: LeaderEpoch,
    /// In-sync replicas.
    pub isr: Vec<i32>,
    /// All replicas.
    pub replicas: Vec<i32>,
    /// Version of the state znode, the "partition epoch".
    pub zk_version: ZkVersion,
}

/// The partition's place in the cluster.
#[derive(Debug)]
struct Role {
    leader_epoch: LeaderEpoch,
    leading: Option<Leading>,
}

#[derive(Debug)]
struct Leading {
    replicas: Leader,
    epoch_start: Offset,
}

/// A hosted partition.
#[derive(Debug)]
pub struct Partition {
    name: TopicPartition,
    topic_id: TopicId,
    log: ArcSwap<Log>,
    /// The log that a move to another directory builds.
    future: ArcSwapOption<Log>,
    /// Held while a move does something to `future`. Comes before `swapping`.
    moving: Mutex<()>,
    swapping: RwLock<()>,
    min_insync_replicas: AtomicUsize,
    downconversion: AtomicBool,
    role: ArcSwap<Role>,
    waiters: Arc<Waiters>,
    flushes: Arc<SharedFlush>,
    moved: tokio::sync::watch::Sender<Offset>,
}

impl Partition {
    /// A partition without a role yet.
    pub fn new(name: TopicPartition, topic_id: TopicId, log: Arc<Log>, settings: &TopicSettings) -> Partition {
        let min_insync_replicas = AtomicUsize::new(settings.min_insync_replicas);
        let role = Role { leader_epoch: LeaderEpoch::NONE, leading: None };
        let (role, moved) = (ArcSwap::from_pointee(role), tokio::sync::watch::channel(log.high_watermark()).0);
        Partition {
            name,
            topic_id,
            log: ArcSwap::new(log),
            future: ArcSwapOption::empty(),
            moving: Mutex::new(()),
            swapping: RwLock::new(()),
            min_insync_replicas,
            downconversion: AtomicBool::new(settings.downconversion),
            role,
            waiters: Arc::default(),
            flushes: Arc::default(),
            moved,
        }
    }

    /// Its topic and number.
    pub fn name(&self) -> &TopicPartition {
        &self.name
    }

    /// Its topic's id.
    pub fn topic_id(&self) -> TopicId {
        self.topic_id
    }

    /// Its log right now; a move to another directory puts another in its place.
    pub fn log(&self) -> Arc<Log> {
        self.log.load_full()
    }

    /// The log that a move to another directory builds.
    pub fn future(&self) -> Option<Arc<Log>> {
        self.future.load_full()
    }

    /// A move has begun, or has been given up. Whoever sets it holds [`Partition::moving`].
    pub(super) fn set_future(&self, future: Option<Arc<Log>>) {
        self.future.store(future);
        self.moved.send_modify(|_| {});
    }

    /// Held by whoever works on a move.
    pub(super) fn moving(&self) -> MutexGuard<'_, ()> {
        self.moving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps everybody from changing the log until the answer is dropped.
    pub(super) fn hold(&self) -> RwLockWriteGuard<'_, ()> {
        self.swapping.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The move has ended: the future log is the log. The caller holds the partition.
    pub(super) fn replace(&self, log: Arc<Log>) {
        self.log.store(log);
        self.future.store(None);
    }

    /// Something else than an append happened: everybody who waits looks again.
    pub fn wake_all(&self) {
        self.waiters.wake_all();
        self.moved.send_modify(|_| {});
    }

    /// Shared by those who change the log; as long as it lives, the log stays the one that it is.
    fn changing(&self) -> RwLockReadGuard<'_, ()> {
        self.swapping.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who waits for it.
    pub fn waiters(&self) -> &Arc<Waiters> {
        &self.waiters
    }

    /// The leader epoch of its role.
    pub fn leader_epoch(&self) -> LeaderEpoch {
        self.role.load().leader_epoch
    }

    /// Whether this broker leads it.
    pub fn is_leader(&self) -> bool {
        self.role.load().leading.is_some()
    }

    /// Its topic's settings have changed.
    pub fn configure(&self, settings: &TopicSettings) {
        self.log.load().update_config(settings.log.clone());
        if let Some(future) = self.future.load().as_ref() {
            future.update_config(settings.log.clone());
        }
        self.min_insync_replicas.store(settings.min_insync_replicas, Ordering::Relaxed);
        self.downconversion.store(settings.downconversion, Ordering::Relaxed);
    }

    /// The format that a consumer's records must be converted to, by what its request's version promises: from version 4
    /// on it knows them all. Kafka, too, believes the topic's settings rather than looking into the log.
    pub fn down_convert_to(&self, fetch_version: i16) -> Option<u8> {
        match (self.log.load().config().record_magic, fetch_version) {
            (1.., ..=1) => Some(0),
            (2.., ..=3) => Some(1),
            _ => None,
        }
    }

    /// `message.downconversion.enable`.
    pub fn may_down_convert(&self) -> bool {
        self.downconversion.load(Ordering::Relaxed)
    }

    /// Whether `compression.type` makes all of its batches zstd.
    pub fn is_zstd(&self) -> bool {
        matches!(self.log.load().config().compression, TopicCompression::Fixed(fixed) if fixed.codec == Codec::Zstd)
    }

    /// Takes the lead. An error is a failed write of the epoch checkpoint.
    pub fn become_leader(&self, me: BrokerId, assigned: &Assigned) -> Result<(), storage::StorageError> {
        let _changing = self.changing();
        let log = self.log.load();
        let former = self.role.load();
        let new_epoch = former.leading.is_none() || former.leader_epoch != assigned.leader_epoch;
        let epoch_start = match &former.leading {
            Some(leading) if !new_epoch => leading.epoch_start,
            _ => log.log_end_offset(),
        };
        if new_epoch {
            log.assign_epoch_start(assigned.leader_epoch, epoch_start)?;
        }
        let replicas = Leader::new(me, &assigned.replicas, &assigned.isr);
        let leading = Some(Leading { replicas, epoch_start });
        self.role.store(Arc::new(Role { leader_epoch: assigned.leader_epoch, leading }));
        self.advance(0);
        self.waiters.wake_all();
        Ok(())
    }

    /// Gives the partition up: nobody is served from it any more, everybody who waits looks again.
    pub fn resign(&self) {
        let leader_epoch = self.leader_epoch();
        self.role.store(Arc::new(Role { leader_epoch, leading: None }));
        self.wake_all();
    }

    /// Whether all in-sync replicas have everything below this offset.
    pub fn is_replicated_to(&self, end_offset: Offset) -> bool {
        self.log.load().high_watermark() >= end_offset
    }

    /// Waits until [`Partition::is_replicated_to`] holds, until this broker leads no more, or its directory fails.
    pub async fn replicated_to(&self, end_offset: Offset) -> Result<(), ErrorCode> {
        let mut moved = self.moved.subscribe();
        loop {
            if self.is_replicated_to(end_offset) {
                return Ok(());
            }
            self.check_serving()?;
            moved.changed().await.map_err(|_| ErrorCode::NotLeaderOrFollower)?;
        }
    }

    /// KAFKA_STORAGE_ERROR when its directory has failed.
    pub fn check_online(&self) -> Result<(), ErrorCode> {
        self.log.load().check_online().map_err(|_| ErrorCode::KafkaStorageError)
    }

    fn check_serving(&self) -> Result<(), ErrorCode> {
        self.check_online()?;
        if self.is_leader() { Ok(()) } else { Err(ErrorCode::NotLeaderOrFollower) }
    }

    /// DeleteRecords on the leader: the log starts at `offset` from now on, or at the high watermark for
    /// [`Offset::NONE`]. Answers the new start that was asked for.
    pub fn delete_records(&self, offset: Offset) -> Result<Offset, ErrorCode> {
        let _changing = self.changing();
        if !self.is_leader() {
            return Err(ErrorCode::NotLeaderOrFollower);
        }
        let log = self.log.load();
        if !log.config().delete {
            return Err(ErrorCode::PolicyViolation);
        }
        let start = if offset == Offset::NONE { log.high_watermark() } else { offset };
        if start.0 < 0 {
            return Err(ErrorCode::OffsetOutOfRange);
        }
        match log.maybe_increment_log_start_offset(start) {
            Ok(false) => {}
            Ok(true) => {
                info!(partition = %self.name, "the log starts at {start} from now on: a client deleted what was before");
                self.wake_all();
            }
            Err(LogStartError::AboveHighWatermark { .. }) => return Err(ErrorCode::OffsetOutOfRange),
            Err(LogStartError::Fault(fault)) => return Err(error_mapping::storage_failed(&self.name, &fault)),
        }
        Ok(start)
    }

    /// The lowest log start offset of all live replicas, and of the copy that a move makes: records below it are gone
    /// everywhere. `is_alive` tells which brokers live.
    pub fn low_watermark(&self, is_alive: impl Fn(BrokerId) -> bool) -> Result<Offset, ErrorCode> {
        self.check_serving()?;
        let role = self.role.load();
        let leading = role.leading.as_ref().ok_or(ErrorCode::NotLeaderOrFollower)?;
        let start = leading.replicas.low_watermark(self.log.load().log_start_offset(), is_alive);
        let future = self.future.load();
        Ok(future.as_ref().map_or(start, |future| start.min(future.log_start_offset())))
    }

    /// Waits until the low watermark has reached an offset, and answers it then.
    pub async fn deleted_to(&self, offset: Offset, is_alive: impl Fn(BrokerId) -> bool) -> Result<Offset, ErrorCode> {
        let mut moved = self.moved.subscribe();
        loop {
            let low_watermark = self.low_watermark(&is_alive)?;
            if low_watermark >= offset {
                return Ok(low_watermark);
            }
            moved.changed().await.map_err(|_| ErrorCode::NotLeaderOrFollower)?;
        }
    }

    /// Appends what a producer sent. `all` is acks=-1: with too few replicas in sync nothing is written. What has to be
    /// packed or converted first takes long, and leaves the worker for it.
    pub async fn append_as_leader(self: &Arc<Self>, records: Bytes, all: bool) -> Result<Appended, AppendRefused> {
        if !self.log.load().wants_rebuild(&records) {
            return self.append(records, AppendOrigin::Client, all);
        }
        let partition = self.clone();
        let appending = tokio::task::spawn_blocking(move || partition.append(records, AppendOrigin::Client, all));
        appending.await.unwrap_or_else(|_| Err(AppendRefused::from(ErrorCode::UnknownServerError)))
    }

    /// Appends what one of this broker's coordinators writes.
    pub fn append_as_coordinator(&self, records: Bytes, all: bool) -> Result<Appended, AppendRefused> {
        self.append(records, AppendOrigin::Coordinator, all)
    }

    fn append(&self, records: Bytes, origin: AppendOrigin, all: bool) -> Result<Appended, AppendRefused> {
        let changing = self.changing();
        let role = self.role.load();
        let leading = role.leading.as_ref().ok_or(ErrorCode::NotLeaderOrFollower)?;
        let log = self.log.load();
        if all && !leading.replicas.enough_replicas(self.min_insync_replicas.load(Ordering::Relaxed)) {
            let refused = AppendRefused::from(ErrorCode::NotEnoughReplicas);
            return Err(AppendRefused { log_start_offset: log.log_start_offset(), ..refused });
        }
        let info = log.append_as_leader(records, role.leader_epoch, origin).map_err(|error| {
            let refused = error_mapping::append_refused(&error);
            match refused.error {
                ErrorCode::KafkaStorageError => error!(partition = %self.name, "append failed: {error}"),
                // Of these Kafka tells nothing but the error.
                ErrorCode::MessageTooLarge | ErrorCode::RecordListTooLarge | ErrorCode::CorruptMessage => {}
                _ => return AppendRefused { log_start_offset: log.log_start_offset(), ..refused },
            }
            refused
        })?;
        drop(role);
        self.advance(info.size);
        drop(changing);
        if info.rolled {
            self.flush_rolled();
        }
        self.flushes.start(self.log(), info.due_flush);
        Ok(Appended {
            base_offset: info.first_offset,
            end_offset: Offset(info.last_offset.0 + 1),
            log_append_time_ms: info.log_append_time,
            log_start_offset: info.log_start_offset,
            due_flush: info.due_flush,
        })
    }

    /// Waits until what was appended is on disk, if it has to be before anybody hears of it.
    pub async fn flushed(&self, appended: &Appended) -> Result<(), ErrorCode> {
        match appended.due_flush {
            DueFlush::None => Ok(()),
            due => self.flushes.reached(|| self.log(), appended.end_offset, due).await,
        }
    }

    /// Syncs the segment that was just closed, as Kafka does at every roll: the recovery point moves on when it is done.
    fn flush_rolled(&self) {
        let (log, name) = (self.log(), self.name.clone());
        tokio::task::spawn_blocking(move || {
            if let Err(fault) = log.flush_rolled() {
                error!(partition = %name, "a rolled segment could not be flushed: {fault}");
            }
        });
    }

    /// Moves the high watermark as far as the replicas allow and wakes whom that serves. `bytes` is what was appended:
    /// about what becomes readable.
    fn advance(&self, bytes: usize) {
        let role = self.role.load();
        let Some(leading) = &role.leading else { return };
        let log = self.log.load();
        let target = leading.replicas.high_watermark(log.log_end_offset());
        if let Some(moved) = log.raise_high_watermark(target) {
            self.waiters.readable(bytes as i64);
            if self.moved.receiver_count() > 0 {
                self.moved.send_replace(moved);
            }
        }
    }

    /// Reads for a consumer.
    pub fn read(
        &self,
        offset: Offset,
        current_leader_epoch: i32,
        last_fetched_epoch: i32,
        limits: &ReadLimits,
    ) -> Result<Read, ErrorCode> {
        self.check_leader(current_leader_epoch)?;
        let log = self.log.load();
        let mut read = Read {
            high_watermark: log.high_watermark(),
            last_stable_offset: log.last_stable_offset(),
            log_start_offset: log.log_start_offset(),
            region: None,
            diverging: None,
            aborted: (limits.isolation == Isolation::ReadCommitted).then(Vec::new),
        };
        if let Some(diverging) = self.diverging(offset, last_fetched_epoch)? {
            read.diverging = Some(diverging);
            return Ok(read);
        }
        let end = match limits.isolation {
            Isolation::ReadUncommitted => read.high_watermark,
            Isolation::ReadCommitted => read.last_stable_offset,
        };
        let fetched = log.read(offset, limits.max_bytes, end, limits.whole_batch);
        let fetched = fetched.map_err(|error| error_mapping::read_refused(&self.name, &error))?;
        if let Some(slice) = fetched.slice {
            if limits.isolation == Isolation::ReadCommitted {
                let aborted = log.aborted_transactions(offset, &slice);
                let aborted = aborted.map_err(|error| error_mapping::storage_failed(&self.name, &error))?;
                read.aborted = Some(aborted.iter().map(|one| (one.producer_id, one.first_offset)).collect());
            }
            read.region = Some(Region { file: slice.file, position: slice.position, len: slice.len });
        }
        Ok(read)
    }

    /// KIP-595's check, as `Partition.readRecords`: does the epoch of the reader's last record end before its offset?
    fn diverging(&self, offset: Offset, last_fetched: i32) -> Result<Option<(LeaderEpoch, Offset)>, ErrorCode> {
        if last_fetched < 0 {
            return Ok(None);
        }
        let ended = self.epoch_end_offset(-1, LeaderEpoch(last_fetched))?;
        let (epoch, end) = ended.ok_or(ErrorCode::OffsetOutOfRange)?;
        Ok((epoch.0 < last_fetched || end < offset).then_some((epoch, end)))
    }

    /// Where an epoch ended; `None` when nothing is known of it.
    pub fn epoch_end_offset(
        &self,
        current_leader_epoch: i32,
        wanted: LeaderEpoch,
    ) -> Result<Option<(LeaderEpoch, Offset)>, ErrorCode> {
        self.check_leader(current_leader_epoch)?;
        Ok(self.log.load().end_offset_for_epoch(wanted))
    }

    /// Finds an offset. The lookup by time may read the disk.
    pub async fn find_offset(
        self: &Arc<Self>,
        place: Place,
        current_leader_epoch: i32,
        reader: &Reader,
    ) -> Result<Option<Found>, ErrorCode> {
        self.check_reader(current_leader_epoch, reader)?;
        let end = self.visible_end(reader);
        let lagging = reader.isolation.is_some() && self.is_lagging();
        match place {
            Place::Latest if lagging => Err(ErrorCode::OffsetNotAvailable),
            Place::Latest => Ok(Some(Found { timestamp: -1, offset: end, leader_epoch: self.leader_epoch() })),
            Place::Tiered => Ok(Some(Found { timestamp: -1, offset: Offset::NONE, leader_epoch: LeaderEpoch::NONE })),
            Place::Earliest => Ok(Some(self.log.load().earliest_offset().into())),
            Place::MaxTimestamp | Place::Timestamp(_) => {
                let found = self.look_up(place).await?.filter(|found| found.offset < end);
                if found.is_none() && lagging { Err(ErrorCode::OffsetNotAvailable) } else { Ok(found) }
            }
        }
    }

    /// ListOffsets v0: at most `limit` offsets at which segments begin, largest first (`Partition.legacyFetchOffsetsForTimestamp`).
    pub async fn segment_offsets(
        self: &Arc<Self>,
        place: Place,
        limit: usize,
        reader: &Reader,
    ) -> Result<Vec<Offset>, ErrorCode> {
        self.check_reader(-1, reader)?;
        let partition = self.clone();
        let looking = tokio::task::spawn_blocking(move || match place {
            Place::Timestamp(written_by) => partition.log().offsets_written_by(written_by, limit),
            Place::Earliest => partition.log().check_online().map(|()| vec![partition.log().log_start_offset()]),
            _ => partition.log().offsets_written_by(i64::MAX, limit),
        });
        let found = looking.await.map_err(|_| ErrorCode::UnknownServerError)?;
        let mut found = found.map_err(|error| error_mapping::storage_failed(&self.name, &error))?;
        found.truncate(limit);
        if reader.isolation.is_some() {
            let high_watermark = self.log.load().high_watermark();
            let hidden = found.iter().take_while(|offset| **offset > high_watermark).count();
            if hidden > 0 {
                found.splice(..hidden, [high_watermark]);
            }
        }
        Ok(found)
    }

    async fn look_up(self: &Arc<Self>, place: Place) -> Result<Option<Found>, ErrorCode> {
        let partition = self.clone();
        let looking = tokio::task::spawn_blocking(move || match place {
            Place::Timestamp(timestamp) => partition.log().offset_for_timestamp(timestamp),
            _ => partition.log().offset_of_max_timestamp(),
        });
        let found = looking.await.map_err(|_| ErrorCode::UnknownServerError)?;
        let found = found.map_err(|error| error_mapping::storage_failed(&self.name, &error))?;
        Ok(found.map(Found::from))
    }

    fn visible_end(&self, reader: &Reader) -> Offset {
        match reader.isolation {
            Some(Isolation::ReadUncommitted) => self.log.load().high_watermark(),
            Some(Isolation::ReadCommitted) => self.log.load().last_stable_offset(),
            None => self.log.load().log_end_offset(),
        }
    }

    /// A new leader's high watermark may still be behind its own first offset: then the end is not known.
    fn is_lagging(&self) -> bool {
        let role = self.role.load();
        role.leading.as_ref().is_some_and(|leading| leading.epoch_start > self.log.load().high_watermark())
    }

    fn check_reader(&self, current_leader_epoch: i32, reader: &Reader) -> Result<(), ErrorCode> {
        if reader.leader_only {
            self.check_leader(current_leader_epoch)
        } else {
            self.check_epoch(current_leader_epoch)
        }
    }

    /// Only leaders answer, and only those who agree with the asker about the epoch (KIP-320).
    fn check_leader(&self, current_leader_epoch: i32) -> Result<(), ErrorCode> {
        self.check_epoch(current_leader_epoch)?;
        if self.is_leader() { Ok(()) } else { Err(ErrorCode::NotLeaderOrFollower) }
    }

    fn check_epoch(&self, current_leader_epoch: i32) -> Result<(), ErrorCode> {
        let ours = self.leader_epoch().0;
        match current_leader_epoch {
            asked if asked == LeaderEpoch::NONE.0 || asked == ours => Ok(()),
            asked if asked < ours => Err(ErrorCode::FencedLeaderEpoch),
            _ => Err(ErrorCode::UnknownLeaderEpoch),
        }
    }
}
