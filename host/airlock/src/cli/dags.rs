//! `airlock dags`.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub enum DagsCommand {
    /// Sends DAG documents: each becomes a new DAG, a new version, or stays as it is.
    Apply {
        /// JSON files; `-` is standard input.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Only says what would happen.
        #[arg(long)]
        dry_run: bool,
    },
    /// Checks DAG documents on the server, and lists every fault.
    Validate {
        /// JSON files; `-` is standard input.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// All DAGs.
    List {
        /// Only DAGs with this tag; may be given several times.
        #[arg(long = "tag", value_name = "TAG")]
        tags: Vec<String>,
    },
    /// One DAG.
    #[command(visible_alias = "details")]
    Show {
        dag_id: String,
        /// The document as it was sent, instead.
        #[arg(long)]
        source: bool,
    },
    /// A run's state, and nothing else.
    State { dag_id: String, run_id: String },
    /// The runs of a DAG, the newest first.
    ListRuns {
        /// `~` for all DAGs.
        dag_id: String,
        /// Only in this state; may be given several times.
        #[arg(long = "state", value_name = "STATE")]
        states: Vec<String>,
        #[arg(long, short, default_value_t = 25)]
        number: u32,
    },
    /// The versions of a DAG, the newest first.
    #[command(visible_alias = "list-versions")]
    Versions { dag_id: String },
    /// What has changed from one version to another.
    Diff {
        dag_id: String,
        /// The one before TO, if none is given.
        from: Option<u32>,
        /// The newest, if none is given.
        to: Option<u32>,
    },
    /// Makes a run.
    Trigger(TriggerDag),
    /// Keeps the DAG from making and starting runs.
    Pause { dag_id: String },
    /// Lets the DAG make and start runs again.
    Unpause { dag_id: String },
    /// Removes the DAG with its versions, runs and logs.
    Delete {
        dag_id: String,
        /// Do not ask.
        #[arg(long, short)]
        yes: bool,
    },
    /// When the next runs are due.
    NextExecution {
        dag_id: String,
        /// How many.
        #[arg(long, short, default_value_t = 1)]
        number: u32,
    },
    /// Runs a DAG document in the sandbox of this program, without a server.
    Test(TestDag),
}

#[derive(Debug, Args)]
pub struct TriggerDag {
    pub dag_id: String,
    /// The run's configuration, a JSON object.
    #[arg(long, value_name = "JSON")]
    pub conf: Option<String>,
    #[arg(long)]
    pub run_id: Option<String>,
    #[arg(long, value_name = "RFC 3339")]
    pub logical_date: Option<DateTime<Utc>>,
    #[arg(long)]
    pub note: Option<String>,
    /// Shows the run until it ends; exit 1 unless it succeeds.
    #[arg(long, short)]
    pub wait: bool,
}

#[derive(Clone, Debug, Args)]
pub struct TestDag {
    /// The DAG document.
    pub file: PathBuf,
    /// Folders with operator modules (*.wasm), beside those that this program finds itself.
    #[arg(long, value_name = "FOLDER")]
    pub operators: Vec<PathBuf>,
    /// Connections as a JSON file: an object by connection id, as `airlock connections export` writes it.
    #[arg(long, value_name = "FILE")]
    pub connections: Option<PathBuf>,
    /// Variables as a JSON file: an object by key, as `airlock variables export` writes it.
    #[arg(long, value_name = "FILE")]
    pub variables: Option<PathBuf>,
    /// The run's configuration, a JSON object.
    #[arg(long, value_name = "JSON")]
    pub conf: Option<String>,
    #[arg(long, value_name = "RFC 3339")]
    pub logical_date: Option<DateTime<Utc>>,
    /// An event that tasks wait for, with what they are given. Without it such a wait, as one for a run of another DAG, ends with its
    /// timeout: a test has neither other DAGs nor anybody who posts.
    #[arg(long, value_name = "NAME=JSON")]
    pub event: Vec<String>,
    /// Lets tasks reach addresses of this machine and of private networks.
    #[arg(long)]
    pub allow_private_network: bool,
}
