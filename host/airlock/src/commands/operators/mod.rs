//! `airlock operators`.

pub mod build;
mod inspect;
mod list;
mod new;
mod push;
mod test;

use anyhow::Result;

use super::Session;
use crate::cli::OperatorsCommand;
use crate::client::segment;

pub async fn run(command: OperatorsCommand, session: &Session) -> Result<()> {
    match command {
        OperatorsCommand::Build { path } => build::run(&path, session),
        OperatorsCommand::List => list::run(session).await,
        OperatorsCommand::New { name, path, sdk } => new::run(&name, &path, sdk.as_deref()),
        OperatorsCommand::Test(command) => test::run(&command, session).await,
        OperatorsCommand::Push { paths } => push::run(&paths, session).await,
        OperatorsCommand::Inspect { operator } => inspect::run(&operator, session).await,
        OperatorsCommand::Yank { name, version } => {
            session.client()?.delete(&version_path(&name, &version)).await?;
            eprintln!("withdrew {name}@{version}");
            Ok(())
        }
    }
}

fn version_path(name: &str, version: &str) -> String {
    format!("/api/v2/operators/{}/versions/{}", segment(name), segment(version))
}
