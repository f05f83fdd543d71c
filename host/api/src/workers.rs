//! `/workers`: what there is to run tries, and what it runs.

use airlock_core::access::{Action, Resource};
use airlock_store::queue::RunningTry;
use axum::Json;
use axum::extract::State;

use crate::extract::Principal;
use crate::models::{WorkerCollection, WorkerResponse};
use crate::monitor::HEALTHY_FOR;
use crate::problem::{Answer, Refusals};
use crate::state::ApiState;

/// The workers that are alive, of the whole installation, with their places and how many of them are taken. Which tries take them is told
/// of one's own tenant.
#[utoipa::path(get, path = "/workers", tag = "Job", operation_id = "get_workers",
    responses((status = 200, body = WorkerCollection), Refusals))]
pub async fn get_workers(State(state): State<ApiState>, principal: Principal) -> Answer<Json<WorkerCollection>> {
    principal.may(Action::Read, Resource::Job)?;
    let processes = state.store.list_processes().await?;
    let running = state.store.running_tries().await?;
    let now = state.now();
    let alive = processes.into_iter().filter(|process| {
        process.role == "worker" && process.stopped_at.is_none() && now - process.heartbeat_at < HEALTHY_FOR
    });
    let workers: Vec<WorkerResponse> = alive
        .map(|process| {
            let tries: Vec<&RunningTry> = running.iter().filter(|one| one.worker == process.id).collect();
            WorkerResponse::new(process, &tries, principal.tenant)
        })
        .collect();
    let total_entries = workers.len() as u64;
    Ok(Json(WorkerCollection { workers, total_entries }))
}
