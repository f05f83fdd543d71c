//! `cargo xtask load`: builds the release that is measured, and what measures it.

use anyhow::Result;

use crate::{guests, process, setup};

const PROGRAMS: &[&str] = &["airlock", "airlock-compile-module", "airlock-load"];
/// What the parts can do without us, each by the crate that owns the part.
const FLOORS: &[&str] = &["cost", "bare_commits_sqlite", "bare_commits_postgres"];

pub fn run(arguments: &[String]) -> Result<()> {
    setup::test()?;
    guests::build_operators(crate::root())?;
    let mut cargo = process::command("cargo");
    cargo.current_dir(crate::root()).args(["build", "--locked", "--quiet", "--release", "--workspace"]);
    cargo.args(PROGRAMS.iter().flat_map(|program| ["--bin", program]));
    cargo.args(FLOORS.iter().flat_map(|program| ["--example", program]));
    process::run(&mut cargo)?;
    let program = crate::target().join("release/airlock-load");
    process::run(process::command(program).args(arguments))
}
