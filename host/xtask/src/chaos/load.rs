//! What people and other systems ask for meanwhile, at random.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use airlock_tests::Api;
use anyhow::{Context, Result, bail};
use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use super::dags::{self, DAILY, EVENTS, PAST};
use super::dice::Dice;

/// Requests that are made at the same time.
const CLIENTS: u64 = 4;
/// No more runs are begun while so many are unfinished: what is tested is not a traffic jam.
const UNFINISHED: i64 = 24;
/// A server that cannot reach its database may take its time; the load does not wait for it.
const PATIENCE: Duration = Duration::from_secs(4);

pub const TENANTS: &[&str] = &["default", "other"];

/// The API as a tenant's administrator, by each of its processes.
#[derive(Clone)]
pub struct Tenant {
    name: &'static str,
    apis: Vec<Api>,
}

#[derive(Clone)]
pub struct Load {
    tenants: Vec<Tenant>,
    database: PgPool,
    /// Runs that were begun: tenant, DAG, run.
    begun: Arc<Mutex<Vec<(usize, String, String)>>>,
    days: Arc<AtomicU64>,
    counts: Arc<Mutex<HashMap<&'static str, u32>>>,
}

impl Load {
    /// Makes the tenants, and everything that their DAGs need.
    pub async fn prepare(urls: &[String], token: &str, database: PgPool, home: &std::path::Path) -> Result<Self> {
        let apis: Vec<Api> = urls.iter().map(|url| Api::new(url, token)).collect::<Result<_>>()?;
        let first = apis.first().context("no API")?;
        let made =
            first.post("/api/v2/tenants", &json!({ "name": TENANTS[1], "admin": { "username": "admin" } })).await?;
        let password = made["admin"]["password"].as_str().context("no password")?;
        let theirs = first.login(&format!("{}/admin", TENANTS[1]), password).await?;
        let others =
            urls.iter().map(|url| Ok(Api::new(url, token)?.with_token(theirs.token()))).collect::<Result<_>>()?;
        let tenants = vec![Tenant { name: TENANTS[0], apis: apis.clone() }, Tenant { name: TENANTS[1], apis: others }];
        for tenant in &tenants {
            let api = tenant.apis.first().context("no API")?;
            let policy = format!("/api/v2/tenants/{}/policy", tenant.name);
            first.put(&policy, &json!({ "host_folders": [home] })).await?;
            for operator in ["bash", "sql", "sql-sensor", "event-sensor"] {
                api.push(operator).await?;
            }
            let chance = json!({ "connection_id": "chance", "conn_type": "sqlite", "host": home.join("chance.db") });
            api.post("/api/v2/connections", &chance).await?;
            api.post("/api/v2/pools", &json!({ "name": dags::POOL, "slots": dags::SLOTS })).await?;
            for dag in dags::all() {
                api.apply(&dag).await?;
            }
        }
        Ok(Self { tenants, database, begun: Arc::default(), days: Arc::default(), counts: Arc::default() })
    }

    /// Asks for things until it is over.
    pub async fn run(&self, dice: &mut Dice, over: &CancellationToken) {
        let clients = (0..CLIENTS).map(|_| {
            let (load, mut dice, over) = (self.clone(), dice.split(), over.clone());
            tokio::spawn(async move {
                while !over.is_cancelled() {
                    load.ask(&mut dice).await;
                    tokio::time::sleep(Duration::from_millis(dice.between(50, 300))).await;
                }
            })
        });
        for client in clients.collect::<Vec<_>>() {
            let _ = client.await;
        }
    }

    /// What was asked for and answered, by kind.
    pub fn counts(&self) -> Vec<(&'static str, u32)> {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut counts: Vec<_> = counts.iter().map(|(name, count)| (*name, *count)).collect();
        counts.sort_unstable();
        counts
    }

    /// The events for which tasks wait, once for each tenant.
    pub async fn post_events(&self) {
        for tenant in 0..self.tenants.len() {
            for event in EVENTS {
                let _ = self.request(tenant, 0, "POST", &format!("/api/v2/triggerEvents/{event}"), json!({})).await;
            }
        }
    }

    async fn ask(&self, dice: &mut Dice) {
        let kinds = [
            (60, "trigger"),
            (14, "event"),
            (8, "clear"),
            (5, "mark task"),
            (3, "mark run"),
            (2, "clear run"),
            (2, "backfill"),
        ];
        let Some(kind) = dice.weighed(&kinds) else { return };
        let tenant = usize::try_from(dice.below(self.tenants.len() as u64)).unwrap_or(0);
        let by = usize::try_from(dice.below(2)).unwrap_or(0);
        let asked = match kind {
            "trigger" => self.trigger(tenant, by, dice).await,
            "event" => {
                let event = dice.pick(EVENTS).copied().unwrap_or_default();
                self.request(tenant, by, "POST", &format!("/api/v2/triggerEvents/{event}"), json!({})).await.map(drop)
            }
            "backfill" => self.backfill(tenant, by, dice).await,
            _ => self.touch(kind, by, dice).await,
        };
        // Refusals and failures are to be expected: what counts is what the database says in the end.
        if asked.is_ok() {
            *self.counts.lock().unwrap_or_else(PoisonError::into_inner).entry(kind).or_default() += 1;
        }
    }

    async fn request(&self, tenant: usize, by: usize, method: &str, path: &str, body: Value) -> Result<Value> {
        let tenant = &self.tenants[tenant];
        let api = tenant.apis.get(by).or(tenant.apis.first()).context("no API")?;
        tokio::time::timeout(PATIENCE, api.send(method.parse()?, path, Some(&body))).await?
    }

    async fn trigger(&self, tenant: usize, by: usize, dice: &mut Dice) -> Result<()> {
        let unfinished = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM active_runs").fetch_one(&self.database);
        if unfinished.await? >= UNFINISHED {
            bail!("enough is under way");
        }
        let dags: Vec<String> = dags::all().iter().filter_map(|dag| Some(dag["dag_id"].as_str()?.to_owned())).collect();
        let dag = dice.pick(&dags).context("no DAG")?;
        let hours = i64::try_from(self.days.fetch_add(1, Ordering::Relaxed))?;
        let date = (dag == PAST).then(|| Utc::now() - TimeDelta::days(900) + TimeDelta::hours(hours));
        let body = json!({ "logical_date": date, "dag_run_id": format!("r{hours}") });
        let begun = self.request(tenant, by, "POST", &format!("/api/v2/dags/{dag}/dagRuns"), body).await;
        // Also if the answer was lost.
        self.begun.lock().unwrap_or_else(PoisonError::into_inner).push((tenant, dag.clone(), format!("r{hours}")));
        begun.map(drop)
    }

    async fn backfill(&self, tenant: usize, by: usize, dice: &mut Dice) -> Result<()> {
        let day = dice.between(1, 20);
        let body = json!({
            "dag_id": DAILY, "from_date": format!("2024-01-{day:02}T00:00:00Z"), "to_date": format!("2024-01-{:02}T00:00:00Z", day + 5),
            "max_active_runs": 2, "reprocess_behavior": "completed", "run_backwards": dice.below(2) == 0,
        });
        self.request(tenant, by, "POST", "/api/v2/backfills", body).await.map(drop)
    }

    /// Changes a run from outside.
    async fn touch(&self, kind: &str, by: usize, dice: &mut Dice) -> Result<()> {
        let picked = {
            let begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
            // The newest are those that are under way.
            let newest = &begun[begun.len().saturating_sub(30)..];
            dice.pick(newest).cloned()
        };
        let (tenant, dag_id, run_id) = picked.context("no run has begun")?;
        sqlx::query("INSERT INTO chaos.touched VALUES ($1, $2, $3)")
            .bind(self.tenants[tenant].name)
            .bind(&dag_id)
            .bind(&run_id)
            .execute(&self.database)
            .await?;
        let run = format!("/api/v2/dags/{dag_id}/dagRuns/{run_id}");
        // What failed for good keeps everything after it from going on, for ever.
        let states: &[&str] = if dag_id == PAST { &["success"] } else { &["success", "failed"] };
        let state = dice.pick(states).copied().unwrap_or("success");
        match kind {
            "mark run" => self.request(tenant, by, "PATCH", &run, json!({ "state": state })).await?,
            "clear run" => {
                self.request(tenant, by, "POST", &format!("{run}/clear"), json!({ "dry_run": false })).await?
            }
            _ => {
                let dag = dags::all().into_iter().find(|dag| dag["dag_id"] == dag_id).unwrap_or_default();
                let tasks = dag["tasks"].as_array().cloned().unwrap_or_default();
                let task = dice.pick(&tasks).context("no task")?["task_id"].clone();
                if kind == "mark task" {
                    let path = format!("{run}/taskInstances/{}", task.as_str().unwrap_or_default());
                    self.request(tenant, by, "PATCH", &path, json!({ "new_state": state })).await?
                } else {
                    let body = json!({ "dag_run_id": run_id, "task_ids": [task], "include_downstream": true,
                        "only_failed": false, "reset_dag_runs": true, "dry_run": false });
                    self.request(tenant, by, "POST", &format!("/api/v2/dags/{dag_id}/clearTaskInstances"), body).await?
                }
            }
        };
        Ok(())
    }
}
