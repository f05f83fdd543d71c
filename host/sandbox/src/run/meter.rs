//! CPU time of one call: the time that its thread computes while the call is being polled. What the guest waits for costs
//! nothing here, and once a call lasts, neither does the time for which the system runs something else.
//!
//! Asking the system for a thread's time costs a system call, a good part of a short call. So the first polls are measured
//! by the wall clock, and the exact clock takes over with the first epoch that passes within the call, or after
//! [`COARSE_POLLS`]: what the coarse clock can be wrong by is then a matter of milliseconds.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// Polls that are measured by the wall clock, unless an epoch passes before.
const COARSE_POLLS: u32 = 8;

/// Shared between the call's future, which is polled by one thread at a time, and the epoch callback beneath it. The
/// ordering is relaxed, for both run on the thread that polls, and moving a future to another thread synchronizes.
#[derive(Debug)]
pub(crate) struct CpuMeter {
    start: Instant,
    /// Nanoseconds of the polls that are over.
    used: AtomicU64,
    polls: AtomicU32,
    /// Whether an epoch has passed.
    lasting: AtomicBool,
    /// Which clock the present poll is measured by, and what it showed when the poll began.
    exact: AtomicBool,
    poll_began: AtomicU64,
}

impl CpuMeter {
    pub(crate) fn new() -> Self {
        Self {
            start: Instant::now(),
            used: AtomicU64::new(0),
            polls: AtomicU32::new(0),
            lasting: AtomicBool::new(false),
            exact: AtomicBool::new(false),
            poll_began: AtomicU64::new(0),
        }
    }

    /// When an epoch passes, from within a poll.
    pub(crate) fn tick(&self) -> Duration {
        self.lasting.store(true, Ordering::Relaxed);
        Duration::from_nanos(self.used.load(Ordering::Relaxed) + self.of_poll())
    }

    /// To be asked between polls.
    pub(crate) fn used(&self) -> Duration {
        Duration::from_nanos(self.used.load(Ordering::Relaxed))
    }

    fn clock(&self) -> u64 {
        if self.exact.load(Ordering::Relaxed) {
            let time = clock_gettime(ClockId::ThreadCPUTime);
            u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
        } else {
            u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
        }
    }

    fn of_poll(&self) -> u64 {
        self.clock().saturating_sub(self.poll_began.load(Ordering::Relaxed))
    }

    fn begin(&self) {
        let polls = self.polls.fetch_add(1, Ordering::Relaxed);
        self.exact.store(polls >= COARSE_POLLS || self.lasting.load(Ordering::Relaxed), Ordering::Relaxed);
        self.poll_began.store(self.clock(), Ordering::Relaxed);
    }

    fn end(&self) {
        self.used.fetch_add(self.of_poll(), Ordering::Relaxed);
    }
}

/// A future whose polls are measured.
pub(crate) struct Metered<F> {
    future: Pin<Box<F>>,
    meter: Arc<CpuMeter>,
}

impl<F: Future> Metered<F> {
    pub(crate) fn new(meter: Arc<CpuMeter>, future: F) -> Self {
        Self { future: Box::pin(future), meter }
    }
}

impl<F: Future> Future for Metered<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        self.meter.begin();
        let poll = self.future.as_mut().poll(context);
        self.meter.end();
        poll
    }
}
