//! `airlock standalone | api | scheduler | worker`.

use std::ffi::OsString;

use clap::Args;

/// What server processes take; each is a key of the configuration.
#[derive(Debug, Default, Args)]
pub struct ServerFlags {
    /// The folder for everything that is kept: database, modules, logs, keys.
    #[arg(long, value_name = "FOLDER")]
    pub home: Option<String>,
    /// The address that the API listens on; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
    /// The address of `/metrics`, `/healthz` and `/readyz`; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS")]
    pub listen_monitor: Option<String>,
    /// The PostgreSQL database, such as `postgres://user@host/airlock`.
    #[arg(long, value_name = "URL")]
    pub database_url: Option<String>,
    /// A folder of operator modules (*.wasm) to upload to the tenant `default` at the start.
    #[arg(long, value_name = "FOLDER")]
    pub operators: Option<String>,
    /// How many tries this worker runs at once.
    #[arg(long, value_name = "COUNT")]
    pub worker_slots: Option<u32>,
    /// The queues that this worker takes tries from.
    #[arg(long, value_name = "NAME,NAME")]
    pub queues: Option<String>,
    /// How long running tries may go on after a stop was asked for, in seconds.
    #[arg(long, value_name = "SECONDS")]
    pub grace: Option<u64>,
}

impl ServerFlags {
    /// The flags that were given, by the keys of the configuration.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        [
            ("home", self.home.clone()),
            ("listen", self.listen.clone()),
            ("listen_monitor", self.listen_monitor.clone()),
            ("database_url", self.database_url.clone()),
            ("operators", self.operators.clone()),
            ("worker_slots", self.worker_slots.map(|slots| slots.to_string())),
            ("queues", self.queues.clone()),
            ("grace", self.grace.map(|seconds| seconds.to_string())),
        ]
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)))
        .collect()
    }
}

/// What the sandbox tells its child; see `airlock_sandbox::compile_child`.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub struct CompileModule {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub arguments: Vec<OsString>,
}
