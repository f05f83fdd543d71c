//! Results that workers have reported.

use airlock_core::run::{EndedTry, Event};
use airlock_store::StoreResult;
use chrono::{DateTime, Utc};

use crate::round::Round;
use crate::scheduler::Scheduler;

impl Scheduler {
    pub(crate) async fn take_reports(&mut self, now: DateTime<Utc>, round: &mut Round) -> StoreResult<()> {
        let reported =
            self.metrics.reported_tries.timed(self.store.reported_tries(self.id, self.options.batch)).await?;
        round.more |= reported.len() >= self.options.batch as usize;
        for report in reported {
            let (key, token) = (report.run, report.lease_token);
            if round.is_full(self.options.changes) {
                break;
            }
            // It is found again when its run has had its turn.
            if self.held.arrivals.contains(key) {
                continue;
            }
            let misses = self.unclaimed_reports.get(&token).copied().unwrap_or(0);
            if misses > 1 {
                continue;
            }
            let ended = EndedTry {
                instance: report.instance,
                try_number: report.try_number,
                lease_token: token,
                hostname: report.hostname,
                started_at: Some(report.started_at),
                ended_at: report.ended_at,
                result: report.result,
                rendered_fields: report.rendered_fields,
                outlet_events: report.outlet_events,
            };
            if self.held.tell(key, Event::Ended(ended), now, round) {
                self.unclaimed_reports.remove(&token);
                continue;
            }
            // The machine does not know this try as running. That can only be a machine that is behind the database: it is made
            // anew once, and if that does not help, the report is passed over rather than looked at for ever.
            tracing::warn!(run.key = key.id, try.token = %token, "a report does not fit what is known of its run");
            self.unclaimed_reports.insert(token, misses + 1);
            self.held.forget(key);
            self.reload.insert(key);
            round.more = true;
        }
        Ok(())
    }
}
