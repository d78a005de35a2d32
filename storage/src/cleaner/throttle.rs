//! `log.cleaner.io.max.bytes.per.second`: keeps what all cleaners read and write together below a rate, on average.
//! Decides only; whoever was told to wait does so. Model: Kafka's `Throttler`.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Rates are looked at over at least this time, so that single large batches do no harm.
const CHECK_INTERVAL: Duration = Duration::from_millis(300);

/// The rate, shared by all cleaners.
#[derive(Debug)]
pub(super) struct Throttle {
    bytes_per_second: f64,
    window: Mutex<Window>,
}

#[derive(Debug, Default)]
struct Window {
    start: Duration,
    bytes: u64,
}

impl Throttle {
    /// A period begins at `now`.
    pub(super) fn new(bytes_per_second: f64, now: Duration) -> Throttle {
        Throttle { bytes_per_second, window: Mutex::new(Window { start: now, bytes: 0 }) }
    }

    /// Notes that bytes were read or written at `now`, monotonic time. Answers how long to wait before the next ones.
    pub(super) fn note(&self, bytes: u64, now: Duration) -> Duration {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        window.bytes = window.bytes.saturating_add(bytes);
        let passed = now.saturating_sub(window.start);
        if passed < CHECK_INTERVAL {
            return Duration::ZERO;
        }
        let due = Duration::try_from_secs_f64(window.bytes as f64 / self.bytes_per_second).unwrap_or(Duration::MAX);
        let wait = due.saturating_sub(passed);
        // What is waited for now belongs to this window.
        *window = Window { start: now.saturating_add(wait), bytes: 0 };
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_holds_on_average() {
        let throttle = Throttle::new(1000.0, Duration::ZERO);
        let mut now = Duration::ZERO;
        for _ in 0..100 {
            now += Duration::from_millis(50);
            now += throttle.note(200, now);
        }
        // 20,000 bytes at 1,000 a second; the last window may be open.
        assert!(now >= Duration::from_secs(18) && now <= Duration::from_secs(20), "{now:?}");
    }

    #[test]
    fn below_the_rate_nobody_waits() {
        let throttle = Throttle::new(f64::MAX, Duration::ZERO);
        let slow = Throttle::new(1000.0, Duration::ZERO);
        for second in 1..10 {
            assert_eq!(throttle.note(u64::MAX, Duration::from_secs(second)), Duration::ZERO);
            assert_eq!(slow.note(999, Duration::from_secs(second)), Duration::ZERO);
        }
    }
}
