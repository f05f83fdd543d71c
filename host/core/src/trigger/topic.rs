//! The key under which something that happens here finds those who wait for it. No id of a DAG has a colon.

use super::{RunSelector, Trigger};

/// The topic of an event that is posted to the API.
pub fn event_topic(name: &str) -> String {
    format!("event:{name}")
}

/// What waits for a run may know it by its id or by its logical date. The stores write the same topics where a run or task ends.
fn topic_of_run(dag_id: &str, run: &RunSelector) -> String {
    match run {
        RunSelector::RunId(run_id) => format!("run:{dag_id}:{run_id}"),
        RunSelector::LogicalDate(date) => format!("date:{dag_id}:{}", date.timestamp_micros()),
    }
}

impl Trigger {
    /// What makes it worth a look; none for what is looked at by the clock.
    pub fn topic(&self) -> Option<String> {
        match self {
            Self::DagRun(of) => Some(topic_of_run(&of.dag_id, &of.run)),
            Self::Tasks(of) => Some(topic_of_run(&of.dag_id, &of.run)),
            Self::PostedEvent { name } => Some(event_topic(name)),
            Self::At { .. } | Self::After { .. } | Self::Http(_) | Self::Objects(_) | Self::Sql(_) => None,
        }
    }
}
