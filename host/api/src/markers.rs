//! What is cleared along with a task because another DAG depends on it: the tasks that `external-task-marker` names.

use std::collections::HashSet;

use airlock_core::clear::{ClearSelection, ClearTarget};
use airlock_core::dag::Task;
use airlock_core::template::contains_template;
use airlock_store::Page;
use airlock_store::dags::DagRow;
use airlock_store::instances::InstanceRow;
use airlock_store::runs::{RunFilter, RunRow, Span};
use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::clearing::{ClearRequest, Cleared, Target};
use crate::models::task_of;
use crate::problem::{Answer, Problem};

const OPERATOR: &str = "external-task-marker";

/// How many DAGs, one behind the other, may be cleared by way of a marker that does not say so.
const DEPTH: u64 = 10;

/// A task of another DAG, and how much farther markers may lead from there.
struct Marked {
    dag_id: String,
    task_id: String,
    logical_date: DateTime<Utc>,
    depth: u64,
}

impl ClearRequest<'_> {
    /// The runs that are named, and those of other DAGs that markers among what is cleared lead to.
    ///
    /// # Errors
    /// 400 where markers lead on and on.
    pub async fn targets(&self, named: Vec<(DagRow, RunRow)>, selection: &ClearSelection) -> Answer<Vec<Target>> {
        let named = named.into_iter().map(|(dag, run)| Target { dag, run, selection: selection.clone() });
        let mut targets: Vec<Target> = named.collect();
        let mut depths = vec![None; targets.len()];
        let mut seen = HashSet::new();
        let mut next = 0;
        while next < targets.len() {
            for marked in self.marked(&targets[next], depths[next]).await? {
                let Some(target) = self.target(&marked, selection).await? else { continue };
                if seen.insert((target.run.key, marked.task_id)) {
                    targets.push(target);
                    depths.push(Some(marked.depth));
                }
            }
            next += 1;
        }
        Ok(targets)
    }

    /// What the markers among the cleared tasks of a run name. `depth` is none for a run that the request names itself.
    async fn marked(&self, target: &Target, depth: Option<u64>) -> Answer<Vec<Marked>> {
        let has_markers = target.dag.dag.tasks.iter().any(is_marker);
        // A run of an older version may have markers that the newest has not.
        if !has_markers && target.run.dag_version == target.dag.version {
            return Ok(Vec::new());
        }
        let Cleared { dag, instances, .. } = self.dry_run(target).await?;
        let mut found = Vec::new();
        for instance in instances {
            let Some(task) = task_of(&dag, &instance.task_id).filter(|task| is_marker(task)) else { continue };
            let depth =
                depth.unwrap_or_else(|| task.args.get("recursion_depth").and_then(Value::as_u64).unwrap_or(DEPTH));
            let Some(depth) = depth.checked_sub(1) else {
                return Err(Problem::bad_request(format!(
                    "Maximum recursion depth reached for ExternalTaskMarker {} of {}. Attempted to clear too many tasks or there may be \
                     a cyclic dependency.",
                    instance.task_id, target.dag.dag_id
                )));
            };
            found.extend(marked(task, &instance, target.run.logical_date, depth));
        }
        Ok(found)
    }

    /// The run that has the marked task; none if there is none.
    async fn target(&self, marked: &Marked, selection: &ClearSelection) -> Answer<Option<Target>> {
        let (store, tenant) = (&*self.state.store, self.principal.tenant);
        let Some(dag) = store.dag(tenant, &marked.dag_id).await? else { return Ok(None) };
        let date = Some(marked.logical_date);
        let filter = RunFilter {
            dag_id: Some(marked.dag_id.clone()),
            logical_date: Span { gte: date, lte: date, ..Span::default() },
            ..RunFilter::default()
        };
        let Some(run) = store.list_runs(tenant, &filter, &Page::default()).await?.items.pop() else { return Ok(None) };
        let task = ClearTarget { task_id: marked.task_id.clone(), map_index: None };
        let selection = ClearSelection {
            tasks: Some(vec![task]),
            upstream: false,
            downstream: true,
            only_failed: selection.only_failed,
            only_running: selection.only_running,
            only_new: false,
        };
        Ok(Some(Target { dag, run, selection }))
    }
}

fn is_marker(task: &Task) -> bool {
    task.resolved.name == OPERATOR
}

/// What a marker names, as it was rendered when it ran; none where that cannot be told.
fn marked(task: &Task, marker: &InstanceRow, logical_date: Option<DateTime<Utc>>, depth: u64) -> Option<Marked> {
    let text = |name: &str| {
        let rendered = marker.rendered_fields.as_ref().and_then(|fields| fields.get(name));
        rendered.or_else(|| task.args.get(name).filter(|value| !contains_template(value)))?.as_str()
    };
    let logical_date = if task.args.get("logical_date").is_none_or(Value::is_null) {
        logical_date?
    } else {
        DateTime::parse_from_rfc3339(text("logical_date")?).ok()?.to_utc()
    };
    Some(Marked {
        dag_id: text("external_dag_id")?.to_owned(),
        task_id: text("external_task_id")?.to_owned(),
        logical_date,
        depth,
    })
}
