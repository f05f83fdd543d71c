//! Which runs a request is about that reaches beyond one.

use airlock_core::id::TenantId;
use airlock_store::runs::{RunFilter, RunRow, Span};
use airlock_store::{Page, Store};

use crate::problem::{Answer, Problem};

/// Runs of one request. Each is loaded, decided on and written by itself while the caller waits.
const MOST: u32 = 1000;

/// The runs of a DAG whose logical date is in the span, the earliest first; all of them if it has no ends.
///
/// # Errors
/// 400 if there are too many for one request.
pub async fn within(store: &dyn Store, tenant: TenantId, dag_id: &str, logical_date: Span) -> Answer<Vec<RunRow>> {
    let filter = RunFilter { dag_id: Some(dag_id.to_owned()), logical_date, ..RunFilter::default() };
    let order_by = vec![("logical_date".to_owned(), false), ("id".to_owned(), false)];
    let found = store.list_runs(tenant, &filter, &Page { limit: MOST, offset: 0, order_by }).await?;
    if found.total > u64::from(MOST) {
        return Err(Problem::bad_request(format!(
            "this concerns {} runs of `{dag_id}`, and one request may concern {MOST}: name runs, or bound their logical dates",
            found.total
        )));
    }
    Ok(found.items)
}
