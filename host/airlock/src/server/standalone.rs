//! Every role in one process, on SQLite.

use std::sync::Arc;

use airlock_core::dag::Dag;
use airlock_core::id::TenantId;
use airlock_store::Store;
use anyhow::{Context, Result};
use tokio_util::sync::CancellationToken;

use super::execution::Execution;
use super::listen::Listener;
use super::monitor::Monitor;
use super::parts::Parts;
use super::roles::Roles;
use super::{first_start, upload};
use crate::client::{Client, Credentials};
use crate::config::Config;

/// A running server.
pub struct Standalone {
    roles: Roles,
    credentials: Credentials,
    store: Arc<dyn Store>,
    tenant: TenantId,
}

impl Standalone {
    /// Starts everything, and uploads the operators that the configuration names. It serves when this returns.
    pub async fn start(config: &Config, stop: CancellationToken) -> Result<Self> {
        let listener = Listener::bind(config.listen()?).await?;
        let parts = Parts::embedded(config).await?;
        let tenant = first_start::people(&parts).await?;
        let credentials = first_start::credentials(&parts, config, tenant, &listener.url()).await?;
        let monitor = Monitor::start(&parts, config, stop.clone())?;
        monitor.listen(config).await?;
        let execution = Execution::new(&parts, config)?;
        let store = parts.store.clone();
        let mut roles = Roles::new(parts, monitor, stop);
        roles.worker(&execution, config)?;
        roles.scheduler(config)?;
        roles.api(&execution, listener, config)?;
        let standalone = Self { roles, credentials, store, tenant };
        if let Some(folder) = config.operators() {
            upload::folder(&standalone.client()?, &folder).await?;
        }
        Ok(standalone)
    }

    pub fn url(&self) -> &str {
        &self.credentials.url
    }

    /// As the administrator.
    pub fn client(&self) -> Result<Client> {
        Client::with(&self.credentials.url, self.credentials.token.clone())
    }

    /// A DAG of the tenant `default`.
    pub async fn dag(&self, dag_id: &str) -> Result<Arc<Dag>> {
        let row = self.store.dag(self.tenant, dag_id).await?;
        Ok(row.with_context(|| format!("there is no DAG `{dag_id}`"))?.dag)
    }

    /// Waits until everything has stopped, by request or by a fault.
    pub async fn ended(self) -> Result<()> {
        self.roles.ended().await
    }
}
