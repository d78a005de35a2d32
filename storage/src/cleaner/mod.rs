//! The log cleaner: keeps of a compacted log the newest record of each key. Model: Kafka's `LogCleaner`.
//!
//! [`plan`] says which log is due and what of it is cleaned; `offset_map.rs` and `transactions.rs` are what a cleaning
//! knows, `retain.rs` what it keeps, `rewrite.rs` and `output.rs` how that is written; `pass.rs` is one cleaning from
//! start to end, and `log/clean.rs` the swap. Here: several cleaners on all logs, each log with one at a time, the dirtiest first.
//!
//! Starts no thread: a shell calls [`LogCleaner::clean_dirtiest`], again at once while it answers `true`, else after
//! `log.cleaner.backoff.ms`. A log that cannot be cleaned is marked, reported once, and left alone until the broker starts
//! again; the others go on.

mod offset_map;
mod output;
mod pass;
pub mod plan;
mod retain;
mod rewrite;
mod stats;
mod throttle;
mod transactions;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use world::Clock;
use zk_paths::ids::Offset;

use crate::error::StorageError;
use crate::log::{CleaningTurn, Log};
use crate::log_config::millis;
use crate::log_manager::LogManager;
use offset_map::MapLimits;
use pass::{CleanError, Pace, Pass};
use plan::{Cleanable, CleaningRules, Reset, cleanable_part};
use throttle::Throttle;

pub(crate) use output::Output;
pub(crate) use retain::LastRecord;
pub use stats::CleanerStats;

/// Settings of the cleaners.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CleanerConfig {
    /// `log.cleaner.threads`.
    pub threads: usize,
    /// `log.cleaner.dedupe.buffer.size`: of all of them.
    pub dedupe_buffer_bytes: u64,
    /// `log.cleaner.io.buffer.load.factor`: how full a map may get.
    pub dedupe_buffer_load_factor: f64,
    /// `log.cleaner.io.buffer.size`: of all of them, half for reading, half for writing.
    pub io_buffer_bytes: u64,
    /// `log.cleaner.io.max.bytes.per.second`: of all of them, read and written.
    pub io_max_bytes_per_second: f64,
}

/// Smallest piece that a cleaner reads at a time, whatever the settings say.
const MIN_IO_BUFFER: u64 = 1024;
/// How often a cleaner that waits for its rate looks whether it shall end.
const WAIT_STEP: Duration = Duration::from_millis(100);

/// All cleaners of a broker. Shared between threads.
#[derive(Debug)]
pub struct LogCleaner {
    config: CleanerConfig,
    logs: Arc<LogManager>,
    clock: Arc<dyn Clock>,
    throttle: Throttle,
    stopping: AtomicBool,
    /// Cleaners at work.
    running: Mutex<usize>,
    changed: Condvar,
    /// By cleaner.
    last: Mutex<BTreeMap<usize, Run>>,
    last_choice_ms: AtomicI64,
    /// Share of the dirtiest log, in millionths.
    max_dirty_millionths: AtomicU64,
}

/// What a cleaner did last.
#[derive(Debug, Clone, Copy, Default)]
struct Run {
    stats: CleanerStats,
    max_delay_ms: i64,
}

/// The metrics of `kafka.log:LogCleaner` and `LogCleanerManager`, as of now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CleanerMetrics {
    /// `max-buffer-utilization-percent`.
    pub max_buffer_utilization_percent: i64,
    /// `cleaner-recopy-percent`.
    pub cleaner_recopy_percent: i64,
    /// `max-clean-time-secs`.
    pub max_clean_time_secs: i64,
    /// `max-compaction-delay-secs`.
    pub max_compaction_delay_secs: i64,
    /// `max-dirty-percent`.
    pub max_dirty_percent: i64,
    /// `time-since-last-run-ms`.
    pub time_since_last_run_ms: i64,
}

/// One of the cleaners that [`LogCleaner::stop`] waits for.
struct AtWork<'a>(&'a LogCleaner);

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        *self.0.running() -= 1;
        self.0.changed.notify_all();
    }
}

/// A log that is due.
struct Chosen {
    turn: CleaningTurn,
    cleanable: Cleanable,
}

/// What choosing learned on the way.
#[derive(Debug, Default)]
struct Choice {
    max_delay_ms: i64,
    delayed: usize,
    due: usize,
}

impl LogCleaner {
    /// Cleaners for the logs of a manager.
    pub fn new(config: CleanerConfig, logs: Arc<LogManager>, clock: Arc<dyn Clock>) -> LogCleaner {
        if config.dedupe_buffer_bytes / config.threads.max(1) as u64 > i32::MAX as u64 {
            tracing::warn!(
                "Cannot use more than 2G of cleaner buffer space per cleaner thread, ignoring excess buffer space..."
            );
        }
        LogCleaner {
            throttle: Throttle::new(config.io_max_bytes_per_second, clock.monotonic()),
            last_choice_ms: AtomicI64::new(clock.now_ms()),
            config,
            logs,
            clock,
            stopping: AtomicBool::new(false),
            running: Mutex::new(0),
            changed: Condvar::new(),
            last: Mutex::new(BTreeMap::new()),
            max_dirty_millionths: AtomicU64::new(0),
        }
    }

    /// Cleans the dirtiest log that is due, and applies retention to the compacted logs. `true`: a log was cleaned, another
    /// may be due. `cleaner` numbers the caller, from 0.
    pub fn clean_dirtiest(&self, cleaner: usize) -> bool {
        let Some(_at_work) = self.enter() else { return false };
        let chosen = self.choose(cleaner);
        let cleaned = chosen.is_some_and(|chosen| self.clean(cleaner, &chosen));
        self.apply_retention();
        cleaned
    }

    /// Ends all cleanings: those in progress are called off and waited for, later ones do nothing.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.changed.notify_all();
        let mut running = self.running();
        while *running > 0 {
            running = self.changed.wait(running).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// `None` once it is stopped.
    fn enter(&self) -> Option<AtWork<'_>> {
        let mut running = self.running();
        if self.is_stopping() {
            return None;
        }
        *running += 1;
        Some(AtWork(self))
    }

    fn running(&self) -> MutexGuard<'_, usize> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Picks a log, and takes the turn on it.
    fn choose(&self, cleaner: usize) -> Option<Chosen> {
        let now_ms = self.clock.now_ms();
        self.last_choice_ms.store(now_ms, Ordering::Relaxed);
        let mut choice = Choice::default();
        let compacted = self.logs.all().into_iter().filter(|log| log.config().compact && log.check_online().is_ok());
        let mut due: Vec<(Arc<Log>, Cleanable)> = compacted
            .filter_map(|log| self.examine(&log, now_ms, &mut choice).map(|cleanable| (log, cleanable)))
            .collect();
        let dirtiest = due.iter().map(|(_, cleanable)| cleanable.dirty_ratio()).fold(0.0, f64::max);
        self.max_dirty_millionths.store((dirtiest * 1e6) as u64, Ordering::Relaxed);
        due.retain(|(log, cleanable)| cleanable.is_due(&rules(log, now_ms)));
        due.sort_by(|(_, a), (_, b)| b.dirty_ratio().total_cmp(&a.dirty_ratio()));
        choice.due = due.len();
        let chosen = due.into_iter().find_map(|(log, _)| {
            let turn = log.begin_cleaning()?;
            // Somebody else may have cleaned it since it was looked at.
            let cleanable = self.examine(&log, now_ms, &mut Choice::default())?;
            cleanable.is_due(&rules(&log, now_ms)).then_some(Chosen { turn, cleanable })
        })?;
        self.note_choice(cleaner, &choice);
        Some(chosen)
    }

    /// What a cleaning of the log would do; nothing for those that are empty, being cleaned, or uncleanable.
    fn examine(&self, log: &Arc<Log>, now_ms: i64, choice: &mut Choice) -> Option<Cleanable> {
        if log.uncleanable_reason().is_some() {
            return None;
        }
        match log.cleaning_facts() {
            Ok((facts, reset)) => {
                if let Some(reset) = reset {
                    report_reset(log, reset, facts.first_dirty);
                    log.set_cleaner_checkpoint(Some(Offset(facts.first_dirty)));
                }
                let cleanable = cleanable_part(&facts, &rules(log, now_ms));
                choice.max_delay_ms = choice.max_delay_ms.max(cleanable.delay_ms);
                choice.delayed += usize::from(cleanable.delay_ms > 0);
                (cleanable.clean_bytes + cleanable.cleanable_bytes > 0).then_some(cleanable)
            }
            Err(error) => {
                self.give_up(log, error);
                None
            }
        }
    }

    fn note_choice(&self, cleaner: usize, choice: &Choice) {
        self.last().entry(cleaner).or_default().max_delay_ms = choice.max_delay_ms;
        if choice.delayed > 0 {
            let Choice { due, delayed, max_delay_ms } = choice;
            tracing::info!("Cleanable partitions: {due}, Delayed partitions: {delayed}, max delay: {max_delay_ms}");
        }
    }

    /// `false` when the log turned out to be uncleanable.
    fn clean(&self, cleaner: usize, chosen: &Chosen) -> bool {
        let log = chosen.turn.log();
        let partition = log.partition();
        tracing::info!("Cleaner {cleaner}: Beginning cleaning of log {partition}");
        let threads = self.config.threads.max(1) as u64;
        let mut pass = Pass {
            turn: &chosen.turn,
            cleanable: chosen.cleanable,
            limits: MapLimits::new(self.config.dedupe_buffer_bytes / threads, self.config.dedupe_buffer_load_factor),
            io_buffer: (self.config.io_buffer_bytes / threads / 2).max(MIN_IO_BUFFER) as usize,
            now_ms: self.clock.now_ms(),
            pace: self,
            stats: CleanerStats::default(),
            hashes: Vec::new(),
            unpaced: 0,
        };
        match pass.run() {
            Ok(end_offset) => {
                let stats = pass.stats;
                chosen.turn.finish(end_offset);
                self.report(cleaner, chosen, end_offset, stats);
                self.checkpoint(log);
                true
            }
            Err(CleanError::Aborted) => {
                tracing::info!("Cleaner {cleaner}: cleaning of log {partition} was called off");
                true
            }
            // The log was deleted under the cleaner: its files are somewhere else, or nowhere.
            Err(CleanError::Storage(_)) if chosen.turn.is_aborted() => true,
            Err(CleanError::Storage(error)) => {
                self.give_up(log, error);
                false
            }
        }
    }

    /// The disk failed, and with it the directory; or else what the log holds cannot be cleaned, which is about it alone.
    fn give_up(&self, log: &Log, error: StorageError) {
        let Err(error) = log.watch(Err::<(), _>(error)) else { return };
        if matches!(error, StorageError::Damaged { .. }) {
            let partition = log.partition();
            tracing::warn!(
                "Unexpected exception thrown when cleaning log {partition}. Marking its partition ({partition}) as uncleanable: {error}"
            );
            log.mark_uncleanable(error.to_string());
        }
    }

    fn checkpoint(&self, log: &Log) {
        if let Err(error) = self.logs.checkpoint_cleaned(log.parent_dir()) {
            tracing::error!(
                "Failed to access checkpoint file cleaner-offset-checkpoint in dir {}: {error}",
                log.parent_dir().display()
            );
        }
    }

    fn report(&self, cleaner: usize, chosen: &Chosen, end_offset: i64, stats: CleanerStats) {
        self.last().entry(cleaner).or_default().stats = stats;
        let (partition, start) = (chosen.turn.log().partition(), chosen.cleanable.first_dirty);
        tracing::info!(
            "\n\tLog cleaner thread {cleaner} cleaned log {partition} (dirty section = [{start}, {end_offset}])\n{stats}"
        );
        if stats.invalid_messages_read > 0 {
            tracing::warn!("\tFound {} invalid messages during compaction.", stats.invalid_messages_read);
        }
    }

    /// Retention of compacted logs, `compact,delete` or only below the log start. Here and not with that of other logs, so
    /// that it never meets a cleaning of the same log.
    fn apply_retention(&self) {
        let now_ms = self.clock.now_ms();
        for log in self.logs.all().iter().filter(|log| log.config().compact && log.check_online().is_ok()) {
            if self.is_stopping() {
                return;
            }
            let config = log.config();
            let is_below_start = log.first_segment_end().is_some_and(|end| end <= log.log_start_offset());
            if !config.delete && !is_below_start {
                continue;
            }
            let Some(turn) = log.begin_cleaning() else { continue };
            if let Err(error) = turn.log().apply_retention(now_ms) {
                self.give_up(log, error);
            }
        }
    }

    /// Logs that no cleaner touches any more, by log directory (`uncleanable-partitions-count`).
    pub fn uncleanable_partitions(&self, dir: &Path) -> usize {
        self.uncleanable(dir).count()
    }

    /// Bytes that would be cleaned of them (`uncleanable-bytes`).
    pub fn uncleanable_bytes(&self, dir: &Path) -> u64 {
        let now_ms = self.clock.now_ms();
        let bytes = |log: Arc<Log>| log.cleaning_facts().map(|(facts, _)| cleanable_part(&facts, &rules(&log, now_ms)));
        self.uncleanable(dir).filter_map(|log| bytes(log).ok()).map(|cleanable| cleanable.cleanable_bytes).sum()
    }

    fn uncleanable(&self, dir: &Path) -> impl Iterator<Item = Arc<Log>> {
        let dir: PathBuf = dir.to_owned();
        let is_there = move |log: &Arc<Log>| log.parent_dir() == dir && log.uncleanable_reason().is_some();
        self.logs.all().into_iter().filter(is_there)
    }

    /// The other metrics.
    pub fn metrics(&self) -> CleanerMetrics {
        let last: Vec<Run> = self.last().values().copied().collect();
        let sum = |of: fn(&CleanerStats) -> u64| last.iter().map(|run| of(&run.stats)).sum::<u64>();
        let max = |of: fn(&Run) -> f64| last.iter().map(of).fold(0.0, f64::max);
        let recopy = 100.0 * sum(|stats| stats.bytes_written) as f64 / sum(|stats| stats.bytes_read).max(1) as f64;
        CleanerMetrics {
            max_buffer_utilization_percent: (100.0 * max(|run| run.stats.buffer_utilization)) as i64,
            cleaner_recopy_percent: recopy as i64,
            max_clean_time_secs: max(|run| run.stats.elapsed.as_secs_f64()) as i64,
            max_compaction_delay_secs: (max(|run| run.max_delay_ms as f64) / 1000.0) as i64,
            max_dirty_percent: (self.max_dirty_millionths.load(Ordering::Relaxed) / 10_000) as i64,
            time_since_last_run_ms: self.clock.now_ms().saturating_sub(self.last_choice_ms.load(Ordering::Relaxed)),
        }
    }

    fn last(&self) -> MutexGuard<'_, BTreeMap<usize, Run>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pace for LogCleaner {
    fn note_io(&self, bytes: u64, turn: &CleaningTurn) {
        let mut wait = self.throttle.note(bytes, self.clock.monotonic());
        while !wait.is_zero() && !self.is_stopping() && !turn.is_aborted() {
            let step = wait.min(WAIT_STEP);
            let _ = self.changed.wait_timeout(self.running(), step);
            wait -= step;
        }
    }

    fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }
}

fn rules(log: &Log, now_ms: i64) -> CleaningRules {
    let config = log.config();
    CleaningRules {
        min_dirty_ratio: config.min_cleanable_dirty_ratio,
        min_lag_ms: config.min_compaction_lag.map(millis),
        max_lag_ms: config.max_compaction_lag.map(millis),
        now_ms,
    }
}

/// Kafka's words. With `delete` in the policy, records below the checkpoint go all the time.
fn report_reset(log: &Log, reset: Reset, first_dirty: i64) {
    let (partition, checkpoint) = (log.partition(), log.cleaner_checkpoint().map_or(-1, |offset| offset.0));
    match reset {
        Reset::BelowLogStart if log.config().delete => {}
        Reset::BelowLogStart => tracing::warn!(
            "Resetting first dirty offset of {partition} to log start offset {first_dirty} since the checkpointed offset {checkpoint} is invalid."
        ),
        Reset::AboveLogEnd => tracing::warn!(
            "The last checkpoint dirty offset for partition {partition} is {checkpoint}, which is larger than the log end offset {}. \
             Resetting to the log start offset {first_dirty}.",
            log.log_end_offset()
        ),
    }
}

#[cfg(test)]
mod tests;
