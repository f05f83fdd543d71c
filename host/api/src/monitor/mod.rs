//! `/version` and `/monitor/health`: what anybody may ask.

use airlock_store::StoreResult;
use airlock_store::health::ProcessRow;
use axum::Json;
use axum::extract::State;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::state::ApiState;

/// Airflow's `scheduler_health_check_threshold`.
pub const HEALTHY_FOR: TimeDelta = TimeDelta::seconds(30);

#[derive(Debug, Serialize, ToSchema)]
pub struct VersionInfo {
    version: &'static str,
    git_version: Option<&'static str>,
}

/// The version of Airlock.
#[utoipa::path(get, path = "/version", tag = "Version", operation_id = "get_version", security(()),
    responses((status = 200, body = VersionInfo)))]
pub async fn get_version() -> Json<VersionInfo> {
    Json(VersionInfo { version: env!("CARGO_PKG_VERSION"), git_version: None })
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HealthInfoResponse)]
pub struct Health {
    metadatabase: BaseHealth,
    scheduler: SchedulerHealth,
    triggerer: TriggererHealth,
    dag_processor: DagProcessorHealth,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BaseInfoResponse)]
struct BaseHealth {
    status: Option<&'static str>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SchedulerInfoResponse)]
struct SchedulerHealth {
    status: Option<&'static str>,
    latest_scheduler_heartbeat: Option<DateTime<Utc>>,
}

/// Workers do what a triggerer does: its heartbeat is the newest of theirs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TriggererInfoResponse)]
struct TriggererHealth {
    status: Option<&'static str>,
    latest_triggerer_heartbeat: Option<DateTime<Utc>>,
}

/// Documents are checked when they are sent: there is no DAG processor.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DagProcessorInfoResponse)]
struct DagProcessorHealth {
    status: Option<&'static str>,
    latest_dag_processor_heartbeat: Option<DateTime<Utc>>,
}

const fn word(healthy: bool) -> Option<&'static str> {
    Some(if healthy { "healthy" } else { "unhealthy" })
}

/// Whether the database answers, and when schedulers and workers were last heard of, wherever they are.
#[utoipa::path(get, path = "/monitor/health", tag = "Monitor", operation_id = "get_health", security(()),
    responses((status = 200, body = Health)))]
pub async fn get_health(State(state): State<ApiState>) -> Json<Health> {
    let processes = processes(&state).await;
    let is_there = processes.is_ok();
    let processes = processes.unwrap_or_else(|error| {
        tracing::error!(%error, "the database is not healthy");
        Vec::new()
    });
    let now = state.now();
    let (scheduler, worker) = (Heartbeat::of("scheduler", &processes, now), Heartbeat::of("worker", &processes, now));
    Json(Health {
        metadatabase: BaseHealth { status: word(is_there) },
        scheduler: SchedulerHealth { status: word(scheduler.is_alive), latest_scheduler_heartbeat: scheduler.latest },
        triggerer: TriggererHealth {
            // As in Airflow, where none has ever been there.
            status: worker.latest.and(word(worker.is_alive)),
            latest_triggerer_heartbeat: worker.latest,
        },
        dag_processor: DagProcessorHealth { status: None, latest_dag_processor_heartbeat: None },
    })
}

async fn processes(state: &ApiState) -> StoreResult<Vec<ProcessRow>> {
    // The store that writes, too: a list may come from one that only reads.
    state.store.ping().await?;
    state.store.list_processes().await
}

/// What the processes of a role say together.
struct Heartbeat {
    latest: Option<DateTime<Utc>>,
    /// Whether one of them runs, and has been heard of lately.
    is_alive: bool,
}

impl Heartbeat {
    fn of(role: &str, processes: &[ProcessRow], now: DateTime<Utc>) -> Self {
        let of_role = || processes.iter().filter(|process| process.role == role);
        let is_alive = |process: &ProcessRow| process.stopped_at.is_none() && now - process.heartbeat_at < HEALTHY_FOR;
        Self { latest: of_role().map(|process| process.heartbeat_at).max(), is_alive: of_role().any(is_alive) }
    }
}
