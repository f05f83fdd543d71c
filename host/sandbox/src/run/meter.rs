//! CPU time of one call: the time that its thread computes while the call is being polled. What the guest waits for costs
//! nothing here, and neither does the time for which the system runs something else.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Shared between the call's future, which is polled by one thread at a time, and the epoch callback beneath it. The
/// ordering is relaxed, for both run on the thread that polls, and moving a future to another thread synchronizes.
#[derive(Debug, Default)]
pub(crate) struct CpuMeter {
    /// Nanoseconds of the polls that are over.
    used: AtomicU64,
    /// The thread's clock when the present poll began.
    poll_began: AtomicU64,
}

impl CpuMeter {
    /// To be asked from within a poll only.
    pub(crate) fn now(&self) -> Duration {
        let poll = thread_nanoseconds().saturating_sub(self.poll_began.load(Ordering::Relaxed));
        Duration::from_nanos(self.used.load(Ordering::Relaxed) + poll)
    }

    /// To be asked between polls.
    pub(crate) fn used(&self) -> Duration {
        Duration::from_nanos(self.used.load(Ordering::Relaxed))
    }

    fn begin(&self) {
        self.poll_began.store(thread_nanoseconds(), Ordering::Relaxed);
    }

    fn end(&self) {
        let poll = thread_nanoseconds().saturating_sub(self.poll_began.load(Ordering::Relaxed));
        self.used.fetch_add(poll, Ordering::Relaxed);
    }
}

fn thread_nanoseconds() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
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
