//! The worker's loop: claim as many tries as there are free places, and start each.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use airlock_blobs::{Blobs, LogSink};
use airlock_core::callback::CallbackEnd;
use airlock_sandbox::Sandbox;
use airlock_sandbox::capability::http::HttpHook;
use airlock_sandbox::capability::object_store::ObjectStoreHook;
use airlock_sandbox::capability::sql::SqlHook;
use airlock_store::callbacks::ClaimedCallback;
use airlock_store::clock::Clock;
use airlock_store::patience::within;
use airlock_store::queue::{ClaimedTry, TryReport};
use airlock_store::wake::Wake;
use airlock_store::{Store, StoreResult};
use airlock_telemetry::Pulse;
use airlock_vault::Vault;
use async_trait::async_trait;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;
use uuid::Uuid;

use crate::definitions::Definitions;
use crate::heartbeat::Stop;
use crate::options::WorkerOptions;
use crate::shell::{Runner, Shell};
use crate::spans;

/// How long a stopping worker waits for its logs to be delivered, if its tries have taken all of the grace period.
const LAST_LOGS: Duration = Duration::from_secs(5);

/// What a worker is made of; everything is shared with the rest of the process.
#[derive(Clone)]
pub struct WorkerParts {
    pub store: Arc<dyn Store>,
    pub wake: Wake,
    pub sandbox: Arc<Sandbox>,
    pub http: Arc<dyn HttpHook>,
    pub sql: Arc<dyn SqlHook>,
    pub object_store: Arc<dyn ObjectStoreHook>,
    pub vault: Arc<Vault>,
    pub blobs: Blobs,
    pub clock: Clock,
}

/// One worker. Its id is random for each start, so that an earlier life's leases are never taken for its own.
pub struct Worker {
    shell: Arc<Shell>,
    runner: Arc<dyn Runner>,
    /// Whether the database may know tries as this worker's that it does not know of.
    claims_lost: AtomicBool,
}

/// When callbacks are looked for. Few tasks have any: a look with each claim of tries would nearly always find nothing. So it takes a
/// wake-up, or that nobody has looked for a while.
struct CallbackLooks {
    /// Whether there may be some.
    due: bool,
    last: tokio::time::Instant,
    /// Whether the last single place was theirs.
    had_place: bool,
}

impl CallbackLooks {
    /// How many of these places are for callbacks first.
    fn share(&mut self, places: usize, is_raised: bool, poll: Duration) -> usize {
        self.due |= is_raised || self.last.elapsed() >= poll;
        if !self.due {
            return 0;
        }
        self.last = tokio::time::Instant::now();
        if places > 1 {
            return places.div_ceil(2);
        }
        self.had_place = !self.had_place;
        usize::from(self.had_place)
    }
}

/// A worker whose tasks run in the sandbox.
pub(crate) struct Shared {
    pub shell: Arc<Shell>,
    pub parts: WorkerParts,
    pub definitions: Arc<Definitions>,
    pub logs: LogSink,
}

impl Deref for Shared {
    type Target = Shell;

    fn deref(&self) -> &Shell {
        &self.shell
    }
}

impl Worker {
    pub fn new(parts: WorkerParts, options: WorkerOptions) -> Result<Self, airlock_blobs::BlobError> {
        let logs = LogSink::start(parts.blobs.clone())?;
        let shell = Arc::new(Shell::new(parts.store.clone(), parts.wake.clone(), parts.clock.clone(), options));
        let definitions = Arc::new(Definitions::new(parts.store.clone()));
        let runner = Arc::new(Shared { shell: shell.clone(), parts, definitions, logs });
        Ok(Self { shell, runner, claims_lost: AtomicBool::new(false) })
    }

    /// A worker whose tasks are run by something else.
    pub fn with_runner(
        store: Arc<dyn Store>,
        wake: Wake,
        clock: Clock,
        options: WorkerOptions,
        runner: Arc<dyn Runner>,
    ) -> Self {
        let shell = Arc::new(Shell::new(store, wake, clock, options));
        Self { shell, runner, claims_lost: AtomicBool::new(false) }
    }

    /// Under which it claims.
    pub fn id(&self) -> Uuid {
        self.shell.id
    }

    /// Of its loops: they succeed as long as the database lets them.
    pub fn pulses(&self) -> [Pulse; 2] {
        [self.shell.keeping.clone(), self.shell.claiming.clone()]
    }

    /// Works until `shutdown`; then claims no more, lets running tries end within the grace period, and stops those that do not. What is
    /// left of the period, or a moment at least, is for logs that are on their way.
    pub async fn run(&self, shutdown: CancellationToken) {
        let shell = &self.shell;
        let tries = TaskTracker::new();
        let background = TaskTracker::new();
        // Leases are kept and results are reported until the last try has ended, beyond `shutdown`.
        let finished = CancellationToken::new();
        background.spawn(shell.clone().keep_leases(finished.clone()));
        background.spawn(shell.clone().send_reports(finished.clone()));
        background.spawn(self.runner.clone().watch_triggers(shutdown.clone()));

        self.claim_until(&shutdown, &tries).await;

        let asked_at = Instant::now();
        tries.close();
        if tokio::time::timeout(shell.options.grace, tries.wait()).await.is_err() {
            shell.leases.stop_all();
            shell.callbacks.stop_all();
        }
        let reported = async {
            tries.wait().await;
            finished.cancel();
            background.close();
            background.wait().await;
        };
        // A database that is away does not keep the process for longer than it would believe its reports.
        if tokio::time::timeout(shell.options.lease, reported).await.is_err() {
            tracing::warn!("not every result could be reported: tries will be found lost");
        }
        let left = shell.options.grace.saturating_sub(asked_at.elapsed()).max(LAST_LOGS);
        if tokio::time::timeout(left, self.runner.flush()).await.is_err() {
            tracing::error!("not everything that tasks have logged was kept within {left:?}: the rest is lost");
        }
    }

    async fn claim_until(&self, shutdown: &CancellationToken, tries: &TaskTracker) {
        let shell = &self.shell;
        let places = Arc::new(Semaphore::new(shell.options.concurrency as usize));
        let mut looks = CallbackLooks { due: true, last: tokio::time::Instant::now(), had_place: false };
        loop {
            // A wake-up that comes while claiming must not be lost: listen before looking.
            let woken = shell.wake.queue().raised();
            let place = shutdown.run_until_cancelled(places.clone().acquire_owned());
            let Some(Ok(first)) = shell.claiming.rest(place).await else { return };
            let mut permits = vec![first];
            while let Ok(permit) = places.clone().try_acquire_owned() {
                permits.push(permit);
            }
            let wanted = permits.len();
            let (due, claimed) = if shutdown.is_cancelled() {
                (Vec::new(), Vec::new())
            } else {
                self.claim_both(wanted, &mut looks).await
            };
            let all_taken = due.len() + claimed.len() == wanted;
            let mut permits = permits.into_iter();
            for (callback, permit) in due.into_iter().zip(&mut permits) {
                tries.spawn(shell.clone().run_one_callback(self.runner.clone(), callback, permit));
            }
            for (claimed, permit) in claimed.into_iter().zip(&mut permits) {
                // From this moment on, and not from when the task begins: what is claimed and not known would be handed back.
                let stop = shell.leases.hold(claimed.lease_token);
                tries.spawn(run_one(shell.clone(), self.runner.clone(), claimed, stop, permit));
            }
            drop(permits);
            if all_taken {
                continue;
            }
            let pause = async {
                tokio::select! {
                    biased;
                    () = shutdown.cancelled() => {}
                    () = woken => {}
                    () = shell.wake.callbacks().raised() => looks.due = true,
                    () = tokio::time::sleep(shell.options.poll) => {}
                }
            };
            shell.claiming.rest(pause).await;
        }
    }

    /// Callbacks take places beside tries, and no slots of pools. Of several free places the first half is theirs; a single one goes
    /// to callbacks and tries in turn. So neither waits for the end of the other, however many there are.
    async fn claim_both(&self, places: usize, looks: &mut CallbackLooks) -> (Vec<ClaimedCallback>, Vec<ClaimedTry>) {
        let shell = &self.shell;
        let share = looks.share(places, shell.wake.callbacks().take(), shell.options.poll);
        let mut due = shell.claim_callbacks(share).await;
        let claimed = self.claim(places - due.len()).await;
        let mut left = 0;
        if looks.due && due.len() == share {
            left = places - due.len() - claimed.len();
            due.extend(shell.claim_callbacks(left).await);
        }
        // Where every place that callbacks were asked for was taken there may be more.
        looks.due &= due.len() == share + left;
        if claimed.iter().any(|one| one.has_callbacks) {
            shell.wake.callbacks().raise();
        }
        (due, claimed)
    }

    async fn claim(&self, limit: usize) -> Vec<ClaimedTry> {
        if limit == 0 {
            return Vec::new();
        }
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        let shell = &self.shell;
        match within(shell.options.patience, self.claim_after_losses(limit)).await {
            Ok(claimed) => {
                shell.claiming.succeeded();
                shell.metrics.claimed(claimed.len());
                claimed
            }
            Err(error) => {
                self.claims_lost.store(true, Ordering::Relaxed);
                shell.claiming.failed();
                tracing::warn!(%error, "cannot claim tries; trying again");
                Vec::new()
            }
        }
    }

    /// The answer to an earlier claim may have been lost, and what it claimed with it: that goes back, before more is claimed.
    async fn claim_after_losses(&self, limit: u32) -> StoreResult<Vec<ClaimedTry>> {
        let shell = &self.shell;
        let options = &shell.options;
        if self.claims_lost.load(Ordering::Relaxed) {
            let handed_back = shell.store.hand_back_tries(shell.id, &shell.leases.tokens()).await?;
            if handed_back > 0 {
                tracing::warn!("{handed_back} tries go back to the queue: the answer to the claim was lost");
            }
            self.claims_lost.store(false, Ordering::Relaxed);
        }
        let (now, until) = (shell.now(), shell.lease_end());
        let claim = shell.store.claim_tries(shell.id, &options.hostname, &options.queues, limit, now, until);
        shell.metrics.claim_tries.timed(claim).await
    }
}

async fn run_one(
    shell: Arc<Shell>,
    runner: Arc<dyn Runner>,
    claimed: ClaimedTry,
    stop: Stop,
    permit: OwnedSemaphorePermit,
) {
    let token = claimed.lease_token;
    let _occupied = shell.metrics.occupy();
    let report = runner.run_try(claimed, stop).await;
    // Until it is reported the lease is kept: a report that has to wait for the database must not find its try lost.
    if let Some(report) = report {
        let ended = Instant::now();
        shell.reporter.report(report).await;
        shell.metrics.report.record(ended.elapsed().as_secs_f64());
    }
    shell.leases.let_go(token);
    drop(permit);
}

#[async_trait]
impl Runner for Shared {
    async fn run_try(self: Arc<Self>, claimed: ClaimedTry, stop: Stop) -> Option<TryReport> {
        let span = spans::of_try(&claimed, &self.options.hostname);
        self.try_once(claimed, stop).instrument(span).await
    }

    async fn run_callback(self: Arc<Self>, claimed: &ClaimedCallback, stop: &Stop) -> Option<CallbackEnd> {
        let span = spans::of_callback(&claimed.row, &self.options.hostname);
        self.call_back(claimed, stop).instrument(span).await
    }

    async fn watch_triggers(self: Arc<Self>, shutdown: CancellationToken) {
        self.look_at_triggers(shutdown).await;
    }

    async fn flush(&self) {
        self.logs.drain().await;
    }
}
