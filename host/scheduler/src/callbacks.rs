//! Callbacks that nobody calls (any more).

use airlock_store::StoreResult;
use chrono::{DateTime, Utc};

use crate::scheduler::{Scheduler, delta};

impl Scheduler {
    /// Any scheduler looks after all of them: a callback is no part of its run, which may have ended.
    pub(crate) async fn expire_callbacks(&self, now: DateTime<Utc>) -> StoreResult<()> {
        let queued_before = now - delta(self.options.callback_patience);
        let expired = self.store.expire_callbacks(now, queued_before).await?;
        if expired.again > 0 {
            tracing::warn!("{} callbacks are called again: their workers have not been heard of", expired.again);
            self.wake.callbacks().raise();
        }
        if expired.failed > 0 {
            tracing::warn!("{} callbacks have failed: no worker was left for them", expired.failed);
        }
        Ok(())
    }
}
