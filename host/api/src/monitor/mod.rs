//! `/version` and `/monitor/health`: what anybody may ask.

use airlock_store::Store;
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

/// Deferred tasks wait in the database: there is no triggerer to be healthy.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TriggererInfoResponse)]
struct TriggererHealth {
    status: Option<&'static str>,
    latest_triggerer_heartbeat: Option<DateTime<Utc>>,
}

/// Documents are checked when they are sent: there is no DAG processor either.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DagProcessorInfoResponse)]
struct DagProcessorHealth {
    status: Option<&'static str>,
    latest_dag_processor_heartbeat: Option<DateTime<Utc>>,
}

const fn word(healthy: bool) -> Option<&'static str> {
    Some(if healthy { "healthy" } else { "unhealthy" })
}

/// Whether the database answers, and when a scheduler was last heard of.
#[utoipa::path(get, path = "/monitor/health", tag = "Monitor", operation_id = "get_health", security(()),
    responses((status = 200, body = Health)))]
pub async fn get_health(State(state): State<ApiState>) -> Json<Health> {
    let heartbeat = latest_heartbeat(&*state.store).await;
    let latest = heartbeat.as_ref().ok().copied().flatten();
    Json(Health {
        metadatabase: BaseHealth { status: word(heartbeat.is_ok()) },
        scheduler: SchedulerHealth {
            status: word(latest.is_some_and(|at| state.now() - at < HEALTHY_FOR)),
            latest_scheduler_heartbeat: latest,
        },
        triggerer: TriggererHealth { status: None, latest_triggerer_heartbeat: None },
        dag_processor: DagProcessorHealth { status: None, latest_dag_processor_heartbeat: None },
    })
}

async fn latest_heartbeat(store: &dyn Store) -> Result<Option<DateTime<Utc>>, ()> {
    let answer = match store.ping().await {
        Ok(()) => store.latest_heartbeat("scheduler").await,
        Err(error) => Err(error),
    };
    answer.map_err(|error| tracing::error!(%error, "the database is not healthy"))
}
