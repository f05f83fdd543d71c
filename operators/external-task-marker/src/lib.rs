//! Airflow's `ExternalTaskMarker`.

use airlock_sdk::prelude::*;

/// The task that waits for this one. Whoever clears reads it; the operator itself has nothing to do.
#[arguments]
struct ExternalTaskMarker {
    /// The other DAG.
    external_dag_id: String,
    /// The task there, cleared with everything downstream of it.
    external_task_id: String,
    /// The logical date of the other run, RFC 3339; that of this run unless it is given.
    #[serde(default)]
    logical_date: Option<String>,
    /// How many DAGs, one behind the other, may be cleared by way of markers.
    #[serde(default = "ten")]
    recursion_depth: u32,
}

fn ten() -> u32 {
    10
}

/// Marks a task of another DAG that depends on this one: clearing this task clears that one too.
#[operator(name = "external-task-marker", template_fields(external_dag_id, external_task_id, logical_date))]
fn external_task_marker(arguments: ExternalTaskMarker) -> Result<()> {
    let ExternalTaskMarker { external_dag_id, external_task_id, logical_date, recursion_depth } = arguments;
    let date = logical_date.as_deref().unwrap_or("the same logical date");
    log::info!(
        "clearing this task clears `{external_task_id}` of `{external_dag_id}`, of {date}, and up to {recursion_depth} DAGs that way"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use airlock_sdk::testing::Host;

    use super::*;

    #[test]
    fn does_nothing() {
        let arguments = json!({ "external_dag_id": "marts", "external_task_id": "wait" });
        assert_eq!(Host::new().execute::<Operator>(arguments), Ok(Outcome::done()));
    }

    #[test]
    fn names_a_task() {
        let error = Host::new().execute::<Operator>(json!({ "external_dag_id": "marts" })).unwrap_err();
        assert!(error.message.contains("missing field `external_task_id`"), "{error}");
    }
}
