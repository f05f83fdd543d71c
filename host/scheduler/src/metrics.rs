//! What a scheduler measures.

use std::time::Duration;

use airlock_core::id::RunKey;
use airlock_core::run::RunChange;
use airlock_core::state::{RunState, RunType, TaskState};
use airlock_store::driving::LoadedRun;
use airlock_telemetry::catalogue::{
    COMMIT_ADMISSIONS, COMMIT_CHANGES, CRITICAL_SECTION_DURATION, DURATION_FAILED, DURATION_SUCCESS,
    FIRST_TASK_SCHEDULING_DELAY, ORPHANED_ADOPTED, ORPHANED_CLEARED, QUEUED_DURATION, ROUND_ERRORS, RUNS_HELD,
    RUNS_OVERTAKEN, RUNS_TAKEN_OVER, SCHEDULE_DELAY, SCHEDULED_DURATION, SCHEDULER_HEARTBEAT, SCHEDULER_LOOP_DURATION,
    SETTLE_SECONDS, TASKS_EXECUTABLE, TASKS_STARVING, TI_FAILURES, TI_SUCCESSES,
};
use airlock_telemetry::trace::RunTrace;
use airlock_telemetry::{Counter, Gauge, Histogram, Transaction};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::held::HeldRun;

/// Handles, taken once; each is named as in the catalogue.
pub(crate) struct Metrics {
    pub heartbeat: Counter,
    pub loop_duration: Histogram,
    pub critical_section: Histogram,
    pub starving: Gauge,
    pub executable: Gauge,
    pub orphaned_cleared: Counter,
    pub runs_overtaken: Counter,
    pub runs_held: Gauge,
    pub round_errors: Counter,
    pub commit: Transaction,
    pub take_runs: Transaction,
    pub renew_runs: Transaction,
    pub work: Transaction,
    pub due_dags: Transaction,
    pub reported_tries: Transaction,
    pub expired_tries: Transaction,
    orphaned_adopted: Counter,
    runs_taken_over: Counter,
    commit_changes: Histogram,
    commit_admissions: Histogram,
    schedule_delay: Histogram,
    first_task_scheduling_delay: Histogram,
    duration_success: Histogram,
    duration_failed: Histogram,
    scheduled_duration: Histogram,
    queued_duration: Histogram,
    settle: Histogram,
    successes: Counter,
    failures: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            heartbeat: SCHEDULER_HEARTBEAT.counter(),
            loop_duration: SCHEDULER_LOOP_DURATION.histogram(),
            critical_section: CRITICAL_SECTION_DURATION.histogram(),
            starving: TASKS_STARVING.gauge(),
            executable: TASKS_EXECUTABLE.gauge(),
            orphaned_cleared: ORPHANED_CLEARED.counter(),
            runs_overtaken: RUNS_OVERTAKEN.counter(),
            runs_held: RUNS_HELD.gauge(),
            round_errors: ROUND_ERRORS.counter(),
            commit: Transaction::new("commit"),
            take_runs: Transaction::new("take_runs"),
            renew_runs: Transaction::new("renew_runs"),
            work: Transaction::new("work"),
            due_dags: Transaction::new("due_dags"),
            reported_tries: Transaction::new("reported_tries"),
            expired_tries: Transaction::new("expired_tries"),
            orphaned_adopted: ORPHANED_ADOPTED.counter(),
            runs_taken_over: RUNS_TAKEN_OVER.counter(),
            commit_changes: COMMIT_CHANGES.histogram(),
            commit_admissions: COMMIT_ADMISSIONS.histogram(),
            schedule_delay: SCHEDULE_DELAY.histogram(),
            first_task_scheduling_delay: FIRST_TASK_SCHEDULING_DELAY.histogram(),
            duration_success: DURATION_SUCCESS.histogram(),
            duration_failed: DURATION_FAILED.histogram(),
            scheduled_duration: SCHEDULED_DURATION.histogram(),
            queued_duration: QUEUED_DURATION.histogram(),
            settle: SETTLE_SECONDS.histogram(),
            successes: TI_SUCCESSES.counter(),
            failures: TI_FAILURES.counter(),
        }
    }
}

/// Two machines' clocks may disagree: what would have ended before it began took no time.
fn seconds(from: DateTime<Utc>, to: DateTime<Utc>) -> f64 {
    (to - from).to_std().unwrap_or(Duration::ZERO).as_secs_f64()
}

impl Metrics {
    pub fn taken(&self, loaded: &LoadedRun) {
        let run = &loaded.run;
        if !loaded.instances.is_empty() {
            self.runs_taken_over.increment(1);
            let is_open = |state| matches!(state, Some(TaskState::Queued | TaskState::Running));
            let open = loaded.instances.iter().filter(|instance| is_open(instance.state)).count();
            self.orphaned_adopted.increment(open as u64);
        } else if let (Some(started_at), true) = (run.started_at, is_first_of_schedule(loaded)) {
            self.schedule_delay.record(seconds(run.run_after, started_at));
        }
    }

    /// What a commit has applied to a run.
    pub fn committed(&self, key: RunKey, change: &RunChange, held: Option<&mut HeldRun>, now: DateTime<Utc>) {
        let trace = held.as_ref().and_then(|held| RunTrace::of(key, &held.dag_id, &held.run_id));
        let mut stages = held.map(|held| &mut held.stages);
        for moved in &change.moves {
            let Some(settles) = &moved.settles else { continue };
            match settles.final_state {
                Some(TaskState::Success) => self.successes.increment(1),
                Some(TaskState::Failed) => self.failures.increment(1),
                _ => {}
            }
            if settles.lease_token.is_some() {
                self.settle.record(seconds(settles.ended_at, now));
            }
            let queued_at = stages.as_mut().and_then(|stages| stages.ended(moved.instance, settles.started_at));
            if let (Some(queued_at), Some(started_at)) = (queued_at, settles.started_at) {
                self.queued_duration.record(seconds(queued_at, started_at));
            }
            if let Some(trace) = &trace {
                let of = [
                    ("airlock.instance", moved.instance.to_string()),
                    ("airflow.try_number", moved.to_try.to_string()),
                ];
                if let (Some(queued_at), Some(started_at)) = (queued_at, settles.started_at) {
                    trace.record("queued", queued_at.into(), started_at.into(), &of);
                }
                trace.record("settle", settles.ended_at.into(), now.into(), &of);
            }
        }
    }

    /// The size of a commit.
    pub fn commit_size(&self, changes: usize, admissions: usize) {
        self.commit_changes.record(changes as f64);
        self.executable.set(admissions as f64);
        if admissions > 0 {
            self.commit_admissions.record(admissions as f64);
        }
    }

    pub fn queued(&self, key: RunKey, held: &HeldRun, instance: Uuid, (ready_at, now): (DateTime<Utc>, DateTime<Utc>)) {
        self.scheduled_duration.record(seconds(ready_at, now));
        if let Some(trace) = RunTrace::of(key, &held.dag_id, &held.run_id) {
            trace.record("scheduled", ready_at.into(), now.into(), &[("airlock.instance", instance.to_string())]);
        }
    }

    pub fn finished(&self, key: RunKey, held: &HeldRun, state: RunState, now: DateTime<Utc>) {
        if let (Some(trace), Some(from)) = (RunTrace::of(key, &held.dag_id, &held.run_id), held.stages.run_started_at) {
            let of = [("airflow.dag_id", held.dag_id.clone()), ("airflow.run_id", held.run_id.clone())];
            trace.ended(from.into(), now.into(), state == RunState::Failed, &of);
        }
        let duration = if state == RunState::Failed { &self.duration_failed } else { &self.duration_success };
        if let Some(started_at) = held.stages.run_started_at {
            duration.record(seconds(started_at, now));
        }
        if let (Some(due), Some(first)) = (held.stages.due, held.stages.first_started_at) {
            self.first_task_scheduling_delay.record(seconds(due, first));
        }
    }
}

/// Delays mean something for runs that the timetable made, as long as nobody has cleared them.
pub(crate) fn is_first_of_schedule(loaded: &LoadedRun) -> bool {
    loaded.run.run_type == RunType::Scheduled && loaded.run.clear_number == 0
}
