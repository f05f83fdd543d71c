//! Schedules as lists show them.

use airlock_core::dag::{Dag, Schedule};

/// Airflow's `timetable_summary`: the schedule in few characters.
pub fn schedule_summary(schedule: &Schedule) -> Option<String> {
    match schedule {
        Schedule::None => None,
        Schedule::Once => Some("@once".to_owned()),
        Schedule::Continuous => Some("@continuous".to_owned()),
        Schedule::CronTrigger { cron, .. } => Some(cron.join(", ")),
        Schedule::CronDataInterval { cron } | Schedule::CronPartition { cron, .. } => Some(cron.clone()),
        Schedule::DeltaTrigger { delta, .. } | Schedule::DeltaDataInterval { delta } => {
            Some(super::iso_duration(*delta))
        }
        Schedule::Events { dates } => Some(format!("{} events", dates.len())),
        Schedule::Assets { .. } => Some("Asset".to_owned()),
    }
}

/// Airflow's `timetable_description`: the schedule in a sentence.
pub fn schedule_description(dag: &Dag) -> String {
    match &dag.schedule {
        Schedule::None => "Never, external triggers only".to_owned(),
        Schedule::Once => "Once, as soon as possible".to_owned(),
        Schedule::Continuous => "As frequently as possible, but only one run at a time".to_owned(),
        Schedule::CronTrigger { cron, .. } => format!("At the ticks of {} ({})", cron.join(" and "), dag.timezone),
        Schedule::CronDataInterval { cron } => {
            format!("At the end of each interval of {cron} ({})", dag.timezone)
        }
        Schedule::CronPartition { cron, .. } => format!("A partition at each tick of {cron} ({})", dag.timezone),
        Schedule::DeltaTrigger { delta, .. } => format!("Every {}", super::iso_duration(*delta)),
        Schedule::DeltaDataInterval { delta } => {
            format!("At the end of each interval of {}", super::iso_duration(*delta))
        }
        Schedule::Events { dates } => format!("At {} given dates", dates.len()),
        Schedule::Assets { .. } => "Triggered by assets".to_owned(),
    }
}
