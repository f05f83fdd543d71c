//! What the parts can do without us: the bare loop of the same guest, and bare commits in the same database. Measured by programs
//! of the crates that own the parts, so that no other crate needs them.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::Store;
use crate::{guests, process};

/// The sandbox's compiler as a program of its own.
const COMPILER: &str = "airlock-compile-module";

pub fn measure(store: Store) -> Result<Value> {
    let module = guests::modules_folder().join("empty.wasm");
    build(&["--bin", COMPILER])?;
    let compiler = crate::target().join("release").join(COMPILER);
    let guest = example("cost", &[&module.display().to_string(), &compiler.display().to_string()])?;
    let commits = match store {
        Store::Sqlite => {
            let folder = tempfile::tempdir()?;
            example("bare_commits_sqlite", &[&folder.path().join("floor.db").display().to_string()])?
        }
        Store::Postgres => {
            let database = airlock_test_services::postgres()?;
            example("bare_commits_postgres", &[database.url()])?
        }
    };
    Ok(json!({ "sandbox": guest, "database": commits }))
}

/// Runs an example program of the workspace in a release build; it prints one JSON object.
fn example(name: &str, arguments: &[&str]) -> Result<Value> {
    build(&["--example", name])?;
    let program = crate::target().join("release/examples").join(name);
    let output = process::output(process::command(program).args(arguments))?;
    serde_json::from_str(&output).with_context(|| format!("{name} did not print JSON"))
}

fn build(target: &[&str]) -> Result<()> {
    let mut cargo = process::command("cargo");
    cargo.current_dir(crate::root()).args(["build", "--locked", "--quiet", "--release", "--workspace"]).args(target);
    process::run(&mut cargo)
}
