//! A server of its own for one command, in a folder that goes with it: how DAGs and operators are tried out.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use airlock_core::dag::Dag;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::client::Client;
use crate::commands::settings;
use crate::config::{self, Config};
use crate::server::{self, Standalone};

/// What the DAG or the operator finds around it.
pub struct Surroundings<'a> {
    /// Folders of modules.
    pub operators: &'a [PathBuf],
    /// Single modules.
    pub modules: &'a [PathBuf],
    pub connections: Option<&'a Path>,
    pub variables: Option<&'a Path>,
    pub allow_private_network: bool,
}

pub struct Local {
    pub client: Client,
    server: Standalone,
    stop: CancellationToken,
    /// Goes last.
    _home: tempfile::TempDir,
}

impl Local {
    pub async fn start(config: &Config, surroundings: &Surroundings<'_>) -> Result<Self> {
        let home =
            tempfile::Builder::new().prefix("airlock-test-").tempdir().context("cannot make a temporary folder")?;
        // Compiling is slow, and depends on nothing but the module: that is kept.
        let cache = config::cache_folder().unwrap_or_else(|| home.path().to_owned());
        let config = config.with(&[
            ("home", home.path().display().to_string()),
            ("blobs", "home".to_owned()),
            ("compiled", cache.join("compiled").display().to_string()),
            ("listen", "127.0.0.1:0".to_owned()),
            ("grace", "0".to_owned()),
        ]);
        let stop = CancellationToken::new();
        let server = Standalone::start(&config, stop.clone()).await?;
        let client = server.client()?;
        let local = Self { client, server, stop, _home: home };
        local.furnish(surroundings).await?;
        Ok(local)
    }

    async fn furnish(&self, surroundings: &Surroundings<'_>) -> Result<()> {
        self.client
            .put_text("/api/v2/tenants/default/policy", "application/json", policy(surroundings)?.to_string())
            .await?;
        for folder in surroundings.operators {
            server::upload_folder(&self.client, folder).await?;
        }
        for module in surroundings.modules {
            server::upload(&self.client, module).await?;
        }
        if let Some(file) = surroundings.connections {
            settings::connections::import(&self.client, file).await?;
        }
        if let Some(file) = surroundings.variables {
            settings::variables::import(&self.client, file).await?;
        }
        Ok(())
    }

    /// A DAG that was sent, as the server has it.
    pub async fn dag(&self, dag_id: &str) -> Result<Arc<Dag>> {
        self.server.dag(dag_id).await
    }

    pub async fn stop(self) -> Result<()> {
        self.stop.cancel();
        self.server.ended().await
    }
}

/// A developer's own machine: every host may be reached, files lie below the current folder, and other machines of the own
/// network are reached only if that was asked for.
fn policy(surroundings: &Surroundings<'_>) -> Result<Value> {
    let networks: &[&str] = if surroundings.allow_private_network { &["0.0.0.0/0", "::/0"] } else { &[] };
    let here = std::env::current_dir().context("there is no current folder")?;
    Ok(json!({ "egress": { "allow_hosts": ["*"], "allow_networks": networks }, "host_folders": [here] }))
}

/// Where `cargo xtask operators` has put the modules, if this program lies in the same target folder.
pub fn built_operators() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    let folder = program.ancestors().nth(2)?.join("operators");
    folder.is_dir().then_some(folder)
}
