//! Whether a loop still turns.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The sign of life of one loop, shared by cloning: the loop moves it, whoever asks for the process's health reads it.
#[derive(Clone, Debug)]
pub struct Pulse(Arc<Beats>);

#[derive(Debug)]
struct Beats {
    name: &'static str,
    born: Instant,
    /// Milliseconds since `born`.
    turned: AtomicU64,
    failing_since: AtomicU64,
    has_succeeded: AtomicBool,
    /// How many waits are under way that may last.
    resting: AtomicU32,
}

impl Beats {
    fn age(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(NEVER - 1)
    }
}

/// Has not happened.
const NEVER: u64 = u64::MAX;

impl Pulse {
    pub fn new(name: &'static str) -> Self {
        Self(Arc::new(Beats {
            name,
            born: Instant::now(),
            turned: AtomicU64::new(0),
            failing_since: AtomicU64::new(NEVER),
            has_succeeded: AtomicBool::new(false),
            resting: AtomicU32::new(0),
        }))
    }

    /// What people call the loop.
    pub fn name(&self) -> &'static str {
        self.0.name
    }

    /// The loop has come round, and what it had to do was done.
    pub fn succeeded(&self) {
        self.0.turned.store(self.0.age(), Ordering::Relaxed);
        self.0.failing_since.store(NEVER, Ordering::Relaxed);
        self.0.has_succeeded.store(true, Ordering::Relaxed);
    }

    /// The loop has come round, and what it had to do was not done.
    pub fn failed(&self) {
        let now = self.0.age();
        self.0.turned.store(now, Ordering::Relaxed);
        // The first failure since the last success stands.
        let _ = self.0.failing_since.compare_exchange(NEVER, now, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Waits for something that may take any time: meanwhile the loop is not stuck.
    pub async fn rest<F: Future>(&self, wait: F) -> F::Output {
        let _resting = Resting::begin(&self.0);
        wait.await
    }

    /// For how long the loop has been at one turn; nothing while it rests.
    pub fn stuck_for(&self) -> Duration {
        if self.0.resting.load(Ordering::Relaxed) > 0 {
            return Duration::ZERO;
        }
        self.since(self.0.turned.load(Ordering::Relaxed))
    }

    /// For how long no turn has succeeded; none if the last one has.
    pub fn failing_for(&self) -> Option<Duration> {
        let since = self.0.failing_since.load(Ordering::Relaxed);
        (since != NEVER).then(|| self.since(since))
    }

    /// Whether any turn has ever succeeded.
    pub fn has_succeeded(&self) -> bool {
        self.0.has_succeeded.load(Ordering::Relaxed)
    }

    fn since(&self, moment: u64) -> Duration {
        Duration::from_millis(self.0.age().saturating_sub(moment))
    }
}

/// A wait may be dropped before its end.
struct Resting<'a>(&'a Beats);

impl<'a> Resting<'a> {
    fn begin(beats: &'a Beats) -> Self {
        beats.resting.fetch_add(1, Ordering::Relaxed);
        Self(beats)
    }
}

impl Drop for Resting<'_> {
    fn drop(&mut self) {
        self.0.turned.store(self.0.age(), Ordering::Relaxed);
        self.0.resting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_that_rests_is_not_stuck() {
        let pulse = Pulse::new("a loop");
        std::thread::sleep(Duration::from_millis(20));
        assert!(pulse.stuck_for() >= Duration::from_millis(19), "nothing has moved it since it was made");
        let resting = Resting::begin(&pulse.0);
        assert_eq!(pulse.stuck_for(), Duration::ZERO);
        drop(resting);
        assert!(pulse.stuck_for() < Duration::from_millis(19), "the end of a rest is a turn");
    }

    #[test]
    fn a_loop_fails_from_its_first_failure_to_its_next_success() {
        let pulse = Pulse::new("a loop");
        assert_eq!((pulse.failing_for(), pulse.has_succeeded()), (None, false));
        pulse.failed();
        std::thread::sleep(Duration::from_millis(20));
        pulse.failed();
        assert!(pulse.failing_for() >= Some(Duration::from_millis(19)));
        pulse.succeeded();
        assert_eq!((pulse.failing_for(), pulse.has_succeeded()), (None, true));
    }
}
