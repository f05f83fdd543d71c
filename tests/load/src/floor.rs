//! What the parts can do without us: the bare loop of the same guest, and bare commits in the same database. Measured by programs
//! of the crates that own the parts, so that no other crate needs them.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::Store;
use crate::figures::rounded;

pub struct Floor {
    pub figures: Value,
    /// The least that a task that does nothing can take, one after the other: a try in a bare loop, and one commit each for being
    /// queued, claimed and reported.
    pub task_ms: f64,
}

const COMMITS_PER_TASK: f64 = 3.0;

impl Floor {
    pub fn measure(programs: &Path, store: Store) -> Result<Self> {
        let module = airlock_tests::modules_folder()?.join("empty.wasm");
        let guest = example(programs, "cost", &[&module, &programs.join("airlock-compile-module")])?;
        let commits = match store {
            Store::Sqlite => {
                let folder = tempfile::tempdir()?;
                example(programs, "bare_commits_sqlite", &[&folder.path().join("floor.db")])?
            }
            Store::Postgres => {
                let database = airlock_test_services::postgres()?;
                example(programs, "bare_commits_postgres", &[Path::new(database.url())])?
            }
        };
        let number = |value: &Value| value.as_f64().context("the floor has no such figure");
        let guest_us = number(&guest["bare_microseconds"])?;
        let commit_us = number(&commits["microseconds_per_commit"])?;
        let task_ms = (guest_us + COMMITS_PER_TASK * commit_us) / 1e3;
        Ok(Self { figures: json!({ "sandbox": guest, "database": commits, "task_ms": rounded(task_ms) }), task_ms })
    }

    /// How many times the floor this is.
    pub fn times(&self, milliseconds: f64) -> f64 {
        rounded(milliseconds / self.task_ms)
    }
}

/// Runs an example program of the release build; it prints one JSON object.
fn example(programs: &Path, name: &str, arguments: &[&Path]) -> Result<Value> {
    let program = programs.join("examples").join(name);
    let output = Command::new(&program)
        .args(arguments)
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot run {}", program.display()))?;
    if !output.status.success() {
        bail!("{name} ended with {}", output.status);
    }
    serde_json::from_slice(&output.stdout).with_context(|| format!("{name} did not print JSON"))
}
