//! Bytes per second that may be spent, changed at any time. Spending comes first and is paid for by waiting, so that a
//! slice larger than the rate is only a longer pause.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use crate::locks::lock;

/// Credit grows no further than what this time brings, unless another is set.
const BURST: Duration = Duration::from_secs(1);
/// A new rate is heard of after at most this.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// A limited rate. Without a limit until one is set.
#[derive(Debug, Default)]
pub struct Throttle {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    bytes_per_second: Option<u64>,
    burst: Duration,
    /// Bytes; below zero is debt.
    credit: f64,
    since: Option<Instant>,
}

impl Default for State {
    fn default() -> Self {
        State { bytes_per_second: None, burst: BURST, credit: 0.0, since: None }
    }
}

impl Throttle {
    /// Sets the limit; `None` for none. What is owed is paid at the new rate.
    pub fn set(&self, bytes_per_second: Option<u64>) {
        lock(&self.state).bytes_per_second = bytes_per_second;
    }

    /// Sets how much may be spent at once after a rest: what this time brings.
    pub fn set_burst(&self, burst: Duration) {
        lock(&self.state).burst = burst;
    }

    /// The limit.
    pub fn rate(&self) -> Option<u64> {
        lock(&self.state).bytes_per_second
    }

    /// Notes that bytes were spent, and waits until they are paid for.
    pub async fn pay(&self, bytes: usize) {
        let mut wait = lock(&self.state).spend(Instant::now(), bytes);
        while !wait.is_zero() {
            tokio::time::sleep(wait.min(LONGEST_SLEEP)).await;
            wait = lock(&self.state).spend(Instant::now(), 0);
        }
    }
}

impl State {
    /// Takes bytes from the credit; answers how long it takes until nothing is owed.
    fn spend(&mut self, now: Instant, bytes: usize) -> Duration {
        let elapsed = self.since.map_or(self.burst, |since| now.saturating_duration_since(since));
        self.since = Some(now);
        let Some(rate) = self.bytes_per_second else {
            self.credit = 0.0;
            return Duration::ZERO;
        };
        let rate = rate as f64;
        let full = rate * self.burst.as_secs_f64();
        self.credit = (self.credit + rate * elapsed.as_secs_f64()).min(full) - bytes as f64;
        match self.credit {
            enough if enough >= 0.0 => Duration::ZERO,
            debt if rate > 0.0 => Duration::from_secs_f64((-debt / rate).min(LONGEST_SLEEP.as_secs_f64() * 2.0)),
            _ => LONGEST_SLEEP,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Spends 100 KiB ten times, and answers how many milliseconds that takes.
    async fn spend(throttle: &Throttle) -> u128 {
        let begun = Instant::now();
        for _ in 0..10 {
            throttle.pay(100 << 10).await;
        }
        begun.elapsed().as_millis()
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_spent_beyond_a_second_is_waited_for() {
        let throttle = Throttle::default();
        assert_eq!(spend(&throttle).await, 0, "no limit");
        throttle.set(Some(100 << 10));
        let took = spend(&throttle).await;
        assert!((9_900..10_100).contains(&took), "{took}");
        throttle.set(None);
        assert_eq!(spend(&throttle).await, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_of_zero_stands_still_until_it_is_changed() {
        let throttle = std::sync::Arc::new(Throttle::default());
        throttle.set(Some(0));
        let paying = throttle.clone();
        let paid = tokio::spawn(async move { paying.pay(1).await });
        tokio::time::sleep(Duration::from_secs(100)).await;
        assert!(!paid.is_finished());
        throttle.set(None);
        paid.await.unwrap();
    }
}
