//! `/dagWarnings`: DAGs that something is the matter with that was not when they were sent.

use std::collections::{BTreeSet, HashSet};

use airlock_core::access::{Action, Resource};
use airlock_store::dags::{DagFilter, DagRow};
use airlock_store::{Page, Store, StoreResult};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use airlock_core::id::TenantId;

use crate::extract::{Order, PageQuery, Principal, Query};
use crate::models::{DagWarningCollection, DagWarningResponse, display_name};
use crate::problem::{Answer, Problem, Refusals};
use crate::state::ApiState;

const ORDER: &Order =
    &[("dag_id", "dag_id"), ("warning_type", "warning_type"), ("message", "message"), ("timestamp", "timestamp")];

/// Airflow's kinds of warnings. Only the first can come about here: an asset is the same for whoever names it, and a document
/// does not vary while it runs.
const NO_POOL: &str = "non-existent pool";
const KINDS: [&str; 3] = [NO_POOL, "asset conflict", "runtime varying value"];

/// DAGs that are read at once.
const BATCH: u32 = 500;

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct Filter {
    dag_id: Option<String>,
    warning_type: Option<String>,
}

/// Warnings: DAGs with tasks in pools that are gone.
#[utoipa::path(get, path = "/dagWarnings", tag = "DagWarning", operation_id = "list_dag_warnings", params(PageQuery, Filter),
    responses((status = 200, body = DagWarningCollection), Refusals))]
pub async fn list_dag_warnings(
    State(state): State<ApiState>,
    principal: Principal,
    Query(page): Query<PageQuery>,
    Query(filter): Query<Filter>,
) -> Answer<Json<DagWarningCollection>> {
    principal.may(Action::Read, Resource::Dag)?;
    let page = page.page(ORDER)?;
    if let Some(kind) = filter.warning_type.as_deref().filter(|kind| !KINDS.contains(kind)) {
        let detail = format!("the parameter `warning_type` is `{kind}`; valid are {}", KINDS.join(", "));
        return Err(Problem::invalid("", detail));
    }
    let mut warnings = match filter.warning_type.as_deref() {
        None | Some(NO_POOL) => without_pools(&*state.store, principal.tenant, filter.dag_id).await?,
        Some(_) => Vec::new(),
    };
    sort(&mut warnings, &page);
    let total_entries = warnings.len() as u64;
    let dag_warnings = warnings.into_iter().skip(page.offset as usize).take(page.limit as usize).collect();
    Ok(Json(DagWarningCollection { dag_warnings, total_entries }))
}

async fn without_pools(
    store: &dyn Store,
    tenant: TenantId,
    dag_id: Option<String>,
) -> StoreResult<Vec<DagWarningResponse>> {
    let every = Page { limit: u32::MAX, ..Page::default() };
    let pools = store.list_pools(tenant, &Default::default(), &every).await?.items;
    let pools: HashSet<String> = pools.into_iter().map(|(pool, _)| pool.name).collect();
    let filter = DagFilter { dag_ids: dag_id.map(|id| vec![id]), ..DagFilter::default() };
    let mut warnings = Vec::new();
    let mut page = Page { limit: BATCH, ..Page::default() };
    loop {
        let dags = store.list_dags(tenant, &filter, &page).await?;
        warnings.extend(dags.items.iter().filter_map(|row| warning(row, &pools)));
        page.offset += BATCH;
        if u64::from(page.offset) >= dags.total {
            return Ok(warnings);
        }
    }
}

fn warning(row: &DagRow, pools: &HashSet<String>) -> Option<DagWarningResponse> {
    let used = row.dag.tasks.iter().map(|task| task.pool.as_str());
    let missing: BTreeSet<&str> = used.filter(|pool| !pools.contains(*pool)).collect();
    let names = missing.iter().map(|pool| format!("'{pool}'")).collect::<Vec<_>>().join(", ");
    (!missing.is_empty()).then(|| DagWarningResponse {
        dag_id: row.dag_id.clone(),
        warning_type: NO_POOL,
        message: format!("Dag '{}' references non-existent pools: [{names}]", row.dag_id),
        timestamp: row.updated_at,
        dag_display_name: display_name(&row.dag),
    })
}

fn sort(warnings: &mut [DagWarningResponse], page: &Page) {
    for (field, descending) in page.order_by.iter().rev() {
        warnings.sort_by(|left, right| {
            let ordering = match field.as_str() {
                "timestamp" => left.timestamp.cmp(&right.timestamp),
                "message" => left.message.cmp(&right.message),
                "dag_id" => left.dag_id.cmp(&right.dag_id),
                _ => std::cmp::Ordering::Equal,
            };
            if *descending { ordering.reverse() } else { ordering }
        });
    }
}
