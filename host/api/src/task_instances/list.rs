use airlock_core::access::{Action, Resource};
use airlock_store::instances::InstanceFilter;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{ORDER, responses, states};
use crate::extract::{CursorQuery, PageQuery, Path, Principal, Query, Spans, Unsupported, pattern};
use crate::lookup;
use crate::models::TaskInstanceCollection;
use crate::problem::{Answer, Refusals};
use crate::state::ApiState;

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct Filter {
    pub task_id: Option<String>,
    /// Names of states; `no_status` where nothing has been decided.
    pub state: Vec<String>,
    pub pool: Vec<String>,
    pub queue: Vec<String>,
    pub operator: Vec<String>,
    pub version_number: Vec<u32>,
    pub try_number: Vec<u32>,
    pub map_index: Vec<i32>,
    pub dag_id_pattern: Option<String>,
    pub run_id_pattern: Option<String>,
}

impl Filter {
    /// The filter below a path's DAG and run, each `~` for all.
    pub fn instances(self, dag_id: String, run_id: String, spans: &Spans) -> Answer<InstanceFilter> {
        Ok(InstanceFilter {
            dag_id: lookup::unless_all(dag_id),
            run_id: lookup::unless_all(run_id),
            task_ids: self.task_id.into_iter().collect(),
            map_indexes: self.map_index,
            states: states(&self.state)?,
            pools: self.pool,
            queues: self.queue,
            operators: self.operator,
            try_numbers: self.try_number,
            dag_versions: self.version_number,
            dag_id_pattern: pattern(self.dag_id_pattern),
            run_id_pattern: pattern(self.run_id_pattern),
            logical_date: spans.logical_date(),
            run_after: spans.run_after(),
            started_at: spans.started_at(),
            ended_at: spans.ended_at(),
            ..InstanceFilter::default()
        })
    }
}

/// Task instances of a run; `~` for all DAGs or all runs.
#[utoipa::path(get, path = "/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances", tag = "Task Instance",
    operation_id = "get_task_instances",
    params(("dag_id" = String, Path), ("dag_run_id" = String, Path), PageQuery, CursorQuery, Spans, Filter),
    responses((status = 200, body = TaskInstanceCollection), Refusals))]
#[expect(clippy::too_many_arguments, reason = "one extractor for each part of the request")]
pub async fn get_task_instances(
    State(state): State<ApiState>,
    principal: Principal,
    Path((dag_id, run_id)): Path<(String, String)>,
    _: Unsupported,
    Query(page): Query<PageQuery>,
    Query(cursor): Query<CursorQuery>,
    Query(spans): Query<Spans>,
    Query(filter): Query<Filter>,
) -> Answer<Json<TaskInstanceCollection>> {
    principal.may(Action::Read, Resource::TaskInstance)?;
    let mut page = page.page(ORDER)?;
    cursor.apply(&mut page)?;
    let filter = filter.instances(dag_id, run_id, &spans)?;
    match (&filter.dag_id, &filter.run_id) {
        (Some(dag_id), Some(run_id)) => {
            lookup::run(&*state.store, principal.tenant, dag_id, run_id).await?;
        }
        (Some(dag_id), None) => {
            lookup::dag(&*state.store, principal.tenant, dag_id).await?;
        }
        (None, _) => {}
    }
    let rows = state.store.list_instances(principal.tenant, &filter, &page).await?;
    let entries = cursor.entries(&page, rows.total);
    let task_instances = responses(&*state.store, principal.tenant, &rows.items).await?;
    Ok(Json(TaskInstanceCollection { task_instances, entries }))
}
