//! Airlock's one program: servers, client commands, and the compiler's child process. The one place where everything is put
//! together.

mod cli;
mod client;
mod commands;
mod config;
mod failure;
mod local;
mod logging;
mod output;
mod server;
mod traces;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

use cli::{Cli, Command};
use commands::Session;
use config::{Config, Sources};
use traces::Traces;

/// The system's allocator keeps what a burst once took: a process that had held 100,000 instances stayed that large for ever. This
/// one gives unused pages back, and is the faster of the two when several threads allocate.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Command::CompileModule(command) = &cli.command {
        // The child of a sandbox: no configuration, no runtime, no network, nothing but a compiler.
        return airlock_sandbox::compile_child(&command.arguments);
    }
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure::report(&error),
    }
}

fn run(cli: Cli) -> Result<()> {
    let config = Config::load(&sources(&cli))?;
    // One TLS library with one provider; a second call, which says that there is one already, changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let role = server_role(&cli.command);
    let traces = role.map(Traces::start).transpose()?.flatten();
    logging::start(&config, role.is_some(), traces.as_ref())?;
    let session = Session { output: config.output()?, config };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")?;
    let ended = runtime.block_on(commands::run(cli.command, &session));
    if let Some(traces) = traces {
        traces.finish();
    }
    ended
}

fn sources(cli: &Cli) -> Sources {
    let mut flags = cli.global.settings();
    if let Some(server) = server_flags(&cli.command) {
        flags.extend(server.settings());
    }
    Sources {
        file: cli.global.config.clone().or_else(config::default_file),
        // A name or value that is not UTF-8 is none of ours.
        environment: std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect(),
        flags,
    }
}

fn server_flags(command: &Command) -> Option<&cli::ServerFlags> {
    match command {
        Command::Standalone(flags) | Command::Api(flags) | Command::Scheduler(flags) | Command::Worker(flags) => {
            Some(flags)
        }
        Command::Db(command) => Some(command.server()),
        _ => None,
    }
}

fn server_role(command: &Command) -> Option<&'static str> {
    match command {
        Command::Standalone(_) => Some("standalone"),
        Command::Api(_) => Some("api"),
        Command::Scheduler(_) => Some("scheduler"),
        Command::Worker(_) => Some("worker"),
        _ => None,
    }
}
