//! What each command does; a noun is a folder, a verb is a file.

mod access;
pub mod ask;
mod assets;
mod backfill;
mod completions;
mod config_show;
mod dags;
mod events;
mod info;
mod jobs;
mod operators;
mod runs;
pub mod settings;
mod tasks;
mod version;

use anyhow::Result;

use crate::cli::{Command, ConfigCommand};
use crate::client::Client;
use crate::config::Config;
use crate::output::Format;
use crate::server;

/// What every command has.
pub struct Session {
    pub config: Config,
    pub output: Format,
}

impl Session {
    pub fn client(&self) -> Result<Client> {
        Client::new(&self.config)
    }
}

pub async fn run(command: Command, session: &Session) -> Result<()> {
    match command {
        Command::Standalone(_) => server::standalone(&session.config).await,
        Command::Api(_) => server::api(&session.config).await,
        Command::Scheduler(_) => server::scheduler(&session.config).await,
        Command::Worker(_) => server::worker(&session.config).await,
        Command::Db(command) => server::db(&command, session).await,
        Command::Dags(command) => dags::run(command, session).await,
        Command::Runs(command) => runs::run(command, session).await,
        Command::Assets(command) => assets::run(command, session).await,
        Command::Events(command) => events::run(command, session).await,
        Command::Backfill(command) => backfill::run(command, session).await,
        Command::Tasks(command) => tasks::run(command, session).await,
        Command::Operators(command) => operators::run(command, session).await,
        Command::Connections(command) => settings::connections::run(command, session).await,
        Command::Variables(command) => settings::variables::run(command, session).await,
        Command::Pools(command) => settings::pools::run(command, session).await,
        Command::Login(login) => access::login::run(&login, session).await,
        Command::Tenants(command) => access::tenants::run(command, session).await,
        Command::Users(command) => access::users::run(command, session).await,
        Command::Tokens(command) => access::tokens::run(command, session).await,
        Command::Jobs(command) => jobs::run(command, session).await,
        Command::Version => version::run(session).await,
        Command::Info => info::run(session).await,
        Command::Config(ConfigCommand::Show) => config_show::run(session),
        Command::Config(ConfigCommand::GetValue { setting }) => config_show::value(&setting, session),
        Command::Completions { shell } => completions::run(shell),
        // Done before there is a session; see `main`.
        Command::CompileModule(_) => Ok(()),
    }
}
