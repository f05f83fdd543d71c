//! `/jobs`: the processes that take part.

use std::cmp::Ordering;

use airlock_core::access::{Action, Resource};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::extract::{Order, PageQuery, Principal, Query, Spans};
use crate::models::{JobCollection, JobResponse};
use crate::monitor::HEALTHY_FOR;
use crate::problem::{Answer, Refusals};
use crate::state::ApiState;

const ORDER: &Order = &[
    ("id", "id"),
    ("dag_id", "dag_id"),
    ("state", "state"),
    ("job_type", "job_type"),
    ("start_date", "start_date"),
    ("end_date", "end_date"),
    ("latest_heartbeat", "latest_heartbeat"),
    ("executor_class", "executor_class"),
    ("hostname", "hostname"),
    ("unixname", "unixname"),
];

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct Filter {
    /// Whether it runs, and has been heard of lately.
    is_alive: Option<bool>,
    job_state: Option<String>,
    /// `SchedulerJob`, `WorkerJob` or `ApiJob`.
    job_type: Option<String>,
    hostname: Option<String>,
    executor_class: Option<String>,
}

impl Filter {
    fn fits(&self, job: &JobResponse, spans: &Spans) -> bool {
        let equal = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| found.is_some_and(|found| found == wanted))
        };
        self.is_alive.is_none_or(|alive| alive == (job.state == Some("running")))
            && equal(&self.job_state, job.state)
            && equal(&self.job_type, job.job_type.as_deref())
            && equal(&self.hostname, job.hostname.as_deref())
            && equal(&self.executor_class, job.executor_class.as_deref())
            && spans.started_at().contains(job.start_date)
            && spans.ended_at().contains(job.end_date)
    }
}

/// The processes that take part, of the whole installation: schedulers, workers, and those that serve the API. One that stopped
/// is known for a week.
#[utoipa::path(get, path = "/jobs", tag = "Job", operation_id = "get_jobs", params(PageQuery, Spans, Filter),
    responses((status = 200, body = JobCollection), Refusals))]
pub async fn get_jobs(
    State(state): State<ApiState>,
    principal: Principal,
    Query(page): Query<PageQuery>,
    Query(spans): Query<Spans>,
    Query(filter): Query<Filter>,
) -> Answer<Json<JobCollection>> {
    principal.may(Action::Read, Resource::Job)?;
    let page = page.page(ORDER)?;
    let now = state.now();
    let processes = state.store.list_processes().await?.into_iter();
    let mut jobs: Vec<JobResponse> = processes
        .map(|process| {
            let is_silent = now - process.heartbeat_at >= HEALTHY_FOR;
            JobResponse::new(process, is_silent)
        })
        .filter(|job| filter.fits(job, &spans))
        .collect();
    jobs.sort_by(|left, right| {
        let weighed = page.order_by.iter().map(|(field, descending)| {
            let ordering = compare(field, left, right);
            if *descending { ordering.reverse() } else { ordering }
        });
        weighed.fold(Ordering::Equal, Ordering::then).then(left.id.cmp(&right.id))
    });
    let total_entries = jobs.len() as u64;
    let jobs = jobs.into_iter().skip(page.offset as usize).take(page.limit as usize).collect();
    Ok(Json(JobCollection { jobs, total_entries }))
}

fn compare(field: &str, left: &JobResponse, right: &JobResponse) -> Ordering {
    match field {
        "state" => left.state.cmp(&right.state),
        "job_type" => left.job_type.cmp(&right.job_type),
        "start_date" => left.start_date.cmp(&right.start_date),
        "end_date" => left.end_date.cmp(&right.end_date),
        "latest_heartbeat" => left.latest_heartbeat.cmp(&right.latest_heartbeat),
        "hostname" => left.hostname.cmp(&right.hostname),
        // The same of all.
        _ => Ordering::Equal,
    }
}
