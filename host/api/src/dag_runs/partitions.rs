//! Runs by the partitions that they are about.

use airlock_core::access::{Action, Resource};
use airlock_core::clear::ClearSelection;
use airlock_core::id::RunKey;
use airlock_core::timetable::LONGEST_KEY;
use airlock_store::Page;
use airlock_store::runs::{RunFilter, RunRow, Span};
use axum::Json;
use axum::extract::State;

use super::clear::MOST_RUNS;
use crate::clearing::{ClearRequest, Target};
use crate::extract::{Instant, Path, Principal, ValidJson};
use crate::lookup;
use crate::models::{ClearPartitionsBody, ClearPartitionsResponse};
use crate::problem::{Answer, Problem, Refusals};
use crate::state::ApiState;

/// Which partitions a request names: by their key, or by a window of dates with both ends included.
pub struct Partitions {
    key: Option<String>,
    from: Option<Instant>,
    to: Option<Instant>,
}

impl Partitions {
    /// None if nothing is named.
    ///
    /// # Errors
    /// If more than one thing is.
    pub fn read(key: Option<String>, from: Option<Instant>, to: Option<Instant>) -> Answer<Option<Self>> {
        if key.is_none() && from.is_none() && to.is_none() {
            return Ok(None);
        }
        if key.is_some() && (from.is_some() || to.is_some()) {
            return Err(Problem::invalid(
                "/partition_key",
                "partition_key and a window of partition dates exclude each other",
            ));
        }
        if key.as_ref().is_some_and(|key| !(1..=LONGEST_KEY).contains(&key.chars().count())) {
            return Err(Problem::invalid("/partition_key", format!("expected 1 to {LONGEST_KEY} characters")));
        }
        if let (Some(from), Some(to)) = (&from, &to)
            && from.0 > to.0
        {
            let detail = "partition_date_start must be on or before partition_date_end";
            return Err(Problem::invalid("/partition_date_start", detail));
        }
        Ok(Some(Self { key, from, to }))
    }

    /// The runs of a DAG that are about these, the oldest first.
    ///
    /// # Errors
    /// If there are more than one request may change.
    pub async fn runs(self, state: &ApiState, principal: &Principal, dag_id: &str) -> Answer<Vec<RunRow>> {
        let filter = RunFilter {
            dag_id: Some(dag_id.to_owned()),
            partition_key: self.key,
            partition_date: Span { gte: self.from.map(|at| at.0), lte: self.to.map(|at| at.0), ..Span::default() },
            ..RunFilter::default()
        };
        let limit = u32::try_from(MOST_RUNS).unwrap_or(u32::MAX);
        let page = Page { limit, offset: 0, order_by: vec![("run_after".to_owned(), false)] };
        let found = state.store.list_runs(principal.tenant, &filter, &page).await?;
        if found.total > found.items.len() as u64 {
            let detail = format!("{} runs are of these partitions, and one request may name {MOST_RUNS}", found.total);
            return Err(Problem::bad_request(detail));
        }
        Ok(found.items)
    }
}

/// Takes from runs what they say of their partition, so that they are of none; by default only says how many there are.
#[utoipa::path(post, path = "/dags/{dag_id}/clearPartitions", tag = "DagRun", operation_id = "clear_dag_run_partitions",
    params(("dag_id" = String, Path)), request_body = ClearPartitionsBody,
    responses((status = 200, body = ClearPartitionsResponse), Refusals))]
pub async fn clear_dag_run_partitions(
    State(state): State<ApiState>,
    principal: Principal,
    Path(dag_id): Path<String>,
    ValidJson(body): ValidJson<ClearPartitionsBody>,
) -> Answer<Json<ClearPartitionsResponse>> {
    principal.may(Action::Update, Resource::DagRun)?;
    let dag = lookup::dag(&*state.store, principal.tenant, &dag_id).await?;
    let named = Partitions::read(body.partition_key, body.partition_date_start, body.partition_date_end)?;
    let mut runs = match (body.run_id, named) {
        (Some(_), Some(_)) => {
            return Err(Problem::invalid("/run_id", "run_id and the partition selectors exclude each other"));
        }
        (Some(run_id), None) => vec![lookup::run(&*state.store, principal.tenant, &dag_id, &run_id).await?],
        (None, Some(partitions)) => partitions.runs(&state, &principal, &dag_id).await?,
        (None, None) => {
            let detail = "name a run_id, a partition_key, or a window by partition_date_start and partition_date_end";
            return Err(Problem::invalid("", detail));
        }
    };
    runs.retain(|run| run.partition.is_some());
    let keys: Vec<RunKey> = runs.iter().map(|run| run.key).collect();
    let request = ClearRequest {
        state: &state,
        principal: &principal,
        reset_runs: true,
        on_latest_version: None,
        prevent_running: false,
    };
    let selection = ClearSelection::default();
    let targets: Vec<Target> =
        runs.into_iter().map(|run| Target { dag: dag.clone(), run, selection: selection.clone() }).collect();
    let mut answer = ClearPartitionsResponse { dag_runs_cleared: keys.len() as u64, ..Default::default() };
    answer.dry_run = body.dry_run;
    if body.clear_task_instances {
        for target in &targets {
            answer.task_instances_cleared += request.dry_run(target).await?.instances.len() as u64;
        }
    }
    if !body.dry_run {
        // First the partitions: a run that starts anew is to know that it is of none.
        answer.dag_runs_cleared = state.store.forget_partitions(principal.tenant, &keys).await?;
        if body.clear_task_instances {
            answer.task_instances_cleared = request.clear_all(&targets).await?.len() as u64;
        }
    }
    Ok(Json(answer))
}
