//! What of a worker is not the running itself: who it is, what it holds, how it reports.

use std::sync::Arc;

use airlock_core::callback::CallbackEnd;
use airlock_store::Store;
use airlock_store::callbacks::ClaimedCallback;
use airlock_store::clock::Clock;
use airlock_store::queue::{ClaimedTry, TryReport};
use airlock_store::wake::Wake;
use airlock_telemetry::Pulse;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::heartbeat::{Leases, Stop};
use crate::metrics::Metrics;
use crate::options::WorkerOptions;
use crate::report::Reporter;

/// Runs what a worker has claimed. The loops round it claim, keep leases, report and drain without knowing how a task is run: in a
/// simulation it is run by a dice.
#[async_trait]
pub trait Runner: Send + Sync + 'static {
    /// Runs a claimed try to the end of its call. None: the try is not this worker's any more.
    async fn run_try(self: Arc<Self>, claimed: ClaimedTry, stop: Stop) -> Option<TryReport>;

    /// Makes one attempt at a callback. None: it is not this worker's any more.
    async fn run_callback(self: Arc<Self>, claimed: &ClaimedCallback, stop: &Stop) -> Option<CallbackEnd>;

    /// Looks at triggers until `shutdown`.
    async fn watch_triggers(self: Arc<Self>, shutdown: CancellationToken);

    /// Waits until what was logged is kept. Nothing more is logged.
    async fn flush(&self);
}

pub(crate) struct Shell {
    pub id: Uuid,
    pub store: Arc<dyn Store>,
    pub wake: Wake,
    pub clock: Clock,
    pub options: WorkerOptions,
    pub leases: Leases,
    /// Those of callbacks.
    pub callbacks: Leases,
    pub reporter: Reporter,
    pub metrics: Arc<Metrics>,
    /// Of the loop that keeps leases, and of the one that claims.
    pub keeping: Pulse,
    pub claiming: Pulse,
}

impl Shell {
    pub fn new(store: Arc<dyn Store>, wake: Wake, clock: Clock, options: WorkerOptions) -> Self {
        let metrics = Arc::new(Metrics::new(options.concurrency));
        Self {
            id: Uuid::new_v4(),
            leases: Leases::default(),
            callbacks: Leases::default(),
            reporter: Reporter::new(store.clone(), wake.clone(), metrics.clone(), options.patience),
            metrics,
            keeping: Pulse::new("heartbeats"),
            claiming: Pulse::new("claims"),
            store,
            wake,
            clock,
            options,
        }
    }

    pub fn now(&self) -> DateTime<Utc> {
        (self.clock)()
    }

    pub fn lease_end(&self) -> DateTime<Utc> {
        self.now() + chrono::TimeDelta::from_std(self.options.lease).unwrap_or(chrono::TimeDelta::MAX)
    }
}
