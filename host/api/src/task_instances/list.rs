use airlock_core::access::{Action, Resource};
use airlock_core::id::TenantId;
use airlock_core::run::Plan;
use airlock_store::instances::InstanceFilter;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{ORDER, responses, states};
use crate::extract::{CursorQuery, Durations, PageQuery, Path, Principal, Query, Spans, Unsupported, pattern};
use crate::lookup;
use crate::models::TaskInstanceCollection;
use crate::problem::{Answer, Problem, Refusals};
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
    pub pool_name_pattern: Option<String>,
    pub pool_name_prefix_pattern: Option<String>,
    pub queue_name_pattern: Option<String>,
    pub queue_name_prefix_pattern: Option<String>,
    pub operator_name_pattern: Option<String>,
    pub operator_name_prefix_pattern: Option<String>,
    pub rendered_map_index_pattern: Option<String>,
    pub rendered_map_index_prefix_pattern: Option<String>,
    pub dag_id_pattern: Option<String>,
    pub dag_id_prefix_pattern: Option<String>,
    pub run_id_pattern: Option<String>,
    pub run_id_prefix_pattern: Option<String>,
}

impl Filter {
    /// The filter below a path's DAG and run, each `~` for all.
    pub fn instances(
        self,
        dag_id: String,
        run_id: String,
        spans: &Spans,
        durations: &Durations,
    ) -> Answer<InstanceFilter> {
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
            dag_id_pattern: pattern(&self.dag_id_pattern, &self.dag_id_prefix_pattern),
            run_id_pattern: pattern(&self.run_id_pattern, &self.run_id_prefix_pattern),
            pool_pattern: pattern(&self.pool_name_pattern, &self.pool_name_prefix_pattern),
            queue_pattern: pattern(&self.queue_name_pattern, &self.queue_name_prefix_pattern),
            operator_pattern: pattern(&self.operator_name_pattern, &self.operator_name_prefix_pattern),
            rendered_map_index_pattern: pattern(
                &self.rendered_map_index_pattern,
                &self.rendered_map_index_prefix_pattern,
            ),
            logical_date: spans.logical_date(),
            run_after: spans.run_after(),
            started_at: spans.started_at(),
            ended_at: spans.ended_at(),
            updated_at: spans.updated_at(),
            duration: durations.range(),
            ..InstanceFilter::default()
        })
    }
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct InGroup {
    /// Only of tasks inside of this task group; of one DAG.
    task_group_id: Option<String>,
}

impl InGroup {
    /// The tasks of a group are those that the newest version of the DAG has in it.
    async fn restrict(&self, state: &ApiState, tenant: TenantId, filter: &mut InstanceFilter) -> Answer<()> {
        let Some(group) = &self.task_group_id else { return Ok(()) };
        let Some(dag_id) = &filter.dag_id else {
            return Err(Problem::bad_request("`task_group_id` is of one DAG: name it in the path"));
        };
        let row = lookup::dag(&*state.store, tenant, dag_id).await?;
        let plan = Plan::new(row.dag);
        let absent = || Problem::not_found(format!("Task group {group} not found"));
        let inside = plan.group_tasks(group).ok_or_else(absent)?;
        // A group without tasks has no instances, and an empty list would not restrict.
        let none = inside.is_empty().then_some("");
        filter.task_ids = inside.into_iter().chain(none).map(str::to_owned).collect();
        Ok(())
    }
}

/// Task instances of a run; `~` for all DAGs or all runs.
#[utoipa::path(get, path = "/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances", tag = "Task Instance",
    operation_id = "get_task_instances",
    params(("dag_id" = String, Path), ("dag_run_id" = String, Path), PageQuery, CursorQuery, Spans, Durations,
        InGroup, Filter),
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
    Query(durations): Query<Durations>,
    Query(group): Query<InGroup>,
    Query(filter): Query<Filter>,
) -> Answer<Json<TaskInstanceCollection>> {
    principal.may(Action::Read, Resource::TaskInstance)?;
    let mut page = page.page(ORDER)?;
    cursor.apply(&mut page)?;
    let mut filter = filter.instances(dag_id, run_id, &spans, &durations)?;
    match (&filter.dag_id, &filter.run_id) {
        (Some(dag_id), Some(run_id)) => {
            lookup::run(&*state.store, principal.tenant, dag_id, run_id).await?;
        }
        (Some(dag_id), None) => {
            lookup::dag(&*state.store, principal.tenant, dag_id).await?;
        }
        (None, _) => {}
    }
    group.restrict(&state, principal.tenant, &mut filter).await?;
    let rows = state.store.list_instances(principal.tenant, &filter, &page).await?;
    let entries = cursor.entries(&page, rows.total);
    let task_instances = responses(&*state.store, principal.tenant, &rows.items).await?;
    Ok(Json(TaskInstanceCollection { task_instances, entries }))
}
