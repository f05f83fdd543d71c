//! `airlock login | tenants | users | tokens`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub struct Login {
    #[arg(long, short, default_value = "admin")]
    pub username: String,
    /// The tenant whose user this is.
    #[arg(long, default_value = "default")]
    pub tenant: String,
    /// Reads the password from standard input instead of asking for it.
    #[arg(long)]
    pub password_stdin: bool,
}

#[derive(Debug, Subcommand)]
pub enum TenantsCommand {
    List,
    /// Makes a tenant with an admin user, whose password is printed once.
    Create {
        name: String,
        /// The tenant's policy as a JSON file: limits, egress, host folders, grants.
        #[arg(long, value_name = "FILE")]
        policy: Option<PathBuf>,
    },
    /// Shows a tenant's policy, or sets it from a JSON file.
    Policy {
        name: String,
        #[arg(long, value_name = "FILE")]
        set: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
pub enum UsersCommand {
    List,
    /// Makes a user; the password is asked for.
    Create {
        username: String,
        /// `viewer`, `user`, `op` or `admin`.
        #[arg(long, default_value = "user")]
        role: String,
        /// Reads the password from standard input instead of asking for it.
        #[arg(long)]
        password_stdin: bool,
    },
    Delete {
        username: String,
    },
}

#[derive(Debug, Subcommand)]
pub enum TokensCommand {
    List,
    /// Makes a token, and prints it once.
    Create {
        /// What it is for.
        name: String,
        /// `viewer`, `user`, `op` or `admin`.
        #[arg(long, default_value = "user")]
        role: String,
        /// After how many days it ends; never by default.
        #[arg(long, value_name = "DAYS")]
        days: Option<u32>,
    },
    Revoke {
        id: String,
    },
}
