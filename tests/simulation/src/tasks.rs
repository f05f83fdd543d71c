//! What tasks do.

use std::sync::Arc;
use std::time::Duration;

use airlock_core::callback::CallbackEnd;
use airlock_core::outcome::{Deferral, Failure, FailureCause, TryResult};
use airlock_core::trigger::Trigger;
use airlock_store::callbacks::ClaimedCallback;
use airlock_store::queue::{ClaimedTry, TryReport};
use airlock_worker::{Runner, Stop, StopReason};
use async_trait::async_trait;
use chrono::SubsecRound;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::line::Line;
use crate::plan::Habit;

/// The events that tasks wait for.
pub const EVENTS: [&str; 2] = ["go", "stop"];

/// Runs tasks by the dice.
pub struct Dice {
    pub line: Arc<Line>,
}

impl Dice {
    fn result(&self, claimed: &ClaimedTry) -> TryResult {
        let world = &self.line.world;
        let habit = world.plan.habit(claimed.run.tenant, &claimed.dag_id, &claimed.task_id);
        let defer = |trigger| TryResult::Defer { deferral: Deferral { trigger, state: Value::Null, timeout_ms: None } };
        world.dice(|dice| match dice.u8(..20) {
            0..=2 => failed(FailureCause::Operator, true),
            3 => failed(FailureCause::Operator, false),
            4 => TryResult::Skip { reason: None },
            _ => match habit {
                Habit::Looks if claimed.reschedules < 2 && dice.bool() => TryResult::Reschedule { at: None },
                Habit::Sleeps if claimed.resume.is_none() => {
                    defer(Trigger::After { milliseconds: dice.u64(1..60_000) })
                }
                Habit::Listens if claimed.resume.is_none() => {
                    defer(Trigger::PostedEvent { name: EVENTS[dice.usize(..EVENTS.len())].to_owned() })
                }
                _ => TryResult::Success { value: None, length: None },
            },
        })
    }
}

fn failed(cause: FailureCause, retryable: bool) -> TryResult {
    TryResult::Failure(Failure::new(cause, retryable, "as the dice fell"))
}

#[async_trait]
impl Runner for Dice {
    async fn run_try(self: Arc<Self>, claimed: ClaimedTry, stop: Stop) -> Option<TryReport> {
        let world = &self.line.world;
        let milliseconds = world.dice(|dice| if dice.u8(..8) == 0 { dice.u64(..40_000) } else { dice.u64(..500) });
        let worked = stop.token.run_until_cancelled(tokio::time::sleep(Duration::from_millis(milliseconds))).await;
        // A process that is stopped does not see that time passes.
        self.line.pass().await;
        let result = match stop.reason() {
            Some(StopReason::LeaseGone) => return None,
            Some(StopReason::WorkerStops) if worked.is_none() => failed(FailureCause::Stopped, true),
            _ => self.result(&claimed),
        };
        Some(TryReport {
            lease_token: claimed.lease_token,
            run: claimed.run,
            instance: claimed.instance,
            task_id: claimed.task_id,
            map_index: claimed.map_index,
            ended_at: self.line.clock()().trunc_subsecs(6),
            result,
            xcoms: Vec::new(),
            rendered_fields: None,
            outlet_events: Vec::new(),
        })
    }

    async fn run_callback(self: Arc<Self>, _claimed: &ClaimedCallback, _stop: &Stop) -> Option<CallbackEnd> {
        None
    }

    /// Moments are the scheduler's, and events end their waits themselves: nothing here has to be looked at.
    async fn watch_triggers(self: Arc<Self>, shutdown: CancellationToken) {
        shutdown.cancelled().await;
    }

    async fn flush(&self) {}
}
