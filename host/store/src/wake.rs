//! Wake-ups within one process. They carry no data and may be lost: whoever waits for one also looks by itself from time to
//! time, and finds everything in the database.

use std::pin::pin;
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// One kind of wake-up, for one listener. Raising it while nobody waits is remembered once.
#[derive(Debug, Default)]
pub struct Signal(Notify);

impl Signal {
    pub fn raise(&self) {
        self.0.notify_one();
    }

    pub fn raised(&self) -> Notified<'_> {
        self.0.notified()
    }

    /// Whether it has been raised since somebody last asked or waited.
    pub fn take(&self) -> bool {
        pin!(self.0.notified()).enable()
    }
}

#[derive(Debug, Default)]
struct Signals {
    runs: Signal,
    reports: Signal,
    queue: Signal,
    callbacks: Signal,
    triggers: Signal,
}

/// The wake-ups of a process, shared by cloning.
#[derive(Clone, Debug, Default)]
pub struct Wake(Arc<Signals>);

impl Wake {
    /// For the scheduler: a DAG or a run was made or changed from outside, or a task's wait has ended.
    pub fn runs(&self) -> &Signal {
        &self.0.runs
    }

    /// For the scheduler: workers have reported tries.
    pub fn reports(&self) -> &Signal {
        &self.0.reports
    }

    /// For the worker: tries were queued.
    pub fn queue(&self) -> &Signal {
        &self.0.queue
    }

    /// For the worker: callbacks are due.
    pub fn callbacks(&self) -> &Signal {
        &self.0.callbacks
    }

    /// For the worker: triggers are worth a look.
    pub fn triggers(&self) -> &Signal {
        &self.0.triggers
    }
}
