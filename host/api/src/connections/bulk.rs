use airlock_core::access::Resource;
use async_trait::async_trait;
use axum::Json;
use axum::extract::State;
use serde_json::Value;

use super::{absent, patched, row};
use crate::bulk::{BulkBody, BulkResponse, BulkTarget, name_of, perform};
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
    type Key = String;
    const RESOURCE: Resource = Resource::Connection;
    const KEY: &'static str = "connection_id";

    fn key(&self, body: &ConnectionBody) -> Answer<String> {
        Ok(body.connection_id.clone())
    }

    fn named(&self, entity: &Value) -> Option<Answer<String>> {
        name_of(entity, Self::KEY)
    }

    async fn exists(&self, key: &String) -> Answer<bool> {
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

    async fn delete(&self, key: &String) -> Answer<bool> {
        Ok(self.state.store.delete_connection(self.principal.tenant, key).await?)
    }
}
