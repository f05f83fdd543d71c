//! What deferred tasks wait for, looked at by every worker. A worker claims triggers whose time has come and asks the outside on the
//! task's behalf: with the task's grants and its tenant's policy, so that a trigger never reaches more than its task could.

mod http;
mod look;
mod objects;
mod runs;
mod sql;

use std::sync::Arc;

use airlock_core::outcome::ResumeEvent;
use airlock_core::trigger::{Answer, CHECK_TIME, Looked, Trigger, next_look};
use airlock_sandbox::capability::task::LogLevel;
use airlock_store::StoreError;
use airlock_store::triggers::{ClaimedTrigger, Look, LookOutcome};
use chrono::TimeDelta;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::claim::Shared;
use crate::services::TryServices;

/// A look is this worker's for longer than it may take, so that its conclusion finds the lease in force.
const LEASE: TimeDelta = TimeDelta::seconds(60);

/// What a look came to, where it came to something.
pub(crate) enum Seen {
    Answer(Answer),
    /// The store has let the trigger fire already.
    Fired,
}

/// Why a look came to nothing.
pub(crate) enum Fault {
    /// It may be otherwise next time.
    Trouble(String),
    /// It will be the same each time.
    Hopeless(String),
    /// The host's own database is not there: whoever looks next finds it.
    Store(StoreError),
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Shared {
    /// Looks at triggers until `shutdown`. Looks that are under way then are given up: others make them when their leases end.
    pub(crate) async fn look_at_triggers(self: Arc<Self>, shutdown: CancellationToken) {
        let places = Arc::new(Semaphore::new(self.options.trigger_concurrency as usize));
        let looks = TaskTracker::new();
        loop {
            let woken = self.parts.wake.triggers().raised();
            let Some(Ok(first)) = shutdown.run_until_cancelled(places.clone().acquire_owned()).await else { break };
            let mut permits = vec![first];
            while let Ok(permit) = places.clone().try_acquire_owned() {
                permits.push(permit);
            }
            let wanted = permits.len();
            let claimed = if shutdown.is_cancelled() { Vec::new() } else { self.claim_triggers(wanted).await };
            let all_taken = claimed.len() == wanted;
            for (claimed, permit) in claimed.into_iter().zip(permits.drain(..)) {
                looks.spawn(self.clone().look_unless_stopped(claimed, permit, shutdown.clone()));
            }
            drop(permits);
            if all_taken {
                continue;
            }
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                () = woken => {}
                () = tokio::time::sleep(self.options.poll) => {}
            }
        }
        looks.close();
        looks.wait().await;
    }

    async fn claim_triggers(&self, limit: usize) -> Vec<ClaimedTrigger> {
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        let claim = self.parts.store.claim_triggers(limit, self.now(), self.now() + LEASE);
        let claimed = self.metrics.claim_triggers.timed(claim).await;
        claimed.unwrap_or_else(|error| {
            tracing::warn!(%error, "cannot claim triggers; trying again");
            Vec::new()
        })
    }

    async fn look_unless_stopped(
        self: Arc<Self>,
        claimed: ClaimedTrigger,
        permit: OwnedSemaphorePermit,
        shutdown: CancellationToken,
    ) {
        let _ = shutdown.run_until_cancelled(self.look_at(&claimed)).await;
        drop(permit);
    }

    async fn look_at(&self, claimed: &ClaimedTrigger) {
        self.metrics.trigger_looks.increment(1);
        let services = TryServices::of_trigger(self, claimed);
        let seen = match serde_json::from_value::<Trigger>(claimed.trigger.clone()) {
            Ok(trigger) => {
                let patience = CHECK_TIME.to_std().unwrap_or_default();
                let seen = tokio::time::timeout(patience, self.see(claimed, &trigger, &services)).await;
                let seen = seen.unwrap_or_else(|_| Err(Fault::Trouble(format!("no answer in {CHECK_TIME}"))));
                self.judge(claimed, &trigger, &services, seen)
            }
            Err(error) => Some((
                "a trigger of another version of Airlock".to_owned(),
                LookOutcome::Over(failed(format!("what the task waits for cannot be read: {error}"))),
            )),
        };
        // What the look has to say is in the log before the task can go on.
        services.end_log().await;
        let Some((saw, outcome)) = seen else {
            return self.end_of_wait();
        };
        self.conclude(claimed, services.masked_text(&saw), outcome).await;
    }

    /// What follows from a look; nothing if it is done already, or is left to whoever looks next.
    fn judge(
        &self,
        claimed: &ClaimedTrigger,
        trigger: &Trigger,
        services: &TryServices,
        seen: Result<Seen, Fault>,
    ) -> Option<(String, LookOutcome)> {
        let now = self.now();
        let again = |looked, troubles, saw| {
            let next_look_at = next_look(trigger, claimed.looks, looked, now);
            Some((saw, LookOutcome::Again { next_look_at, troubles }))
        };
        match seen {
            Ok(Seen::Fired) => None,
            Ok(Seen::Answer(Answer::Fired { payload, saw })) => {
                services.say(LogLevel::Info, &format!("the wait {} is over: {saw}", trigger.describe()));
                Some((saw, LookOutcome::Over(ResumeEvent::Fired { payload })))
            }
            Ok(Seen::Answer(Answer::NotYet(saw))) => again(Looked::NotYet, 0, saw),
            Err(Fault::Trouble(why)) => {
                let troubles = claimed.troubles.saturating_add(1);
                services.say(LogLevel::Warning, &format!("waiting {}: {why}; trying again", trigger.describe()));
                again(Looked::Trouble(troubles), troubles, why)
            }
            Err(Fault::Hopeless(why)) => {
                let message = format!("waiting {} can never end: {why}", trigger.describe());
                services.say(LogLevel::Error, &message);
                Some((why, LookOutcome::Over(failed(services.masked_text(&message)))))
            }
            Err(Fault::Store(error)) => {
                tracing::warn!(%error, trigger.id = claimed.id, "cannot look at a trigger; another look follows");
                None
            }
        }
    }

    async fn conclude(&self, claimed: &ClaimedTrigger, saw: String, outcome: LookOutcome) {
        if let LookOutcome::Over(event) = &outcome {
            self.metrics.wait_over(event);
        }
        let is_over = matches!(outcome, LookOutcome::Over(_));
        let look = Look {
            tenant: claimed.run.tenant,
            id: claimed.id,
            lease_token: claimed.lease_token,
            at: self.now(),
            hostname: self.options.hostname.clone(),
            saw,
            outcome,
        };
        match self.parts.store.conclude_look(&look).await {
            Ok(true) if is_over => self.end_of_wait(),
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, trigger.id = claimed.id, "a look is not recorded; another follows");
            }
        }
    }

    /// For the run's scheduler, or, if nobody holds the run, for any that takes it.
    fn end_of_wait(&self) {
        self.parts.wake.runs().raise();
    }
}

fn failed(message: String) -> ResumeEvent {
    ResumeEvent::Failed { message }
}
