//! What of a run's trace a worker tells: the try or callback as a whole. What is within it, whoever does it tells.

use airlock_store::callbacks::CallbackRow;
use airlock_store::queue::ClaimedTry;
use airlock_telemetry::trace::RunTrace;
use airlock_telemetry::work_span;
use tracing::Span;

pub(crate) fn of_try(claimed: &ClaimedTry, hostname: &str) -> Span {
    let Some(trace) = RunTrace::of(claimed.run, &claimed.dag_id, &claimed.run_id) else { return Span::none() };
    let span = work_span!(
        "try",
        airflow.dag_id = claimed.dag_id,
        airflow.run_id = claimed.run_id,
        airflow.task_id = claimed.task_id,
        airflow.map_index = claimed.map_index,
        airflow.try_number = claimed.try_number,
        airlock.instance = %claimed.instance,
        airlock.worker = hostname,
    );
    trace.adopt(&span);
    span
}

pub(crate) fn of_callback(row: &CallbackRow, hostname: &str) -> Span {
    let Some(trace) = RunTrace::of(row.run, &row.dag_id, &row.run_id) else { return Span::none() };
    let span = work_span!(
        "callback",
        airflow.dag_id = row.dag_id,
        airflow.run_id = row.run_id,
        airlock.event = %row.event,
        airlock.attempt = row.attempts,
        airlock.worker = hostname,
    );
    trace.adopt(&span);
    span
}
