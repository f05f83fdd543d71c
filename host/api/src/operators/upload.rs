use airlock_blobs::{BlobError, Upload, UploadError};
use airlock_core::access::{Action, Resource};
use airlock_core::fault::{Fault, Faults};
use airlock_store::operators::OperatorRow;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use tokio::time::timeout;

use super::find;
use crate::extract::{Path, Principal};
use crate::models::OperatorVersionResponse;
use crate::ports::{AdmittedModule, ModuleFault};
use crate::problem::{Answer, Problem, ProblemBody, Refusals};
use crate::state::ApiState;

/// Takes a module in: `name` and `version` must be what the module says of itself. What is no operator is refused with the
/// reason (422), and nothing of it stays.
#[utoipa::path(put, path = "/operators/{name}/versions/{version}", tag = "Operator",
    operation_id = "put_operator_version",
    params(("name" = String, Path), ("version" = String, Path)),
    request_body(content = Vec<u8>, content_type = "application/wasm"),
    responses((status = 200, body = OperatorVersionResponse, description = "The version was there already"),
        (status = 201, body = OperatorVersionResponse),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"),
        (status = 413, body = ProblemBody, content_type = "application/problem+json"),
        (status = 415, body = ProblemBody, content_type = "application/problem+json"),
        (status = 507, body = ProblemBody, content_type = "application/problem+json", description = "The disk is full"), Refusals))]
pub async fn put_operator_version(
    State(state): State<ApiState>,
    principal: Principal,
    Path((name, version)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Answer<(StatusCode, Json<OperatorVersionResponse>)> {
    take_in(&state, &principal, &headers, body, |module| agrees(module, &name, &version)).await
}

/// Takes a module in under the name and version that it gives itself.
#[utoipa::path(post, path = "/operators", tag = "Operator", operation_id = "post_operator",
    request_body(content = Vec<u8>, content_type = "application/wasm"),
    responses((status = 200, body = OperatorVersionResponse, description = "The version was there already"),
        (status = 201, body = OperatorVersionResponse),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"),
        (status = 413, body = ProblemBody, content_type = "application/problem+json"),
        (status = 415, body = ProblemBody, content_type = "application/problem+json"),
        (status = 507, body = ProblemBody, content_type = "application/problem+json", description = "The disk is full"), Refusals))]
pub async fn post_operator(
    State(state): State<ApiState>,
    principal: Principal,
    headers: HeaderMap,
    body: Body,
) -> Answer<(StatusCode, Json<OperatorVersionResponse>)> {
    take_in(&state, &principal, &headers, body, |_| Ok(())).await
}

async fn take_in(
    state: &ApiState,
    principal: &Principal,
    headers: &HeaderMap,
    body: Body,
    check: impl FnOnce(&AdmittedModule) -> Answer<()>,
) -> Answer<(StatusCode, Json<OperatorVersionResponse>)> {
    principal.may(Action::Create, Resource::Operator)?;
    check_headers(headers, state.settings.module_limit)?;
    let turns = state.upload_turns(principal.tenant);
    let uploading = async {
        let _turn = turns.acquire().await.map_err(Problem::internal)?;
        let upload = state.blobs.receive(body.into_data_stream(), state.settings.module_limit).await;
        let upload = upload.map_err(refused_upload)?;
        let module = state.inspector.admit(principal.tenant, upload.path()).await.map_err(refused_module)?;
        check(&module)?;
        keep(state, principal, upload, module).await
    };
    // Dropping the upload removes its file, however this ends.
    timeout(state.settings.upload_timeout, uploading).await.unwrap_or_else(|_| {
        let seconds = state.settings.upload_timeout.as_secs();
        let detail = format!("the upload took longer than {seconds} s");
        Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "timeout", detail))
    })
}

/// What can be said before the first byte is read.
fn check_headers(headers: &HeaderMap, limit: u64) -> Answer<()> {
    let text = |name| headers.get(name).and_then(|value: &header::HeaderValue| value.to_str().ok()).unwrap_or_default();
    let content_type = text(header::CONTENT_TYPE).split(';').next().unwrap_or_default().trim();
    if !matches!(content_type, "application/wasm" | "application/octet-stream") {
        let detail = "a module is sent as it is, with `Content-Type: application/wasm`";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", detail));
    }
    if text(header::CONTENT_LENGTH).parse().is_ok_and(|length: u64| length > limit) {
        return Err(refused_upload(UploadError::TooLarge { limit }));
    }
    Ok(())
}

fn refused_upload(error: UploadError) -> Problem {
    match error {
        UploadError::TooLarge { .. } => {
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "module-too-large", error.to_string())
        }
        UploadError::Interrupted(_) => Problem::invalid("", error.to_string()),
        UploadError::Blob(error) => not_kept(error),
    }
}

fn not_kept(error: BlobError) -> Problem {
    if error.is_full() { no_room(&error) } else { Problem::internal(error) }
}

/// Said to the caller, unlike other troubles of the host: nothing is wrong with the module.
fn no_room(error: &impl std::fmt::Display) -> Problem {
    tracing::error!(%error, "a module was not taken in");
    let detail = "the server's disk has no room for the module, of which nothing was kept; try again when there is";
    Problem::new(StatusCode::INSUFFICIENT_STORAGE, "storage-full", detail)
}

fn refused_module(fault: ModuleFault) -> Problem {
    match fault {
        ModuleFault::Unfit(detail) => Problem { kind: "unfit-module", ..Problem::invalid("", detail) },
        ModuleFault::Busy(detail) => {
            Problem { retry_after: Some(5), ..Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail) }
        }
        ModuleFault::Full(detail) => no_room(&detail),
        ModuleFault::Host(detail) => Problem::internal(detail),
    }
}

/// The path says what the sender means to upload; the module says what it is.
fn agrees(module: &AdmittedModule, name: &str, version: &str) -> Answer<()> {
    let mut faults = Vec::new();
    if module.name != name {
        faults.push(Fault::new("/name", format!("the module calls itself `{}`, the path `{name}`", module.name)));
    }
    if module.version != version {
        let detail = format!("the module says that it is version `{}`, the path `{version}`", module.version);
        faults.push(Fault::new("/version", detail));
    }
    if faults.is_empty() { Ok(()) } else { Err(Problem::faulty(Faults(faults))) }
}

async fn keep(
    state: &ApiState,
    principal: &Principal,
    upload: Upload,
    module: AdmittedModule,
) -> Answer<(StatusCode, Json<OperatorVersionResponse>)> {
    let (digest, size) = (upload.digest.to_string(), upload.size);
    let known = state.store.operator(principal.tenant, &module.name, &module.version).await?;
    if let Some(known) = known.filter(|known| known.digest != digest) {
        return Err(Problem::conflict(format!(
            "`{}@{}` is there with other content ({}): a version never changes; upload this one under a new version",
            known.name, known.version, known.digest
        )));
    }
    // The file comes before the row: a row never names a module that is not there.
    state.blobs.keep(upload).await.map_err(not_kept)?;
    let row = OperatorRow {
        name: module.name,
        version: module.version,
        digest,
        size,
        kind: module.kind,
        summary: module.summary,
        documentation: module.documentation,
        arguments_schema: module.arguments_schema,
        template_fields: module.template_fields,
        imports: module.imports,
        yanked: false,
        uploaded_by: Some(principal.username.clone()),
        uploaded_at: state.now(),
    };
    let created = state.store.create_operator(principal.tenant, &row).await?;
    if !created {
        state.store.set_operator_yanked(principal.tenant, &row.name, &row.version, false).await?;
    }
    let row = find(&*state.store, principal.tenant, &row.name, &row.version).await?;
    Ok((if created { StatusCode::CREATED } else { StatusCode::OK }, Json(row.into())))
}
