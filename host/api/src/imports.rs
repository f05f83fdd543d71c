//! Airflow's plugins and import errors. Nothing here is imported: a document is checked when it is sent, and refused with every
//! fault at once; what extends the server runs in the sandbox. These lists are empty, so that clients that look find nothing
//! wrong.

use airlock_core::access::{Action, Resource};
use axum::Json;

use crate::extract::{PageQuery, Path, Principal, Query};
use crate::models::{ImportErrorCollection, PluginCollection};
use crate::problem::{Answer, Problem, Refusals};

/// Always empty.
#[utoipa::path(get, path = "/importErrors", tag = "Import Error", operation_id = "get_import_errors", params(PageQuery),
    responses((status = 200, body = ImportErrorCollection), Refusals))]
pub async fn get_import_errors(principal: Principal, _: Query<PageQuery>) -> Answer<Json<ImportErrorCollection>> {
    principal.may(Action::Read, Resource::Dag)?;
    Ok(Json(ImportErrorCollection::default()))
}

/// There is none.
#[utoipa::path(get, path = "/importErrors/{import_error_id}", tag = "Import Error", operation_id = "get_import_error",
    params(("import_error_id" = i64, Path)), responses(Refusals))]
pub async fn get_import_error(principal: Principal, Path(id): Path<i64>) -> Answer<()> {
    principal.may(Action::Read, Resource::Dag)?;
    Err(Problem::not_found(format!("The ImportError with import_error_id: `{id}` was not found")))
}

/// Always empty.
#[utoipa::path(get, path = "/plugins", tag = "Plugin", operation_id = "get_plugins", params(PageQuery),
    responses((status = 200, body = PluginCollection), Refusals))]
pub async fn get_plugins(principal: Principal, _: Query<PageQuery>) -> Answer<Json<PluginCollection>> {
    principal.may(Action::Read, Resource::Operator)?;
    Ok(Json(PluginCollection::default()))
}

/// Always empty.
#[utoipa::path(get, path = "/plugins/importErrors", tag = "Plugin", operation_id = "import_errors",
    responses((status = 200, body = ImportErrorCollection), Refusals))]
pub async fn get_plugin_import_errors(principal: Principal) -> Answer<Json<ImportErrorCollection>> {
    principal.may(Action::Read, Resource::Operator)?;
    Ok(Json(ImportErrorCollection::default()))
}
