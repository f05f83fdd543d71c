//! The HTTP API, as a test speaks to it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{PATIENCE, module};

/// How often a test looks whether something has come about.
const EVERY: Duration = Duration::from_millis(20);

/// One server, with one token.
#[derive(Clone)]
pub struct Api {
    http: reqwest::Client,
    base: String,
    token: String,
}

/// A refusal of the server.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{method} {path}: {status} {body}")]
pub struct Refusal {
    pub method: Method,
    pub path: String,
    pub status: StatusCode,
    pub body: Value,
}

/// What every test asks with. A client cannot be made before the process has a TLS provider, whichever test comes first.
pub fn http_client() -> Result<reqwest::Client> {
    // A second call finds it in place.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Ok(reqwest::Client::builder().timeout(PATIENCE).build()?)
}

impl Api {
    pub fn new(url: &str, token: &str) -> Result<Self> {
        Ok(Self { http: http_client()?, base: url.to_owned(), token: token.to_owned() })
    }

    /// The same server with another token.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.clone() }
    }

    pub fn token(&self) -> &str {
        &self.token
    }

    /// With the token of a login; the user's name is `TENANT/USER` outside the tenant `default`.
    pub async fn login(&self, username: &str, password: &str) -> Result<Self> {
        let answer = self.post("/auth/token", &json!({ "username": username, "password": password })).await?;
        Ok(self.with_token(answer["access_token"].as_str().context("no token")?))
    }

    pub async fn get(&self, path: &str) -> Result<Value> {
        self.send(Method::GET, path, None).await
    }

    /// An answer that is no JSON.
    pub async fn text(&self, path: &str) -> Result<String> {
        let answered = self.request(Method::GET, path).send().await?.error_for_status()?;
        Ok(answered.text().await?)
    }

    pub async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.send(Method::POST, path, Some(body)).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Result<Value> {
        self.send(Method::PUT, path, Some(body)).await
    }

    pub async fn patch(&self, path: &str, body: &Value) -> Result<Value> {
        self.send(Method::PATCH, path, Some(body)).await
    }

    pub async fn delete(&self, path: &str) -> Result<Value> {
        self.send(Method::DELETE, path, None).await
    }

    pub async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        let mut request = self.request(method.clone(), path);
        if let Some(body) = body {
            request = request.json(body);
        }
        Self::read(method, path, request.send().await?).await
    }

    /// The refusal that a request is expected to meet.
    pub async fn refused(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Refusal> {
        match self.send(method.clone(), path, body).await {
            Ok(answer) => bail!("{method} {path} was not refused: {answer}"),
            Err(error) => error.downcast(),
        }
    }

    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token)
    }

    async fn read(method: Method, path: &str, response: reqwest::Response) -> Result<Value> {
        let status = response.status();
        let text = response.text().await?;
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        if status.is_success() { Ok(body) } else { Err(Refusal { method, path: path.to_owned(), status, body }.into()) }
    }

    /// Uploads one of the project's operators.
    pub async fn push(&self, operator: &str) -> Result<Value> {
        self.upload(operator, "1.0.0", module(operator)?).await
    }

    pub async fn upload(&self, name: &str, version: &str, bytes: Vec<u8>) -> Result<Value> {
        let path = format!("/api/v2/operators/{name}/versions/{version}");
        let request = self.request(Method::PUT, &path).header("content-type", "application/wasm").body(bytes);
        Self::read(Method::PUT, &path, request.send().await?).await
    }

    /// Sends a DAG document under its own id.
    pub async fn apply(&self, dag: &Value) -> Result<Value> {
        let dag_id = dag["dag_id"].as_str().context("the document has no dag_id")?;
        self.put(&format!("/api/v2/dags/{dag_id}"), dag).await
    }

    /// Makes a run, and answers its id.
    pub async fn trigger(&self, dag_id: &str, conf: Value) -> Result<String> {
        self.trigger_with(dag_id, &json!({ "logical_date": null, "conf": conf })).await
    }

    /// The same with everything that the request may say.
    pub async fn trigger_with(&self, dag_id: &str, body: &Value) -> Result<String> {
        let run = self.post(&format!("/api/v2/dags/{dag_id}/dagRuns"), body).await?;
        Ok(run["dag_run_id"].as_str().context("the run has no id")?.to_owned())
    }

    /// Waits until the run ends, and answers the state that it ended in.
    pub async fn finished(&self, dag_id: &str, run_id: &str) -> Result<String> {
        let path = format!("/api/v2/dags/{dag_id}/dagRuns/{run_id}");
        let ended = |run: &Value| matches!(run["state"].as_str(), Some("success" | "failed"));
        match self.until(&path, ended).await {
            Ok(run) => Ok(run["state"].as_str().unwrap_or_default().to_owned()),
            Err(error) => {
                let instances = self.get(&format!("{path}/taskInstances")).await?;
                Err(error.context(format!("{instances:#}")))
            }
        }
    }

    /// Waits until what is found at the path is as `expected` says, and answers it.
    pub async fn until(&self, path: &str, expected: impl Fn(&Value) -> bool) -> Result<Value> {
        let end = Instant::now() + PATIENCE;
        loop {
            let found = self.get(path).await?;
            if expected(&found) {
                return Ok(found);
            }
            if Instant::now() > end {
                bail!("{path} did not become what was expected within {PATIENCE:?}: {found:#}");
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Waits until a task is in a state.
    pub async fn task_in_state(&self, dag_id: &str, run_id: &str, task_id: &str, state: &str) -> Result<Value> {
        let path = format!("/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}");
        // Instances are made a moment after their run.
        let end = Instant::now() + PATIENCE;
        while self.request(Method::GET, &path).send().await?.status() == StatusCode::NOT_FOUND && Instant::now() < end {
            tokio::time::sleep(EVERY).await;
        }
        self.until(&path, |task| task["state"] == state).await
    }

    /// The states of a run's tasks, by task id, sorted.
    pub async fn states(&self, dag_id: &str, run_id: &str) -> Result<Vec<(String, String)>> {
        let answer = self.get(&format!("/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances?limit=1000")).await?;
        let mut states: Vec<(String, String)> = answer["task_instances"]
            .as_array()
            .context("no instances")?
            .iter()
            .map(|task| (word(&task["task_id"]), word(&task["state"])))
            .collect();
        states.sort();
        Ok(states)
    }

    /// Every try of a task, oldest first.
    pub async fn tries(&self, dag_id: &str, run_id: &str, task_id: &str) -> Result<Vec<Value>> {
        let path = format!("/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/tries");
        Ok(self.get(&path).await?["task_instances"].as_array().context("no tries")?.clone())
    }

    /// The events of a try's log, a line each.
    pub async fn log(&self, dag_id: &str, run_id: &str, task_id: &str, try_number: u32) -> Result<String> {
        let path = format!(
            "/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/{try_number}?full_content=true"
        );
        let answer = self.get(&path).await?;
        let records = answer["content"].as_array().context("no content")?;
        Ok(records.iter().map(|record| word(&record["event"])).collect::<Vec<_>>().join("\n"))
    }

    pub async fn xcom(&self, dag_id: &str, run_id: &str, task_id: &str, key: &str) -> Result<Value> {
        let path = format!("/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/{key}");
        Ok(self.get(&path).await?["value"].clone())
    }
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
