//! Which states are waited for.

use airlock_sdk::prelude::*;

use crate::ExternalTaskSensor;

/// What stands for a task about which nothing has been decided.
pub const NONE: &str = "none";

const RUN_STATES: &[&str] = &["queued", "running", "success", "failed"];

const TASK_STATES: &[&str] = &[
    NONE,
    "scheduled",
    "queued",
    "running",
    "restarting",
    "deferred",
    "awaiting_input",
    "up_for_retry",
    "up_for_reschedule",
    "success",
    "failed",
    "skipped",
    "upstream_failed",
    "removed",
];

#[derive(Debug)]
pub struct States {
    pub allowed: Vec<String>,
    pub skipped: Vec<String>,
    pub failed: Vec<String>,
}

impl States {
    pub fn read(arguments: &ExternalTaskSensor, of_runs: bool) -> Result<Self> {
        let states = Self {
            allowed: arguments.allowed_states.clone().unwrap_or_else(|| vec!["success".to_owned()]),
            skipped: arguments.skipped_states.clone(),
            failed: arguments.failed_states.clone(),
        };
        let known = if of_runs { RUN_STATES } else { TASK_STATES };
        let mut seen: Vec<&String> = Vec::new();
        for state in states.allowed.iter().chain(&states.skipped).chain(&states.failed) {
            if !known.contains(&state.as_str()) {
                return Err(Error::fail(format!("`{state}` is no state to wait for; valid are {}", known.join(", "))));
            }
            if seen.contains(&state) {
                return Err(Error::fail(format!(
                    "the state `{state}` is named twice in `allowed_states`, `skipped_states` and `failed_states`"
                )));
            }
            seen.push(state);
        }
        Ok(states)
    }
}
