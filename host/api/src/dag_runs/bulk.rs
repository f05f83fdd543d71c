use std::fmt;

use airlock_core::access::Resource;
use async_trait::async_trait;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::Value;

use super::{delete, patch};
use crate::bulk::{BulkBody, BulkResponse, BulkTarget, perform};
use crate::extract::{Patch, Path, Principal, ValidJson};
use crate::lookup;
use crate::models::{BulkDagRunBody, DagRunPatchBody};
use crate::problem::{Answer, Problem, Refusals};
use crate::state::ApiState;

/// Changes and removes several runs; `~` for all DAGs, which each entity then names.
#[utoipa::path(patch, path = "/dags/{dag_id}/dagRuns", tag = "DagRun", operation_id = "bulk_dag_runs",
    params(("dag_id" = String, Path)), request_body = BulkBody,
    responses((status = 200, body = BulkResponse), Refusals))]
pub async fn bulk_dag_runs(
    State(state): State<ApiState>,
    principal: Principal,
    Path(dag_id): Path<String>,
    ValidJson(body): ValidJson<BulkBody>,
) -> Answer<Json<BulkResponse>> {
    if dag_id != lookup::ALL {
        lookup::dag(&*state.store, principal.tenant, &dag_id).await?;
    }
    perform(&Runs { state: &state, principal: &principal, dag_id }, &principal, body).await.map(Json)
}

struct Runs<'a> {
    state: &'a ApiState,
    principal: &'a Principal,
    dag_id: String,
}

/// A DAG and one of its runs.
pub(super) struct RunName {
    pub dag_id: String,
    pub run_id: String,
}

impl fmt::Display for RunName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.dag_id, self.run_id)
    }
}

/// The run that an entity names below a path.
pub(super) fn run_name(path: &str, dag_id: Option<&str>, run_id: &str) -> Answer<RunName> {
    let dag_id = match dag_id {
        Some(dag_id) if path == lookup::ALL || path == dag_id => dag_id,
        Some(dag_id) => {
            return Err(Problem::bad_request(format!("`dag_id` is `{dag_id}`, and the path says `{path}`")));
        }
        None if path == lookup::ALL => {
            return Err(Problem::bad_request("`dag_id` is missing, and the path says `~`"));
        }
        None => path,
    };
    Ok(RunName { dag_id: dag_id.to_owned(), run_id: run_id.to_owned() })
}

#[async_trait]
impl BulkTarget for Runs<'_> {
    type Body = BulkDagRunBody;
    type Key = RunName;
    const RESOURCE: Resource = Resource::DagRun;
    const KEY: &'static str = "dag_run_id";

    fn key(&self, body: &BulkDagRunBody) -> Answer<RunName> {
        run_name(&self.dag_id, body.dag_id.as_deref(), &body.dag_run_id)
    }

    fn named(&self, entity: &Value) -> Option<Answer<RunName>> {
        let text = |member: &str| entity.get(member).and_then(Value::as_str);
        let run_id = entity.as_str().or_else(|| text(Self::KEY))?;
        Some(run_name(&self.dag_id, text("dag_id"), run_id))
    }

    async fn exists(&self, key: &RunName) -> Answer<bool> {
        Ok(self.state.store.run(self.principal.tenant, &key.dag_id, &key.run_id).await?.is_some())
    }

    async fn create(&self, _: BulkDagRunBody) -> Answer<()> {
        let detail = "runs cannot be made in bulk: trigger them one by one, or make a backfill";
        Err(Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail))
    }

    async fn update(&self, patch: &Patch<BulkDagRunBody>, mask: &[String]) -> Answer<()> {
        let RunName { dag_id, run_id } = self.key(&patch.body)?;
        let run = lookup::run(&*self.state.store, self.principal.tenant, &dag_id, &run_id).await?;
        let patch = patch.map(|body| DagRunPatchBody { state: body.state, note: body.note.clone() });
        patch::apply(self.state, self.principal, &run, &patch, mask).await
    }

    async fn delete(&self, key: &RunName) -> Answer<bool> {
        delete::delete(self.state, self.principal.tenant, &key.dag_id, &key.run_id).await.map(|()| true)
    }
}
