//! Reports, grouped: what has arrived while one commit was under way goes into the next one together.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use airlock_store::Store;
use airlock_store::error::StoreError;
use airlock_store::patience::within;
use airlock_store::queue::TryReport;
use airlock_store::wake::Wake;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::shell::Shell;

/// More than this in one transaction would hold up the others.
const GROUP: usize = 256;

type Entry = (TryReport, oneshot::Sender<()>);

pub(crate) struct Reporter {
    store: Arc<dyn Store>,
    wake: Wake,
    metrics: Arc<Metrics>,
    patience: Duration,
    outbox: mpsc::UnboundedSender<Entry>,
    inbox: Mutex<Option<mpsc::UnboundedReceiver<Entry>>>,
}

impl Reporter {
    pub fn new(store: Arc<dyn Store>, wake: Wake, metrics: Arc<Metrics>, patience: Duration) -> Self {
        let (outbox, inbox) = mpsc::unbounded_channel();
        Self { store, wake, metrics, patience, outbox, inbox: Mutex::new(Some(inbox)) }
    }

    /// Waits until the report is committed, or refused for good.
    pub async fn report(&self, report: TryReport) {
        let (done, committed) = oneshot::channel();
        if self.outbox.send((report, done)).is_ok() {
            let _ = committed.await;
        }
    }

    async fn commit(&self, group: &[TryReport]) {
        let mut pause = Duration::from_millis(50);
        loop {
            let report = within(self.patience, self.store.report_tries(group));
            match self.metrics.report_tries.timed(report).await {
                Ok(stale) => {
                    self.metrics.reports_refused.increment(stale.len() as u64);
                    for token in stale {
                        tracing::warn!(lease.token = %token, "a late result was refused: the try had been settled before");
                    }
                    self.wake.reports().raise();
                    return;
                }
                // The leases are kept meanwhile; should that fail too, the tries are lost and recorded as such.
                Err(error @ StoreError::Unavailable(_)) => {
                    tracing::warn!(%error, results = group.len(), "cannot report results; trying again");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(5));
                }
                Err(error) if group.len() > 1 => {
                    // One report that cannot be stored must not take the others with it.
                    tracing::warn!(%error, "cannot report results together; reporting each alone");
                    for report in group {
                        Box::pin(self.commit(std::slice::from_ref(report))).await;
                    }
                    return;
                }
                Err(error) => {
                    tracing::error!(%error, lease.token = %group[0].lease_token, "a result cannot be stored; its try will count as lost");
                    return;
                }
            }
        }
    }
}

impl Shell {
    pub async fn send_reports(self: Arc<Self>, finished: CancellationToken) {
        let taken = self.reporter.inbox.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut inbox) = taken else { return };
        let mut entries = Vec::new();
        while let Some(received) = finished.run_until_cancelled(inbox.recv_many(&mut entries, GROUP)).await {
            if received == 0 {
                return;
            }
            let (reports, waiting): (Vec<_>, Vec<_>) = entries.drain(..).unzip();
            self.reporter.commit(&reports).await;
            for done in waiting {
                let _ = done.send(());
            }
        }
    }
}
