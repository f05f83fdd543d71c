use std::collections::HashMap;

use airlock_core::access::{Action, Resource};
use airlock_store::xcoms::XComFilter;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::TaskPath;
use crate::extract::{Order, PageQuery, Path, Principal, Query, Spans, Unsupported, pattern};
use crate::lookup;
use crate::models::{XComCollection, XComResponse};
use crate::problem::{Answer, Refusals};
use crate::state::ApiState;

const ORDER: &Order = &[
    ("key", "key"),
    ("dag_id", "dag_id"),
    ("run_id", "run_id"),
    ("task_id", "task_id"),
    ("map_index", "map_index"),
    ("timestamp", "timestamp"),
    ("run_after", "run_after"),
];

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct Filter {
    xcom_key: Option<String>,
    xcom_key_pattern: Option<String>,
    xcom_key_prefix_pattern: Option<String>,
    dag_id_pattern: Option<String>,
    dag_id_prefix_pattern: Option<String>,
    dag_display_name_pattern: Option<String>,
    dag_display_name_prefix_pattern: Option<String>,
    run_id_pattern: Option<String>,
    run_id_prefix_pattern: Option<String>,
    task_id_pattern: Option<String>,
    task_id_prefix_pattern: Option<String>,
    map_index: Option<i32>,
    map_index_filter: Option<i32>,
}

/// XComs without their values; `~` for all DAGs, all runs or all tasks.
#[utoipa::path(get, path = "/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/xcomEntries", tag = "XCom",
    operation_id = "get_xcom_entries",
    params(("dag_id" = String, Path), ("dag_run_id" = String, Path), ("task_id" = String, Path), PageQuery, Spans,
        Filter),
    responses((status = 200, body = XComCollection), Refusals))]
pub async fn get_xcom_entries(
    State(state): State<ApiState>,
    principal: Principal,
    Path((dag_id, run_id, task_id)): Path<TaskPath>,
    _: Unsupported,
    Query(page): Query<PageQuery>,
    Query(spans): Query<Spans>,
    Query(filter): Query<Filter>,
) -> Answer<Json<XComCollection>> {
    principal.may(Action::Read, Resource::XCom)?;
    let (store, tenant) = (&*state.store, principal.tenant);
    let filter = XComFilter {
        dag_id: lookup::unless_all(dag_id),
        run_id: lookup::unless_all(run_id),
        task_id: lookup::unless_all(task_id),
        key: filter.xcom_key,
        map_index: filter.map_index.or(filter.map_index_filter),
        key_pattern: pattern(&filter.xcom_key_pattern, &filter.xcom_key_prefix_pattern),
        dag_id_pattern: pattern(&filter.dag_id_pattern, &filter.dag_id_prefix_pattern),
        dag_display_name_pattern: pattern(&filter.dag_display_name_pattern, &filter.dag_display_name_prefix_pattern),
        run_id_pattern: pattern(&filter.run_id_pattern, &filter.run_id_prefix_pattern),
        task_id_pattern: pattern(&filter.task_id_pattern, &filter.task_id_prefix_pattern),
        logical_date: spans.logical_date(),
        run_after: spans.run_after(),
    };
    let rows = store.list_xcoms(tenant, &filter, &page.page(ORDER)?).await?;
    let mut dags = HashMap::new();
    let mut xcom_entries = Vec::with_capacity(rows.items.len());
    for row in &rows.items {
        if !dags.contains_key(&row.dag_id) {
            dags.insert(row.dag_id.clone(), store.dag(tenant, &row.dag_id).await?);
        }
        let dag = dags.get(&row.dag_id).and_then(Option::as_ref).map(|dag| &*dag.dag);
        xcom_entries.push(XComResponse::new(row, dag));
    }
    Ok(Json(XComCollection { xcom_entries, total_entries: rows.total }))
}
