//! The worker's loop: claim as many tries as there are free places, and start each.

use std::sync::Arc;

use airlock_blobs::{Blobs, LogSink};
use airlock_sandbox::Sandbox;
use airlock_sandbox::capability::http::HttpHook;
use airlock_sandbox::capability::object_store::ObjectStoreHook;
use airlock_sandbox::capability::sql::SqlHook;
use airlock_store::Store;
use airlock_store::callbacks::ClaimedCallback;
use airlock_store::queue::ClaimedTry;
use airlock_store::wake::Wake;
use airlock_vault::Vault;
use chrono::{DateTime, Utc};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::definitions::Definitions;
use crate::heartbeat::Leases;
use crate::options::WorkerOptions;
use crate::report::Reporter;

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
    pub clock: Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>,
}

/// One worker. Its id is random for each start, so that an earlier life's leases are never taken for its own.
pub struct Worker {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub id: Uuid,
    pub parts: WorkerParts,
    pub options: WorkerOptions,
    pub definitions: Arc<Definitions>,
    pub leases: Leases,
    /// Those of callbacks.
    pub callbacks: Leases,
    pub reporter: Reporter,
    pub logs: LogSink,
}

impl Shared {
    pub fn now(&self) -> DateTime<Utc> {
        (self.parts.clock)()
    }

    pub fn lease_end(&self) -> DateTime<Utc> {
        self.now() + chrono::TimeDelta::from_std(self.options.lease).unwrap_or(chrono::TimeDelta::MAX)
    }
}

impl Worker {
    pub fn new(parts: WorkerParts, options: WorkerOptions) -> Result<Self, airlock_blobs::BlobError> {
        let logs = LogSink::start(parts.blobs.clone())?;
        let shared = Shared {
            id: Uuid::new_v4(),
            definitions: Arc::new(Definitions::new(parts.store.clone())),
            leases: Leases::default(),
            callbacks: Leases::default(),
            reporter: Reporter::new(parts.store.clone(), parts.wake.clone()),
            logs,
            parts,
            options,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Works until `shutdown`; then claims no more, lets running tries end within the grace period, and stops those that do not.
    pub async fn run(&self, shutdown: CancellationToken) {
        let shared = &self.shared;
        let tries = TaskTracker::new();
        let background = TaskTracker::new();
        // Leases are kept and results are reported until the last try has ended, beyond `shutdown`.
        let finished = CancellationToken::new();
        background.spawn(shared.clone().keep_leases(finished.clone()));
        background.spawn(shared.clone().send_reports(finished.clone()));
        background.spawn(shared.clone().watch_triggers(shutdown.clone()));

        self.claim_until(&shutdown, &tries).await;

        tries.close();
        if tokio::time::timeout(shared.options.grace, tries.wait()).await.is_err() {
            shared.leases.stop_all();
            shared.callbacks.stop_all();
            tries.wait().await;
        }
        finished.cancel();
        background.close();
        background.wait().await;
        shared.logs.flush().await;
    }

    async fn claim_until(&self, shutdown: &CancellationToken, tries: &TaskTracker) {
        let shared = &self.shared;
        let places = Arc::new(Semaphore::new(shared.options.concurrency as usize));
        let mut callbacks_first = false;
        loop {
            // A wake-up that comes while claiming must not be lost: listen before looking.
            let woken = shared.parts.wake.queue().raised();
            let Some(Ok(first)) = shutdown.run_until_cancelled(places.clone().acquire_owned()).await else { return };
            let mut permits = vec![first];
            while let Ok(permit) = places.clone().try_acquire_owned() {
                permits.push(permit);
            }
            let wanted = permits.len();
            let (due, claimed) = if shutdown.is_cancelled() {
                (Vec::new(), Vec::new())
            } else {
                callbacks_first = !callbacks_first;
                self.claim_both(wanted, callbacks_first).await
            };
            let all_taken = due.len() + claimed.len() == wanted;
            let mut permits = permits.into_iter();
            for (callback, permit) in due.into_iter().zip(&mut permits) {
                tries.spawn(shared.clone().run_one_callback(callback, permit));
            }
            for (claimed, permit) in claimed.into_iter().zip(&mut permits) {
                tries.spawn(run_one(shared.clone(), claimed, permit));
            }
            drop(permits);
            if all_taken {
                continue;
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = woken => {}
                () = tokio::time::sleep(shared.options.poll) => {}
            }
        }
    }

    /// Callbacks take places beside tries, and no slots of pools. Of several free places the first half is theirs; a single one goes
    /// to callbacks and tries in turn. So neither waits for the end of the other, however many there are.
    async fn claim_both(&self, places: usize, callbacks_first: bool) -> (Vec<ClaimedCallback>, Vec<ClaimedTry>) {
        let share = if places > 1 { places.div_ceil(2) } else { usize::from(callbacks_first) };
        let mut due = self.shared.claim_callbacks(share).await;
        let claimed = self.claim(places - due.len()).await;
        let left = places - due.len() - claimed.len();
        if due.len() == share {
            due.extend(self.shared.claim_callbacks(left).await);
        }
        if claimed.iter().any(|one| one.has_callbacks) {
            self.shared.parts.wake.queue().raise();
        }
        (due, claimed)
    }

    async fn claim(&self, limit: usize) -> Vec<ClaimedTry> {
        if limit == 0 {
            return Vec::new();
        }
        let shared = &self.shared;
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        let options = &shared.options;
        let claimed = shared
            .parts
            .store
            .claim_tries(shared.id, &options.hostname, &options.queues, limit, shared.now(), shared.lease_end())
            .await;
        claimed.unwrap_or_else(|error| {
            tracing::warn!(%error, "cannot claim tries; trying again");
            Vec::new()
        })
    }
}

async fn run_one(shared: Arc<Shared>, claimed: ClaimedTry, permit: OwnedSemaphorePermit) {
    let token = claimed.lease_token;
    let cancel = shared.leases.hold(token);
    let report = shared.clone().run_try(claimed, cancel).await;
    // Until it is reported the lease is kept: a report that has to wait for the database must not find its try lost.
    if let Some(report) = report {
        shared.reporter.report(report).await;
    }
    shared.leases.let_go(token);
    drop(permit);
}
