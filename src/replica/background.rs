//! What storage wants done from time to time, on Kafka's schedules: retention, flushes, checkpoints, deletions. The work
//! itself is synchronous file work and runs on blocking threads; a round that takes longer than its interval is not
//! overtaken by the next.

use std::sync::Arc;
use std::time::Duration;

use storage::StorageError;
use tokio::task::JoinSet;
use tracing::{error, info};
use world::Clock;

use super::manager::ReplicaManager;
use super::moves;
use crate::broker::Broker;

/// Kafka waits as long after its start before it does any of this (`log.initial.task.delay.ms`).
type Delay = Duration;
/// How often files and directories that wait for their deletion are looked at; they wait for a minute by default.
const DELETION_INTERVAL: Duration = Duration::from_secs(1);

/// Starts all of it; ends with the answered set.
pub fn start(broker: &Arc<Broker>) -> JoinSet<()> {
    let config = &broker.config;
    let delay = config.logs.initial_task_delay;
    let mut tasks = JoinSet::new();
    let mut every = |name: &'static str, delay: Delay, interval: Duration, work: fn(&ReplicaManager, i64)| {
        let (replicas, clock) = (broker.replicas.clone(), broker.clock.clone());
        tasks.spawn(repeat(name, delay, interval, replicas, clock, work));
    };
    every("retention", delay, config.logs.retention_check_interval, retention);
    every("flush", delay, config.logs.flush_check_interval, flush);
    every("checkpoint of recovery points", delay, config.logs.recovery_point_checkpoint_interval, recovery_points);
    every("checkpoint of log starts", delay, config.logs.log_start_offset_checkpoint_interval, log_starts);
    every("deletion", Duration::ZERO, DELETION_INTERVAL, deletions);
    let high_watermarks = config.replication.high_watermark_checkpoint_interval;
    every("checkpoint of high watermarks", Duration::ZERO, high_watermarks, marks);
    every("expiry of producers", delay, config.transactions.producer_id_check_interval, producers);
    moves::start(broker, &mut tasks);
    tasks
}

async fn repeat(
    name: &'static str,
    delay: Delay,
    interval: Duration,
    replicas: Arc<ReplicaManager>,
    clock: Arc<dyn Clock>,
    work: fn(&ReplicaManager, i64),
) {
    // Kafka writes "never" as the largest number of milliseconds, further away than timers reach.
    const NEVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
    if interval >= NEVER {
        return;
    }
    tokio::time::sleep(delay).await;
    loop {
        tokio::time::sleep(interval.max(Duration::from_millis(1))).await;
        let (replicas, clock) = (replicas.clone(), clock.clone());
        if let Err(panic) = tokio::task::spawn_blocking(move || work(&replicas, clock.now_ms())).await {
            error!("{name} failed: {panic}");
        }
    }
}

fn retention(replicas: &ReplicaManager, now_ms: i64) {
    let removed = replicas.logs().run_retention(now_ms);
    if removed > 0 {
        info!("retention removed {removed} segments");
        // Where a log starts is told to fetchers.
        replicas.all().iter().for_each(|partition| partition.waiters().wake_all());
    }
}

fn flush(replicas: &ReplicaManager, now_ms: i64) {
    replicas.logs().flush_dirty(now_ms);
}

fn producers(replicas: &ReplicaManager, now_ms: i64) {
    replicas.logs().expire_producers(now_ms);
}

fn deletions(replicas: &ReplicaManager, now_ms: i64) {
    replicas.logs().run_deletions(now_ms);
}

fn recovery_points(replicas: &ReplicaManager, _now_ms: i64) {
    told(replicas.logs().checkpoint_recovery_points());
}

fn log_starts(replicas: &ReplicaManager, _now_ms: i64) {
    told(replicas.logs().checkpoint_log_starts());
}

fn marks(replicas: &ReplicaManager, _now_ms: i64) {
    told(replicas.logs().checkpoint_high_watermarks());
}

/// A fault has taken its directory offline and said so there; here it only says what was given up.
fn told(result: Result<(), StorageError>) {
    if let Err(fault) = result {
        error!("a checkpoint was not written: {fault}");
    }
}
