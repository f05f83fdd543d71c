use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use airlock_core::access::{Action, Resource};
use airlock_store::runs::RunRow;
use airlock_store::xcoms::XComPull;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use futures::stream;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;

use crate::extract::{Path, Principal, Query};
use crate::lookup;
use crate::problem::{Answer, Problem, Refusals};
use crate::state::ApiState;

/// However often a client wants to look, the database is not asked more often.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(50);
const LONGEST_INTERVAL: Duration = Duration::from_secs(3600);

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct WaitQuery {
    /// Seconds between looks at the run; above 0.
    interval: f64,
    /// Tasks whose `return_value` is to be in the last line.
    #[serde(default)]
    result: Vec<String>,
}

/// Waits until a run has finished: a line of JSON at each look (`application/x-ndjson`).
///
/// With `Accept: application/json`, one JSON object at the end instead.
#[utoipa::path(get, path = "/dags/{dag_id}/dagRuns/{dag_run_id}/wait", tag = "DagRun",
    operation_id = "wait_dag_run_until_finished",
    params(("dag_id" = String, Path), ("dag_run_id" = String, Path), WaitQuery),
    responses((status = 200, body = String, content_type = "application/x-ndjson"), Refusals))]
pub async fn wait_dag_run_until_finished(
    State(state): State<ApiState>,
    principal: Principal,
    Path((dag_id, run_id)): Path<(String, String)>,
    Query(query): Query<WaitQuery>,
    headers: HeaderMap,
) -> Answer<Response> {
    principal.may(Action::Read, Resource::DagRun)?;
    if !(query.interval > 0.0 && query.interval.is_finite()) {
        return Err(Problem::invalid("", "the parameter `interval` must be a number of seconds above 0"));
    }
    let interval = Duration::try_from_secs_f64(query.interval).unwrap_or(LONGEST_INTERVAL);
    let interval = interval.clamp(SHORTEST_INTERVAL, LONGEST_INTERVAL);
    let run = lookup::run(&*state.store, principal.tenant, &dag_id, &run_id).await?;
    let whole = wants_one_object(&headers);
    let watch = Watch { state, run, results: query.result.into(), interval, whole, first: true };
    let lines = stream::unfold(Some(watch), |watch| async move { watch?.next().await });
    let content_type = if whole { "application/json" } else { "application/x-ndjson" };
    Ok(([(header::CONTENT_TYPE, content_type)], Body::from_stream(lines)).into_response())
}

/// Airflow's generated client asks for JSON and cannot read a stream of lines.
fn wants_one_object(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accept.contains("application/json") && !accept.contains("ndjson")
}

struct Watch {
    state: ApiState,
    run: RunRow,
    results: Arc<[String]>,
    interval: Duration,
    /// Whether only the end is of interest.
    whole: bool,
    first: bool,
}

type Chunk = Result<Bytes, Problem>;

impl Watch {
    /// The next chunk of the answer, and what is left to watch.
    async fn next(mut self) -> Option<(Result<Bytes, axum::Error>, Option<Self>)> {
        let chunk = self.look().await.map_err(|problem| axum::Error::new(std::io::Error::other(problem.detail)));
        let done = chunk.is_err() || self.run.state.is_finished();
        Some((chunk, (!done).then_some(self)))
    }

    async fn look(&mut self) -> Chunk {
        if !std::mem::take(&mut self.first) {
            tokio::time::sleep(self.interval).await;
            let run = &self.run;
            self.run = lookup::run(&*self.state.store, run.key.tenant, &run.dag_id, &run.run_id).await?;
        }
        if !self.run.state.is_finished() && self.whole {
            // White space before a JSON text has no meaning, and keeps the connection open.
            return Ok(Bytes::from_static(b" "));
        }
        let mut line = json!({ "state": self.run.state });
        if self.run.state.is_finished()
            && let Some(results) = self.results().await?
        {
            line["results"] = results;
        }
        Ok(format!("{line}\n").into())
    }

    async fn results(&self) -> Answer<Option<Value>> {
        if self.results.is_empty() {
            return Ok(None);
        }
        let pull = XComPull {
            run: self.run.key,
            task_ids: Some(&self.results),
            key: "return_value",
            map_indexes: None,
            include_prior_dates: false,
        };
        let mut results: BTreeMap<String, Vec<(i32, Value)>> = BTreeMap::new();
        for row in self.state.store.pull_xcoms(&pull).await? {
            results.entry(row.task_id).or_default().push((row.map_index, row.value));
        }
        // One value of a task that is not mapped, else the list of all.
        let value = |mut values: Vec<(i32, Value)>| match values.as_slice() {
            [(index, _)] if *index < 0 => values.remove(0).1,
            _ => values.into_iter().map(|(_, value)| value).collect(),
        };
        Ok((!results.is_empty())
            .then(|| results.into_iter().map(|(task_id, values)| (task_id, value(values))).collect()))
    }
}
