//! `airlock connections | variables | pools`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub enum ConnectionsCommand {
    /// All connections, without their secrets.
    List,
    Get {
        conn_id: String,
    },
    /// Makes or changes a connection.
    Set(SetConnection),
    Delete {
        conn_id: String,
    },
    /// Makes or changes every connection of a JSON file: an object by connection id.
    Import {
        file: PathBuf,
    },
    /// All connections as JSON, without their passwords.
    Export,
    /// Asks the server to reach the other system.
    Test {
        conn_id: String,
    },
}

#[derive(Debug, Args)]
pub struct SetConnection {
    pub conn_id: String,
    /// `postgres`, `mysql`, `sqlite`, `http`, `aws`, `fs` ...
    #[arg(long = "type", value_name = "TYPE")]
    pub conn_type: String,
    #[arg(long)]
    pub description: Option<String>,
    #[arg(long)]
    pub host: Option<String>,
    #[arg(long)]
    pub login: Option<String>,
    /// Reads the password from standard input: on the command line, others could see it.
    #[arg(long)]
    pub password_stdin: bool,
    /// The database, for SQL connections.
    #[arg(long)]
    pub schema: Option<String>,
    #[arg(long)]
    pub port: Option<u16>,
    /// A JSON object.
    #[arg(long, value_name = "JSON")]
    pub extra: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum VariablesCommand {
    List,
    Get {
        key: String,
    },
    /// Makes or changes a variable.
    Set(SetVariable),
    Delete {
        key: String,
    },
    /// Makes or changes every variable of a JSON file: an object by key.
    Import {
        file: PathBuf,
    },
    /// All variables as JSON.
    Export,
}

#[derive(Debug, Args)]
pub struct SetVariable {
    pub key: String,
    pub value: String,
    #[arg(long)]
    pub description: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum PoolsCommand {
    List,
    Get {
        name: String,
    },
    /// Makes or changes a pool.
    Set(SetPool),
    Delete {
        name: String,
    },
    /// Makes or changes every pool of a JSON file: an object by name.
    Import {
        file: PathBuf,
    },
    /// All pools as JSON.
    Export,
}

#[derive(Debug, Args)]
pub struct SetPool {
    pub name: String,
    /// -1 is without bound.
    #[arg(allow_negative_numbers = true)]
    pub slots: i32,
    #[arg(long)]
    pub description: Option<String>,
    /// Deferred tasks hold slots too.
    #[arg(long)]
    pub include_deferred: bool,
}
