//! One call of one try: prepare, run, report.

use std::sync::Arc;
use std::time::{Duration, Instant};

use airlock_core::asset::OutletEvent;
use airlock_core::outcome::{Failure, FailureCause, Resume, TryResult};
use airlock_sandbox::capability::Capabilities;
use airlock_sandbox::capability::task::{LogLevel, LogRecord, LogSource, TaskServices};
use airlock_sandbox::{Call, Entry};
use airlock_store::queue::{ClaimedTry, TryReport};
use airlock_telemetry::trace::{self, traced};
use airlock_telemetry::work_span;
use serde_json::{Map, Value};
use tracing::{Instrument, Span};

use crate::claim::Shared;
use crate::heartbeat::{Stop, StopReason};
use crate::mapping::{RETURN_VALUE, length_of};
use crate::prepare::{Invocation, Prepared};
use crate::services::TryServices;

/// What came of a call of the operator.
pub(crate) struct Called {
    pub result: TryResult,
    pub outlet_events: Vec<OutletEvent>,
}

/// An end that the host brought about.
impl From<TryResult> for Called {
    fn from(result: TryResult) -> Self {
        Self { result, outlet_events: Vec::new() }
    }
}

impl Shared {
    /// Runs a claimed try to the end of its call. None: the try is not this worker's any more.
    pub async fn try_once(self: Arc<Self>, claimed: ClaimedTry, stop: Stop) -> Option<TryReport> {
        let services = Arc::new(TryServices::of_try(&self, &claimed));
        let mut rendered_fields = None;
        let (mut xcoms, mut outlet_events) = (Vec::new(), Vec::new());
        let claimed_at = Instant::now();
        let prepared = traced(work_span!("prepare"), self.prepare_in_time(&claimed, &services, &stop)).await;
        self.metrics.start.record(claimed_at.elapsed().as_secs_f64());
        let result = match prepared {
            Err(failure) => TryResult::Failure(failure),
            Ok(prepared) => {
                rendered_fields = prepared.rendered_fields.clone().map(Value::Object);
                let called = self.look(&claimed, &prepared, &services, &stop).await;
                outlet_events = called.outlet_events;
                take_xcoms(called.result, &prepared, &mut xcoms)
            }
        };
        let result = match stop.reason() {
            Some(StopReason::LeaseGone) => {
                services.say(LogLevel::Warning, "the try was stopped: it was cancelled, or counted as lost");
                None
            }
            _ => Some(services.masked(result)),
        };
        if let Some(TryResult::Failure(failure)) = &result {
            trace::failed(&Span::current());
            services.say(LogLevel::Error, &failure.message);
        }
        // Whoever learns of the result must find the log whole.
        services.end_log().await;
        Some(TryReport {
            lease_token: claimed.lease_token,
            run: claimed.run,
            instance: claimed.instance,
            task_id: claimed.task_id,
            map_index: claimed.map_index,
            ended_at: self.now(),
            result: result?,
            xcoms,
            rendered_fields,
            outlet_events,
        })
    }

    /// A try that has not begun waits for the database as long as it is this worker's: that costs the task no retry.
    async fn prepare_in_time(
        &self,
        claimed: &ClaimedTry,
        services: &Arc<TryServices>,
        stop: &Stop,
    ) -> Result<Prepared, Failure> {
        loop {
            let failure = match stop.token.run_until_cancelled(self.prepare(claimed, services)).await {
                Some(Err(failure)) if failure.cause == FailureCause::Host && failure.retryable => failure,
                Some(prepared) => return prepared,
                None => return Err(stopped()),
            };
            tracing::warn!(lease.token = %claimed.lease_token, "{}; trying again", failure.message);
            if stop.token.run_until_cancelled(tokio::time::sleep(self.options.poll)).await.is_none() {
                return Err(failure);
            }
        }
    }

    /// One call of the operator, with what is `left` of its `execution_timeout`.
    pub async fn call(
        &self,
        invocation: &Invocation,
        services: &Arc<TryServices>,
        stop: &Stop,
        resume: Option<&Resume>,
        left: Option<Duration>,
    ) -> Called {
        let limit = invocation.execution_timeout;
        let call = Call {
            module: invocation.module,
            entry: match resume {
                None => Entry::Execute { arguments: invocation.arguments.clone() },
                Some(resume) => Entry::Resume { state: resume.state.clone(), event: resume.event.clone() },
            },
            context: invocation.context.clone(),
            caller: invocation.caller.clone(),
            limits: invocation.limits.clone(),
            capabilities: Capabilities {
                task: services.clone() as Arc<dyn TaskServices>,
                dag_runs: services.clone(),
                assets: services.clone(),
                http: self.parts.http.clone(),
                sql: self.parts.sql.clone(),
                object_store: self.parts.object_store.clone(),
            },
            cancel: stop.token.child_token(),
        };
        let cancel = call.cancel.clone();
        let began = Instant::now();
        let mut running = std::pin::pin!(self.parts.sandbox.call(call).instrument(work_span!("sandbox")));
        let report = match limit.zip(left) {
            None => running.await,
            Some((limit, left)) => match tokio::time::timeout(left, &mut running).await {
                Ok(report) => report,
                Err(_) => {
                    cancel.cancel();
                    running.await;
                    self.metrics.killed("execution_timeout");
                    return execution_timed_out(limit).into();
                }
            },
        };
        self.metrics.called(&report, began.elapsed());
        if stop.reason() == Some(StopReason::WorkerStops) {
            return TryResult::Failure(stopped()).into();
        }
        Called { result: report.result, outlet_events: report.outlet_events }
    }
}

pub(crate) fn execution_timed_out(timeout: Duration) -> TryResult {
    let seconds = timeout.as_secs_f64();
    let message = format!("the try ran longer than its execution_timeout of {seconds} s");
    TryResult::Failure(Failure::new(FailureCause::ExecutionTimeout, true, message))
}

fn stopped() -> Failure {
    Failure::new(FailureCause::Stopped, true, "the worker was stopped before the try was done")
}

/// Takes what is to be pushed out of a result: a value is stored once, as an XCom.
fn take_xcoms(result: TryResult, prepared: &Prepared, xcoms: &mut Vec<(String, Value)>) -> TryResult {
    let task = prepared.task();
    let (returned, result) = match result {
        TryResult::Success { value, .. } => {
            let value = value.filter(|value| task.do_xcom_push && !value.is_null());
            match length_of(value.as_ref(), prepared.definition(), task, &prepared.invocation.limits) {
                Ok(length) => (value, TryResult::Success { value: None, length }),
                Err(failure) => return TryResult::Failure(failure),
            }
        }
        TryResult::Branch { follow } => (Some(Value::from(follow.clone())), TryResult::Branch { follow }),
        other => (None, other),
    };
    let Some(value) = returned.filter(|value| task.do_xcom_push && !value.is_null()) else { return result };
    if task.multiple_outputs && matches!(result, TryResult::Success { .. }) {
        let Value::Object(outputs) = &value else {
            let message = "the task has `multiple_outputs`, but what it returned is no JSON object";
            return TryResult::Failure(Failure::new(FailureCause::Operator, false, message));
        };
        let one_each: Map<String, Value> = outputs.clone();
        xcoms.extend(one_each);
    }
    xcoms.push((RETURN_VALUE.to_owned(), value));
    result
}

impl TryServices {
    /// The host's own word on the try.
    pub fn say(&self, level: LogLevel, message: &str) {
        let record = LogRecord {
            at: self.now(),
            level,
            source: LogSource::Host,
            message: message.to_owned(),
            fields: Vec::new(),
        };
        self.log(record);
    }
}
