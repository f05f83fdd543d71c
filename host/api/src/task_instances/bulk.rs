use std::fmt;

use airlock_core::access::Resource;
use airlock_store::Page;
use airlock_store::instances::InstanceFilter;
use async_trait::async_trait;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::Value;

use super::delete;
use super::marking::{Marking, Target};
use crate::bulk::{BulkBody, BulkResponse, BulkTarget, perform};
use crate::extract::{Patch, Path, Principal, ValidJson};
use crate::lookup::{self, ALL};
use crate::models::{BulkTaskInstanceBody, PatchTaskInstanceBody};
use crate::problem::{Answer, Problem, Refusals};
use crate::state::ApiState;

/// Changes and removes several task instances of a run; `~` for all DAGs or all runs, which each entity then names.
#[utoipa::path(patch, path = "/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances", tag = "Task Instance",
    operation_id = "bulk_task_instances", params(("dag_id" = String, Path), ("dag_run_id" = String, Path)),
    request_body = BulkBody, responses((status = 200, body = BulkResponse), Refusals))]
pub async fn bulk_task_instances(
    State(state): State<ApiState>,
    principal: Principal,
    Path((dag_id, run_id)): Path<(String, String)>,
    ValidJson(body): ValidJson<BulkBody>,
) -> Answer<Json<BulkResponse>> {
    if dag_id != ALL {
        lookup::dag(&*state.store, principal.tenant, &dag_id).await?;
        if run_id != ALL {
            lookup::run(&*state.store, principal.tenant, &dag_id, &run_id).await?;
        }
    }
    perform(&Instances { state: &state, principal: &principal, dag_id, run_id }, &principal, body).await.map(Json)
}

struct Instances<'a> {
    state: &'a ApiState,
    principal: &'a Principal,
    dag_id: String,
    run_id: String,
}

struct Key {
    dag_id: String,
    run_id: String,
    task_id: String,
    /// None: every instance of the task.
    map_index: Option<i32>,
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}.{}[{}]", self.dag_id, self.run_id, self.task_id, self.map_index.unwrap_or(-1))
    }
}

impl Instances<'_> {
    fn key_of(&self, dag_id: Option<&str>, run_id: Option<&str>, task_id: &str, map_index: Option<i32>) -> Answer<Key> {
        let part = |given: Option<&str>, path: &str, member: &str| match (given, path) {
            (Some(given), path) if path == ALL || path == given => Ok(given.to_owned()),
            (Some(given), path) => {
                Err(Problem::bad_request(format!("`{member}` is `{given}`, and the path says `{path}`")))
            }
            (None, ALL) => Err(Problem::bad_request(format!("`{member}` is missing, and the path says `~`"))),
            (None, path) => Ok(path.to_owned()),
        };
        Ok(Key {
            dag_id: part(dag_id, &self.dag_id, "dag_id")?,
            run_id: part(run_id, &self.run_id, "dag_run_id")?,
            task_id: task_id.to_owned(),
            map_index,
        })
    }
}

#[async_trait]
impl BulkTarget for Instances<'_> {
    type Body = BulkTaskInstanceBody;
    type Key = Key;
    const RESOURCE: Resource = Resource::TaskInstance;
    const KEY: &'static str = "task_id";

    fn key(&self, body: &BulkTaskInstanceBody) -> Answer<Key> {
        self.key_of(body.dag_id.as_deref(), body.dag_run_id.as_deref(), &body.task_id, body.map_index)
    }

    fn named(&self, entity: &Value) -> Option<Answer<Key>> {
        if let Some(task_id) = entity.as_str() {
            return Some(self.key_of(None, None, task_id, None));
        }
        let text = |member: &str| entity.get(member).and_then(Value::as_str);
        let map_index = entity.get("map_index").and_then(Value::as_i64).and_then(|index| i32::try_from(index).ok());
        Some(self.key_of(text("dag_id"), text("dag_run_id"), text(Self::KEY)?, map_index))
    }

    async fn exists(&self, key: &Key) -> Answer<bool> {
        let filter = InstanceFilter {
            dag_id: Some(key.dag_id.clone()),
            run_id: Some(key.run_id.clone()),
            task_ids: vec![key.task_id.clone()],
            map_indexes: key.map_index.into_iter().collect(),
            ..InstanceFilter::default()
        };
        let page = Page { limit: 1, ..Page::default() };
        Ok(self.state.store.list_instances(self.principal.tenant, &filter, &page).await?.total > 0)
    }

    async fn create(&self, _: BulkTaskInstanceBody) -> Answer<()> {
        let detail = "task instances cannot be made: a run makes them";
        Err(Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail))
    }

    async fn update(&self, patch: &Patch<BulkTaskInstanceBody>, mask: &[String]) -> Answer<()> {
        let key = self.key(&patch.body)?;
        let target = Target::Task(key.task_id, key.map_index);
        let patch = patch.map(|body| PatchTaskInstanceBody {
            new_state: body.new_state,
            note: body.note.clone(),
            include_upstream: body.include_upstream,
            include_downstream: body.include_downstream,
            include_future: body.include_future,
            include_past: body.include_past,
        });
        Marking::new(self.state, self.principal, (&key.dag_id, &key.run_id), target, &patch, mask)
            .await?
            .apply()
            .await
            .map(drop)
    }

    async fn delete(&self, key: &Key) -> Answer<bool> {
        let path = (key.dag_id.as_str(), key.run_id.as_str(), key.task_id.as_str());
        delete::delete(self.state, self.principal, path, key.map_index).await.map(|()| true)
    }
}
