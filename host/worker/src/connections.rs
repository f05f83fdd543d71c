//! Connections and variables as they lie in the store, opened by the vault.

use std::sync::Arc;

use airlock_core::id::TenantId;
use airlock_core::mask;
use airlock_sandbox::capability::task::{Connection, ConnectionInfo, ConnectionSource, TaskServiceError};
use airlock_store::Store;
use airlock_store::settings::{ConnectionRow, Sealed, SealedKind, VariableRow};
use airlock_vault::{Place, Vault, VaultError};
use async_trait::async_trait;
use serde_json::{Map, Value};

/// The connections of the store, with their secrets.
#[derive(Clone)]
pub struct VaultConnections {
    store: Arc<dyn Store>,
    vault: Arc<Vault>,
}

impl VaultConnections {
    pub fn new(store: Arc<dyn Store>, vault: Arc<Vault>) -> Self {
        Self { store, vault }
    }

    fn open(&self, tenant: TenantId, row: ConnectionRow) -> Result<Connection, VaultError> {
        let open = |kind: SealedKind, sealed: &Sealed| {
            self.vault.open_text(Place { tenant: tenant.0, kind: kind.as_str(), name: &row.conn_id }, &sealed.0)
        };
        let password = row.password.as_ref().map(|sealed| open(SealedKind::ConnectionPassword, sealed)).transpose()?;
        let extra = row.extra.as_ref().map(|sealed| open(SealedKind::ConnectionExtra, sealed)).transpose()?;
        // Airflow lets `extra` be any text; what is no JSON object says nothing to a hook.
        let extra: Map<String, Value> = extra.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        let info = ConnectionInfo {
            conn_id: row.conn_id,
            conn_type: row.conn_type,
            description: row.description,
            host: row.host,
            login: row.login,
            schema: row.schema,
            port: row.port,
            extra: mask::without_secrets(&extra),
        };
        Ok(Connection { info, password, extra })
    }
}

#[async_trait]
impl ConnectionSource for VaultConnections {
    async fn connection(&self, tenant: TenantId, conn_id: &str) -> Result<Connection, TaskServiceError> {
        let row = self.store.connection(tenant, conn_id).await.map_err(|error| {
            tracing::error!(%error, "cannot read a connection");
            TaskServiceError::Other("the host cannot reach its database".to_owned())
        })?;
        let row = row.ok_or_else(|| TaskServiceError::NotFound(format!("there is no connection `{conn_id}`")))?;
        self.open(tenant, row).map_err(|error| cannot_open("connection", conn_id, &error))
    }
}

fn cannot_open(what: &str, name: &str, error: &VaultError) -> TaskServiceError {
    tracing::error!(%error, "cannot open the {what} `{name}`");
    TaskServiceError::Other(format!("the {what} `{name}` cannot be opened: {error}"))
}

fn variable_place(tenant: TenantId, key: &str) -> Place<'_> {
    Place { tenant: tenant.0, kind: SealedKind::Variable.as_str(), name: key }
}

pub(crate) fn open_variable(vault: &Vault, tenant: TenantId, row: &VariableRow) -> Result<String, TaskServiceError> {
    let opened = vault.open_text(variable_place(tenant, &row.key), &row.value.0);
    opened.map_err(|error| cannot_open("variable", &row.key, &error))
}

pub(crate) fn seal_variable(
    vault: &Vault,
    tenant: TenantId,
    key: &str,
    value: &str,
) -> Result<Sealed, TaskServiceError> {
    let sealed = vault.seal(variable_place(tenant, key), value.as_bytes());
    sealed.map(Sealed).map_err(|error| TaskServiceError::Other(error.to_string()))
}
