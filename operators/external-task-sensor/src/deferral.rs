//! What the host may wait for in this sensor's place.

use std::time::SystemTime;

use airlock_sdk::dag_runs::Dag;
use airlock_sdk::{DagRunTrigger, RunSelector, TasksTrigger, Trigger};

use crate::states::States;
use crate::{Aim, ExternalTaskSensor, tasks_of};

/// States that are an end, of runs and of tasks.
const ENDS: &[&str] = &["success", "failed", "skipped", "upstream_failed", "removed"];

/// As many tasks as a trigger may name.
const MOST_TASKS: usize = 100;

/// Whatever changes what the sensor answers of the run at this date; none where the host is not told of it.
pub fn trigger(
    arguments: &ExternalTaskSensor,
    aim: &Aim,
    states: &States,
    dag: Option<&Dag>,
    date: SystemTime,
) -> Option<Trigger> {
    let others: Vec<String> = states.skipped.iter().chain(&states.failed).cloned().collect();
    let all_end = states.allowed.iter().chain(&others).all(|state| ENDS.contains(&state.as_str()));
    if !arguments.deferrable || !all_end {
        return None;
    }
    let (dag_id, run) = (arguments.external_dag_id.clone(), RunSelector::LogicalDate(date));
    let task_ids = match aim {
        Aim::Runs => {
            let states = states.allowed.iter().cloned().chain(others).collect();
            return Some(DagRunTrigger { dag_id, run, states }.into());
        }
        Aim::Tasks(task_ids) => task_ids.clone(),
        Aim::Group(group) => tasks_of(dag?, group),
    };
    let fits = !task_ids.is_empty() && task_ids.len() <= MOST_TASKS;
    fits.then(|| TasksTrigger { dag_id, run, task_ids, all_in: states.allowed.clone(), any_in: others }.into())
}
