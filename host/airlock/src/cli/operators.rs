//! `airlock operators`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub enum OperatorsCommand {
    /// Makes the source of a new operator, in a folder of its name.
    New {
        /// Lower-case letters, digits and hyphens.
        name: String,
        /// Where the folder is made.
        #[arg(long, default_value = ".")]
        path: PathBuf,
        /// The folder of the Rust SDK crate (`sdk/rust/airlock-sdk`).
        #[arg(long, value_name = "FOLDER", env = "AIRLOCK_SDK")]
        sdk: Option<PathBuf>,
    },
    /// Builds the operator in a folder, and says where the module is.
    Build {
        #[arg(default_value = ".")]
        path: PathBuf,
    },
    /// Runs a module once, in the sandbox of this program, without a server.
    Test(TestOperator),
    /// Uploads modules.
    Push {
        /// Modules, or folders of operators, which are built first.
        #[arg(required = true)]
        paths: Vec<PathBuf>,
    },
    /// The tenant's operators.
    List,
    /// What a module is and asks for: an uploaded one by name, or a file.
    Inspect {
        /// `name`, `name@1.2.0`, or a path that ends in `.wasm`.
        operator: String,
    },
    /// Withdraws a version: no new DAG version gets it, those that have it keep it.
    Yank { name: String, version: String },
}

#[derive(Debug, Args)]
pub struct TestOperator {
    /// A module, or the folder of an operator, which is built first.
    #[arg(default_value = ".")]
    pub path: PathBuf,
    /// The arguments, a JSON object.
    #[arg(long, default_value = "{}", value_name = "JSON")]
    pub args: String,
    /// Connections as a JSON file: an object by connection id, as `airlock connections export` writes it.
    #[arg(long, value_name = "FILE")]
    pub connections: Option<PathBuf>,
    /// Variables as a JSON file: an object by key, as `airlock variables export` writes it.
    #[arg(long, value_name = "FILE")]
    pub variables: Option<PathBuf>,
    /// Lets the operator reach addresses of this machine and of private networks.
    #[arg(long)]
    pub allow_private_network: bool,
}
