//! Runs the log cleaner: `log.cleaner.threads` tasks, each of which cleans one log after the other on a blocking thread
//! and rests for `log.cleaner.backoff.ms` when none is due. What is cleaned and how is storage's (`storage::cleaner`).

use std::sync::Arc;
use std::time::Duration;

use config::broker::Cleaner as Settings;
use storage::LogManager;
use storage::cleaner::{CleanerConfig, LogCleaner};
use tokio::task::JoinSet;
use tracing::{error, info};
use world::Clock;

use crate::broker::Broker;

/// The running cleaner.
#[derive(Debug)]
pub struct CleanerTasks {
    cleaner: Arc<LogCleaner>,
    tasks: JoinSet<()>,
}

/// The cleaner of a broker's logs; `None` with `log.cleaner.enable=false`.
pub fn cleaner(settings: &Settings, logs: Arc<LogManager>, clock: Arc<dyn Clock>) -> Option<Arc<LogCleaner>> {
    settings.enable.then(|| Arc::new(LogCleaner::new(cleaner_config(settings), logs, clock)))
}

/// Starts cleaning, if the broker has a cleaner.
pub fn start(broker: &Broker) -> Option<CleanerTasks> {
    let (cleaner, settings) = (broker.cleaner.clone()?, &broker.config.cleaner);
    info!("Starting the log cleaner");
    let mut tasks = JoinSet::new();
    for number in 0..settings.threads {
        tasks.spawn(clean(cleaner.clone(), number, settings.backoff));
    }
    Some(CleanerTasks { cleaner, tasks })
}

impl CleanerTasks {
    /// Calls off what is in progress, and waits for its end: afterwards no cleaner touches a log.
    pub async fn stop(mut self) {
        info!("Shutting down the log cleaner.");
        self.tasks.shutdown().await;
        let cleaner = self.cleaner;
        if let Err(panic) = tokio::task::spawn_blocking(move || cleaner.stop()).await {
            error!("stopping the log cleaner failed: {panic}");
        }
    }
}

async fn clean(cleaner: Arc<LogCleaner>, number: usize, backoff: Duration) {
    loop {
        let at_work = cleaner.clone();
        let cleaned = tokio::task::spawn_blocking(move || at_work.clean_dirtiest(number)).await;
        if let Err(panic) = &cleaned {
            error!("log cleaner {number} failed: {panic}");
        }
        if !cleaned.unwrap_or(false) {
            tokio::time::sleep(backoff.max(Duration::from_millis(1))).await;
        }
    }
}

fn cleaner_config(settings: &Settings) -> CleanerConfig {
    CleanerConfig {
        threads: settings.threads,
        dedupe_buffer_bytes: settings.dedupe_buffer_bytes,
        dedupe_buffer_load_factor: settings.dedupe_buffer_load_factor,
        io_buffer_bytes: settings.io_buffer_bytes,
        io_max_bytes_per_second: settings.io_max_bytes_per_second,
    }
}
