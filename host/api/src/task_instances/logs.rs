use std::time::Duration;

use airlock_blobs::{Arrived, LogChunk, LogKey, LogLine, LogPosition};
use airlock_core::access::{Action, Resource};
use airlock_core::outcome::FailureCause;
use airlock_core::state::TaskState;
use airlock_store::instances::{InstanceRow, TryRow};
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use futures::stream;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::extract::{Path, Principal, Query};
use crate::lookup;
use crate::models::{LogMessage, LogResponse};
use crate::problem::{Answer, Problem, Refusals};
use crate::state::ApiState;

/// Bytes of a log in one JSON answer; the continuation token leads to the rest.
const LARGEST_ANSWER: usize = 4 << 20;
/// The same, for those who ask for everything.
const LARGEST_WHOLE: usize = 64 << 20;
/// Bytes of a log in one chunk of a stream.
const STREAM_CHUNK: usize = 64 << 10;
/// How often a growing log is looked at.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(200);
/// How long after the end of a try its last lines may be on their way.
const DELIVERY: TimeDelta = TimeDelta::seconds(5);
/// Between the clocks of a worker and of what keeps logs.
const CLOCKS: TimeDelta = TimeDelta::seconds(1);
const CUT: &str = "the end of this log is missing: its worker was lost, or has not delivered it yet";

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LogQuery {
    /// Everything there is at once, up to 64 MiB instead of 4.
    #[serde(default)]
    full_content: bool,
    /// -1: the task is not mapped.
    #[serde(default = "crate::models::unmapped")]
    map_index: i32,
    /// The `continuation_token` of the answer before.
    token: Option<String>,
}

/// The log of one try.
///
/// As JSON: what there is now, and a token to read on from while the try goes on. As `application/x-ndjson` or `text/plain`:
/// a stream of lines that ends with the try.
#[utoipa::path(get, path = "/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/logs/{try_number}",
    tag = "Task Instance", operation_id = "get_log",
    params(("dag_id" = String, Path), ("dag_run_id" = String, Path), ("task_id" = String, Path),
        ("try_number" = u32, Path), LogQuery),
    responses((status = 200, content((LogResponse = "application/json"), (String = "application/x-ndjson"),
        (String = "text/plain"))), Refusals))]
pub async fn get_log(
    State(state): State<ApiState>,
    principal: Principal,
    Path((dag_id, run_id, task_id, try_number)): Path<(String, String, String, u32)>,
    Query(query): Query<LogQuery>,
    headers: HeaderMap,
) -> Answer<Response> {
    principal.may(Action::Read, Resource::TaskLog)?;
    let from = read_token(query.token.as_deref())?;
    let row = lookup::instance(&*state.store, principal.tenant, &dag_id, &run_id, &task_id, query.map_index).await?;
    let key = LogKey { run: row.run, instance: row.id, try_number };
    let log = TryLog { state, key };
    let life = log.life(&row).await?;
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let most = if query.full_content { LARGEST_WHOLE } else { LARGEST_ANSWER };
    let format = match accept {
        "application/x-ndjson" => Format::Lines,
        "text/plain" => Format::Text,
        _ => return log.answer(&from, most, life).await.map(|answer| Json(answer).into_response()),
    };
    let goes_on = matches!(life, Life::GoesOn);
    let token = write_token(&from);
    let mut response = log.stream(row, from, format).into_response();
    if goes_on && let Ok(token) = token.parse() {
        response.headers_mut().insert("airflow-continuation-token", token);
    }
    Ok(response)
}

#[derive(Clone, Copy)]
enum Format {
    Lines,
    Text,
}

impl Format {
    fn content_type(self) -> &'static str {
        match self {
            Self::Lines => "application/x-ndjson",
            Self::Text => "text/plain; charset=utf-8",
        }
    }

    fn write(self, line: LogLine) -> String {
        match self {
            Self::Text => {
                let fields: String = line.fields.iter().map(|(name, value)| format!(" {name}={value}")).collect();
                let instant = line.timestamp.format("%Y-%m-%dT%H:%M:%S%.3fZ");
                format!("[{instant}] {} - {}{fields}\n", line.level.to_uppercase(), line.event)
            }
            Self::Lines => match serde_json::to_string(&message(line)) {
                Ok(text) => text + "\n",
                // Strings and JSON values always serialise.
                Err(_) => String::new(),
            },
        }
    }
}

fn message(line: LogLine) -> LogMessage {
    let LogLine { timestamp, level, source, event, mut fields } = line;
    // The message's own members win over fields of the same name.
    for name in ["timestamp", "event", "level", "logger"] {
        fields.shift_remove(name);
    }
    LogMessage { timestamp, event, level, logger: source, fields }
}

/// Whether more may be written.
#[derive(Clone, Debug)]
pub enum Life {
    GoesOn,
    Ended {
        /// None: so long ago that nothing can be on its way.
        at: Option<DateTime<Utc>>,
        /// What is to be said beyond the worker's words.
        epilogue: Vec<LogLine>,
    },
}

impl Life {
    pub const fn ended(at: Option<DateTime<Utc>>) -> Self {
        Self::Ended { at, epilogue: Vec::new() }
    }

    /// Whether there may be more to read than what was found: more may be written, or may have been written and be on its way.
    fn may_have_more(&self, arrived: Arrived, now: DateTime<Utc>) -> bool {
        match self {
            Self::GoesOn => true,
            Self::Ended { at: None, .. } => false,
            Self::Ended { at: Some(at), .. } => {
                let at = *at;
                let is_there = matches!(arrived, Arrived::Until(until) if until >= at - CLOCKS);
                !is_there && now < at + DELIVERY
            }
        }
    }
}

struct TryLog {
    state: ApiState,
    key: LogKey,
}

impl TryLog {
    /// # Errors
    /// 404 if the instance has no such try.
    async fn life(&self, row: &InstanceRow) -> Answer<Life> {
        let tries = self.state.store.tries(self.key.run.tenant, row.id).await?;
        let this = tries.iter().find(|try_row| try_row.try_number == self.key.try_number);
        match this {
            Some(this) if this.state.is_some_and(ends_try) => {
                Ok(Life::Ended { at: this.ended_at, epilogue: epilogue(this) })
            }
            Some(_) => Ok(Life::GoesOn),
            // Airflow counts an instance that never began as in its try 0.
            None if self.key.try_number == row.try_number => match row.state {
                Some(state) if state.is_finished() => Ok(Life::ended(None)),
                _ => Ok(Life::GoesOn),
            },
            None => Err(Problem::not_found(format!(
                "TaskInstance not found: `{}` has no try {}; its newest is {}",
                row.task_id, self.key.try_number, row.try_number
            ))),
        }
    }

    /// `life` was found before the log is read: what a finished try wrote is all written by then.
    async fn answer(&self, from: &LogPosition, most: usize, life: Life) -> Answer<LogResponse> {
        Ok(part(&self.state, read(&self.state, self.key, from, most).await?, life))
    }

    fn stream(self, row: InstanceRow, from: LogPosition, format: Format) -> Response {
        struct Reading {
            log: TryLog,
            row: InstanceRow,
            from: LogPosition,
        }
        let first = Some(Reading { log: self, row, from });
        let chunks = stream::unfold(first, move |reading| async move {
            let mut reading = reading?;
            let next = async {
                loop {
                    let life = reading.log.life(&reading.row).await?;
                    let state = &reading.log.state;
                    let chunk = read(state, reading.log.key, &reading.from, STREAM_CHUNK).await?;
                    reading.from = chunk.next.clone();
                    let done = chunk.at_end && !life.may_have_more(chunk.arrived, state.now());
                    let last = if done { last_words(&chunk, life, state.now()) } else { Vec::new() };
                    if done || !chunk.lines.is_empty() {
                        let lines = chunk.lines.into_iter().chain(last);
                        let text: String = lines.map(|line| format.write(line)).collect();
                        return Answer::Ok((Bytes::from(text), done));
                    }
                    tokio::time::sleep(FOLLOW_INTERVAL).await;
                }
            };
            match next.await {
                Ok((text, done)) => Some((Ok(text), (!done).then_some(reading))),
                Err(problem) => Some((Err(axum::Error::new(std::io::Error::other(problem.detail))), None)),
            }
        });
        ([(header::CONTENT_TYPE, format.content_type())], Body::from_stream(chunks)).into_response()
    }
}

async fn read(state: &ApiState, key: LogKey, from: &LogPosition, maximum: usize) -> Answer<LogChunk> {
    state.blobs.read_log(&key, from, maximum).await.map_err(Problem::internal)
}

/// What there is of a log as JSON, from a position on.
pub async fn answer(state: &ApiState, key: LogKey, from: &LogPosition, life: Life) -> Answer<LogResponse> {
    Ok(part(state, read(state, key, from, LARGEST_ANSWER).await?, life))
}

fn part(state: &ApiState, chunk: LogChunk, life: Life) -> LogResponse {
    let more = !chunk.at_end || life.may_have_more(chunk.arrived, state.now());
    let last = if more { Vec::new() } else { last_words(&chunk, life, state.now()) };
    LogResponse {
        continuation_token: more.then(|| write_token(&chunk.next)),
        content: chunk.lines.into_iter().chain(last).map(message).collect(),
    }
}

/// What is to be said of a log that has no more lines.
fn last_words(chunk: &LogChunk, life: Life, now: DateTime<Utc>) -> Vec<LogLine> {
    let mut words: Vec<LogLine> =
        (chunk.arrived == Arrived::NotAll).then(|| host_line(now, "warning", CUT.to_owned())).into_iter().collect();
    if let Life::Ended { epilogue, .. } = life {
        words.extend(epilogue);
    }
    words
}

/// What the worker of a try could not say itself.
fn epilogue(row: &TryRow) -> Vec<LogLine> {
    let timestamp = row.ended_at.unwrap_or_default();
    let is_lost = row.cause.as_deref() == Some(FailureCause::Lost.as_str());
    let lost = is_lost.then(|| {
        let why = row.message.clone().unwrap_or_else(|| "the try was lost".to_owned());
        host_line(timestamp, "error", why)
    });
    let late = (row.late_results > 0).then(|| {
        let count = row.late_results;
        let refused = format!("{count} results that came after the try had been settled were refused");
        host_line(timestamp, "warning", refused)
    });
    lost.into_iter().chain(late).collect()
}

fn host_line(timestamp: DateTime<Utc>, level: &str, event: String) -> LogLine {
    LogLine { timestamp, level: level.to_owned(), source: "host".to_owned(), event, fields: serde_json::Map::new() }
}

/// The states that end a try; a rescheduled or deferred one goes on under the same number.
const fn ends_try(state: TaskState) -> bool {
    state.is_finished() || matches!(state, TaskState::UpForRetry)
}

fn write_token(at: &LogPosition) -> String {
    URL_SAFE_NO_PAD.encode(format!("at:{at}"))
}

/// A token holds no more than where to read on; who may read is asked each time, so that it needs no signature.
pub fn read_token(token: Option<&str>) -> Answer<LogPosition> {
    let Some(token) = token else { return Ok(LogPosition::default()) };
    let text = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    text.and_then(|text| text.strip_prefix("at:")?.parse().ok())
        .ok_or_else(|| Problem::bad_request("the token is none that this server gave"))
}
