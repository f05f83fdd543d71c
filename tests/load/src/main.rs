//! Benches of the real binary, over HTTP: what a task costs, how long one waits, and what is paid for much that does nothing.
//! Prints one JSON object: figures, what the parts can do without us in the same run (the floor), and ratios, which say more than
//! figures on a machine that has other work. `cargo xtask load` builds what this needs, and runs it.

mod chain;
mod figures;
mod floor;
mod history;
mod idle;
mod large;
mod many;
mod profile;
mod schedulers;
mod sensors;
mod soak;
mod stages;
mod tenants;
mod trigger;
mod usage;

use std::path::PathBuf;
use std::process::ExitCode;

use airlock_tests::{Database, Server};
use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use serde_json::{Value, json};

use floor::Floor;
use profile::Profile;

/// Benches of Airlock's release build.
#[derive(Parser)]
#[command(name = "cargo xtask load", bin_name = "cargo xtask load")]
struct Arguments {
    #[arg(long)]
    profile: Profile,
    #[arg(long, default_value = "sqlite")]
    db: Store,
    /// How many there are: instances in `wide`, `mapped` and `history`, DAGs in `idle`, tasks that wait in `sensors`, runs in
    /// `schedulers`.
    #[arg(long)]
    instances: Option<usize>,
    /// How long `soak` takes; memory is compared by quarters of it.
    #[arg(long, default_value_t = 3600, value_parser = clap::value_parser!(u64).range(60..))]
    seconds: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Store {
    Sqlite,
    Postgres,
}

/// What a profile is measured with.
struct Bench {
    /// Where the release build's programs are.
    programs: PathBuf,
    store: Store,
    floor: Floor,
    instances: Option<usize>,
    seconds: u64,
}

/// What a profile has found.
struct Measured {
    figures: Value,
    ratios: Value,
}

/// What most profiles call their DAG.
const DAG: &str = "load";

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let program = std::env::current_exe()?;
    let programs = program.parent().context("this program is in no folder")?.to_owned();
    let load = std::fs::read_to_string("/proc/loadavg").context("cannot read the machine's load")?;
    let bench = Bench {
        floor: Floor::measure(&programs, arguments.db)?,
        programs,
        store: arguments.db,
        instances: arguments.instances,
        seconds: arguments.seconds,
    };
    let measured = tokio::runtime::Runtime::new()?.block_on(arguments.profile.measure(&bench))?;
    let report = json!({
        "profile": name(arguments.profile),
        "db": name(arguments.db),
        "load_average_before": load.split_whitespace().next(),
        "figures": measured.figures,
        "floor": bench.floor.figures,
        "ratios": measured.ratios,
    });
    println!("{}", serde_json::to_string_pretty(&report)?);
    Ok(())
}

fn name(value: impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

impl Bench {
    /// A server of its own on an empty database.
    fn server(&self) -> Result<Server> {
        let database = match self.store {
            Store::Sqlite => Database::Sqlite,
            Store::Postgres => Database::Postgres,
        };
        Server::start_binary(&self.programs.join("airlock"), database, &[("worker_slots", "64"), ("log", "warn")])
    }
}
