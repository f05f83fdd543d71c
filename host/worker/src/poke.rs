//! Sensors that keep their place between two looks.

use std::sync::Arc;

use airlock_core::dag::SensorMode;
use airlock_core::outcome::TryResult;
use airlock_core::retry::next_look;
use airlock_store::queue::ClaimedTry;
use tokio::time::Instant;

use crate::claim::Shared;
use crate::heartbeat::Stop;
use crate::prepare::Prepared;
use crate::services::TryServices;
use crate::trial::{Called, execution_timed_out};

impl Shared {
    /// Calls the operator, and where its answer is "not yet" and the task's mode is `poke`, again in the same place. Each look is an
    /// instance of its own; kept are the place on this worker and the slot of the pool. Whether and when it looks again, `core` says,
    /// as it does for a sensor that gives its place up; that its timeout is over, its run's scheduler finds by its last answer.
    pub async fn look(
        &self,
        claimed: &ClaimedTry,
        prepared: &Prepared,
        services: &Arc<TryServices>,
        stop: &Stop,
    ) -> Called {
        let task = prepared.task();
        let limit = prepared.invocation.execution_timeout;
        let began = Instant::now();
        let left = || limit.map(|limit| limit.saturating_sub(began.elapsed()));
        let mut resume = claimed.resume.as_ref();
        let mut looks = claimed.reschedules;
        loop {
            let called = self.call(&prepared.invocation, services, stop, resume.take(), left()).await;
            let TryResult::Reschedule { at } = called.result else { return called };
            if task.sensor.mode != SensorMode::Poke {
                return called;
            }
            let (now, logical_date) = (self.now(), prepared.invocation.context.logical_date);
            let next = next_look(task, &claimed.dag_id, logical_date, looks, claimed.first_started_at, at, now);
            let Some(pause) = next.map(|next| (next - now).to_std().unwrap_or_default()) else { return called };
            let until = left().map_or(pause, |left| left.min(pause));
            if stop.token.run_until_cancelled(tokio::time::sleep(until)).await.is_none() {
                return called;
            }
            if let Some(limit) = limit.filter(|_| until < pause) {
                return execution_timed_out(limit).into();
            }
            looks = looks.saturating_add(1);
        }
    }
}
