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

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

use cli::{Cli, Command};
use commands::Session;
use config::{Config, Sources};

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
    logging::start(&config, is_server(&cli.command))?;
    // One TLS library with one provider; a second call, which says that there is one already, changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let session = Session { output: config.output()?, config };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")?;
    runtime.block_on(commands::run(cli.command, &session))
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

fn is_server(command: &Command) -> bool {
    matches!(command, Command::Standalone(_) | Command::Api(_) | Command::Scheduler(_) | Command::Worker(_))
}
