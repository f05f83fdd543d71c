use airlock_core::access::Resource;
use async_trait::async_trait;
use axum::Json;
use axum::extract::State;

use super::{absent, patched, row};
use crate::bulk::{BulkBody, BulkResponse, BulkTarget, perform};
use crate::extract::{Patch, Principal, ValidJson};
use crate::models::ConnectionBody;
use crate::problem::{Answer, Refusals};
use crate::secret::Secrets;
use crate::state::ApiState;

/// Makes, changes and removes connections.
#[utoipa::path(patch, path = "/connections", tag = "Connection", operation_id = "bulk_connections", request_body = BulkBody,
    responses((status = 200, body = BulkResponse), Refusals))]
pub async fn bulk_connections(
    State(state): State<ApiState>,
    principal: Principal,
    ValidJson(body): ValidJson<BulkBody>,
) -> Answer<Json<BulkResponse>> {
    perform(&Target { state: &state, principal: &principal }, &principal, body).await.map(Json)
}

struct Target<'a> {
    state: &'a ApiState,
    principal: &'a Principal,
}

#[async_trait]
impl BulkTarget for Target<'_> {
    type Body = ConnectionBody;
    const RESOURCE: Resource = Resource::Connection;
    const KEY: &'static str = "connection_id";

    fn key(body: &ConnectionBody) -> &str {
        &body.connection_id
    }

    async fn exists(&self, key: &str) -> Answer<bool> {
        Ok(self.state.store.connection(self.principal.tenant, key).await?.is_some())
    }

    async fn create(&self, body: ConnectionBody) -> Answer<()> {
        let row = row(Secrets::of(self.state, self.principal), body)?;
        Ok(self.state.store.create_connection(self.principal.tenant, &row).await?)
    }

    async fn update(&self, patch: &Patch<ConnectionBody>, mask: &[String]) -> Answer<()> {
        let (store, tenant) = (&self.state.store, self.principal.tenant);
        let stored = store
            .connection(tenant, &patch.body.connection_id)
            .await?
            .ok_or_else(|| absent(&patch.body.connection_id))?;
        let changed = patched(Secrets::of(self.state, self.principal), stored, patch, mask)?;
        Ok(store.put_connection(tenant, &changed).await?)
    }

    async fn delete(&self, key: &str) -> Answer<bool> {
        Ok(self.state.store.delete_connection(self.principal.tenant, key).await?)
    }
}
