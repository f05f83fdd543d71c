use airlock_core::access::{Action, Resource};
use airlock_core::mask::MASK;
use airlock_store::settings::ConnectionRow;
use axum::Json;
use axum::extract::State;

use super::{patched, row};
use crate::extract::{Patch, Principal};
use crate::models::{ConnectionBody, ConnectionTestResponse};
use crate::ports::OpenConnection;
use crate::problem::{Answer, Problem, Refusals};
use crate::secret::Secrets;
use crate::state::ApiState;

/// Tries a connection out. What the body leaves out or masks is taken from the stored connection of the same id, if it leads
/// to the same place: a stored password is never sent to another host.
#[utoipa::path(post, path = "/connections/test", tag = "Connection", operation_id = "test_connection",
    request_body = ConnectionBody, responses((status = 200, body = ConnectionTestResponse), Refusals))]
pub async fn test_connection(
    State(state): State<ApiState>,
    principal: Principal,
    patch: Patch<ConnectionBody>,
) -> Answer<Json<ConnectionTestResponse>> {
    principal.may(Action::Create, Resource::Connection)?;
    let secrets = Secrets::of(&state, &principal);
    let stored = state.store.connection(principal.tenant, &patch.body.connection_id).await?;
    let tried = match stored {
        Some(stored) if leads_elsewhere(&stored, &patch) => {
            if patch.body.password.as_deref().is_none_or(|password| password.is_empty() || password == MASK) {
                return Err(Problem::bad_request(
                    "The host or port to test differs from the stored connection. Include the credentials to test in \
                     the request body.",
                ));
            }
            row(secrets, patch.body)?
        }
        Some(stored) => patched(secrets, stored, &patch, &[])?,
        None => row(secrets, patch.body)?,
    };
    let open = opened(secrets, tried)?;
    let tenant = state.store.tenant(principal.tenant).await?;
    let policy = tenant.ok_or_else(|| Problem::internal("a token's tenant is gone"))?.policy;
    let tested = state.connection_tester.test(principal.tenant, &policy, &open).await;
    let status = tested.is_ok();
    let message = tested.unwrap_or_else(|reason| reason);
    Ok(Json(ConnectionTestResponse { status, message }))
}

/// Whether the body names a host, port or type that is not the stored one. An empty host is none.
fn leads_elsewhere(stored: &ConnectionRow, patch: &Patch<ConnectionBody>) -> bool {
    let host = |host: &Option<String>| host.clone().filter(|host| !host.is_empty());
    let body = &patch.body;
    (patch.changes("host", &[]) && host(&body.host) != host(&stored.host))
        || (patch.changes("port", &[]) && body.port != stored.port)
        || body.conn_type != stored.conn_type
}

fn opened(secrets: Secrets<'_>, row: ConnectionRow) -> Answer<OpenConnection> {
    Ok(OpenConnection {
        password: secrets.password(&row)?,
        extra: secrets.extra(&row)?.unwrap_or_default(),
        conn_id: row.conn_id,
        conn_type: row.conn_type,
        host: row.host,
        login: row.login,
        schema: row.schema,
        port: row.port,
    })
}
