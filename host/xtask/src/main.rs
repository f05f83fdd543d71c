//! Developer tasks: `cargo xtask <task>`, from the root of the project.

mod arch;
mod build;
mod chaos;
mod conformance;
mod demo;
mod guests;
mod load;
mod process;
mod setup;
mod test;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Developer tasks of Airlock.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Checks who may know whom, which libraries may be used where and under which licences, and how long files are.
    Arch,
    /// Installs what building and testing need, where it is missing.
    Setup,
    /// Builds the operators' modules.
    Operators,
    /// Builds the guests that the sandbox is tested with.
    Fixtures,
    /// Runs every test.
    Test,
    /// Judges the cases of Airflow's behaviour, and counts them.
    Conformance {
        /// A folder of cases to judge instead of the project's own.
        #[arg(long, value_name = "FOLDER")]
        cases: Option<PathBuf>,
    },
    /// Lives through seeds of a simulation in which everything goes wrong, and counts those in which something broke.
    Simulate {
        /// `--seeds 10000`; `--first 17 --seeds 1 --trace`; `--sabotage overbook`: what the program `airlock-simulation` takes.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Runs an example DAG on real parts, and shows its progress and its results.
    Demo {
        /// Ends after the run, with exit code 1 unless it succeeded.
        #[arg(long)]
        exit: bool,
    },
    /// Kills, stops and cuts off processes at random under load, then holds the database against what must always be true.
    Chaos {
        /// How long things go wrong; in less than a minute not everything does.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
        /// What an earlier call has printed, to let the same go wrong again.
        #[arg(long)]
        seed: Option<u64>,
        /// With a release build.
        #[arg(long)]
        release: bool,
    },
    /// Measures what a task costs in a release build, and prints one JSON object.
    Load {
        /// `--profile chain --db postgres`; `--help`: what the program `airlock-load` takes.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<()> {
    match task {
        Task::Arch => arch::run(),
        Task::Setup => setup::test(),
        Task::Operators => setup::build().and_then(|()| guests::build_operators(root())),
        Task::Fixtures => setup::build().and_then(|()| guests::build_fixtures(root())),
        Task::Test => test::run(),
        Task::Conformance { cases } => conformance::run(cases),
        Task::Simulate { arguments } => simulate(&arguments),
        Task::Demo { exit } => demo::run(exit),
        Task::Chaos { seconds, seed, release } => chaos::run(seconds, seed, release),
        Task::Load { arguments } => load::run(&arguments),
    }
}

/// The simulation is a program of the workspace.
fn simulate(arguments: &[String]) -> Result<()> {
    let mut cargo = process::command("cargo");
    cargo.current_dir(root()).args(["run", "--locked", "--quiet", "--bin", "airlock-simulation", "--"]);
    process::run(cargo.args(arguments))
}

/// The project's folder.
fn root() -> &'static Path {
    const MANIFEST: &str = env!("CARGO_MANIFEST_DIR");
    Path::new(MANIFEST).ancestors().nth(2).unwrap_or(Path::new("."))
}

/// The folder that cargo builds into: this very program lies in it, as `PROFILE/xtask`.
fn target() -> PathBuf {
    let program = std::env::current_exe().ok();
    program
        .as_deref()
        .and_then(|program| program.ancestors().nth(2))
        .map_or_else(|| root().join("target"), Path::to_path_buf)
}
