//! What a worker measures.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use airlock_core::outcome::{FailureCause, ResumeEvent, TryResult};
use airlock_sandbox::CallReport;
use airlock_telemetry::catalogue::{
    CLAIMED, EXECUTOR_OPEN_SLOTS, EXECUTOR_RUNNING_TASKS, LEASES_LOST, REPORT_SECONDS, REPORTS_REFUSED,
    SANDBOX_CPU_SECONDS, SANDBOX_KILLS, SANDBOX_SECONDS, SANDBOX_WAIT_SECONDS, START_SECONDS, TRIGGER_LOOKS,
    TRIGGERS_FAILED, TRIGGERS_SUCCEEDED, WORKER_SLOTS,
};
use airlock_telemetry::{Counter, Gauge, Histogram, Transaction};

/// Handles, taken once; each is named as in the catalogue.
pub(crate) struct Metrics {
    pub start: Histogram,
    pub report: Histogram,
    pub reports_refused: Counter,
    pub leases_lost: Counter,
    pub trigger_looks: Counter,
    pub claim_tries: Transaction,
    pub heartbeat_tries: Transaction,
    pub report_tries: Transaction,
    pub claim_triggers: Transaction,
    open_slots: Gauge,
    running: Gauge,
    claimed: Histogram,
    sandbox: Histogram,
    sandbox_wait: Histogram,
    sandbox_cpu: Histogram,
    triggers_succeeded: Counter,
    triggers_failed: Counter,
    /// By cause; each is there from its first time on.
    kills: Mutex<HashMap<&'static str, Counter>>,
}

impl Metrics {
    pub fn new(slots: u32) -> Self {
        WORKER_SLOTS.gauge().set(slots);
        let open_slots = EXECUTOR_OPEN_SLOTS.gauge();
        open_slots.set(slots);
        let running = EXECUTOR_RUNNING_TASKS.gauge();
        running.set(0);
        Self {
            start: START_SECONDS.histogram(),
            report: REPORT_SECONDS.histogram(),
            reports_refused: REPORTS_REFUSED.counter(),
            leases_lost: LEASES_LOST.counter(),
            trigger_looks: TRIGGER_LOOKS.counter(),
            claim_tries: Transaction::new("claim_tries"),
            heartbeat_tries: Transaction::new("heartbeat_tries"),
            report_tries: Transaction::new("report_tries"),
            claim_triggers: Transaction::new("claim_triggers"),
            open_slots,
            running,
            claimed: CLAIMED.histogram(),
            sandbox: SANDBOX_SECONDS.histogram(),
            sandbox_wait: SANDBOX_WAIT_SECONDS.histogram(),
            sandbox_cpu: SANDBOX_CPU_SECONDS.histogram(),
            triggers_succeeded: TRIGGERS_SUCCEEDED.counter(),
            triggers_failed: TRIGGERS_FAILED.counter(),
            kills: Mutex::default(),
        }
    }

    /// A place is taken until the answer is dropped.
    pub fn occupy(&self) -> Occupied<'_> {
        self.open_slots.decrement(1);
        self.running.increment(1);
        Occupied(self)
    }

    pub fn claimed(&self, tries: usize) {
        if tries > 0 {
            self.claimed.record(tries as f64);
        }
    }

    /// A call of the sandbox has ended; `took` is all of it, the wait for the module and for a place included.
    pub fn called(&self, report: &CallReport, took: Duration) {
        let usage = &report.usage;
        // What was not started, or was cancelled before it was, has used nothing.
        if !usage.wall.is_zero() {
            self.sandbox.record(usage.wall.as_secs_f64());
            self.sandbox_wait.record(took.saturating_sub(usage.wall).as_secs_f64());
            self.sandbox_cpu.record(usage.cpu.as_secs_f64());
        }
        if let TryResult::Failure(failure) = &report.result {
            match failure.cause {
                // A limit that no name came with is one on the answer.
                FailureCause::Limit => self.killed(report.limit.map_or("xcom_bytes", |limit| limit.name())),
                FailureCause::Trap => self.killed("trap"),
                FailureCause::Cancelled => self.killed("cancelled"),
                _ => {}
            }
        }
    }

    pub fn killed(&self, cause: &'static str) {
        let mut kills = self.kills.lock().unwrap_or_else(PoisonError::into_inner);
        kills.entry(cause).or_insert_with(|| SANDBOX_KILLS.counter_of([cause])).increment(1);
    }

    pub fn wait_over(&self, event: &ResumeEvent) {
        match event {
            ResumeEvent::Failed { .. } => self.triggers_failed.increment(1),
            ResumeEvent::Fired { .. } | ResumeEvent::TimedOut => self.triggers_succeeded.increment(1),
        }
    }
}

pub(crate) struct Occupied<'a>(&'a Metrics);

impl Drop for Occupied<'_> {
    fn drop(&mut self) {
        self.0.running.decrement(1);
        self.0.open_slots.increment(1);
    }
}
