use airlock_core::access::Resource;
use airlock_store::settings::PoolRow;
use async_trait::async_trait;
use axum::Json;
use axum::extract::State;
use serde_json::Value;

use super::{find, row};
use crate::bulk::{BulkBody, BulkResponse, BulkTarget, name_of, perform};
use crate::extract::{Patch, Principal, ValidJson};
use crate::models::PoolBody;
use crate::problem::{Answer, Refusals};
use crate::state::ApiState;

/// Makes, changes and removes pools.
#[utoipa::path(patch, path = "/pools", tag = "Pool", operation_id = "bulk_pools", request_body = BulkBody,
    responses((status = 200, body = BulkResponse), Refusals))]
pub async fn bulk_pools(
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
    type Body = PoolBody;
    type Key = String;
    const RESOURCE: Resource = Resource::Pool;
    const KEY: &'static str = "name";

    fn key(&self, body: &PoolBody) -> Answer<String> {
        Ok(body.name.clone())
    }

    fn named(&self, entity: &Value) -> Option<Answer<String>> {
        name_of(entity, Self::KEY)
    }

    async fn exists(&self, key: &String) -> Answer<bool> {
        Ok(self.state.store.pool(self.principal.tenant, key).await?.is_some())
    }

    async fn create(&self, body: PoolBody) -> Answer<()> {
        Ok(self.state.store.create_pool(self.principal.tenant, &row(body)?).await?)
    }

    async fn update(&self, patch: &Patch<PoolBody>, mask: &[String]) -> Answer<()> {
        let (store, tenant) = (&self.state.store, self.principal.tenant);
        let (stored, _) = find(&**store, tenant, &patch.body.name).await?;
        let sent = row(patch.body.clone())?;
        let changed = PoolRow {
            slots: if patch.changes("slots", mask) { sent.slots } else { stored.slots },
            description: if patch.changes("description", mask) { sent.description } else { stored.description },
            include_deferred: if patch.changes("include_deferred", mask) {
                sent.include_deferred
            } else {
                stored.include_deferred
            },
            name: stored.name,
        };
        store.put_pool(tenant, &changed).await?;
        self.state.wake.runs().raise();
        Ok(())
    }

    async fn delete(&self, key: &String) -> Answer<bool> {
        Ok(self.state.store.delete_pool(self.principal.tenant, key).await?)
    }
}
