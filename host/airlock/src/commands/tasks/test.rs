//! `airlock tasks test`: one task on the developer's own machine, whatever the tasks around it would say.

use anyhow::Result;

use super::{Session, alone};
use crate::cli::LocalTask;
use crate::commands::dags;
use crate::local::Local;

pub async fn run(command: &LocalTask, session: &Session) -> Result<()> {
    let document = alone::document(command)?;
    let body = alone::run_body(&command.dag)?;
    let operators = alone::operators(&command.dag);
    let local = Local::start(&session.config, &alone::surroundings(&command.dag, &operators)).await?;
    let outcome = dags::test::one_run(&local.client, &document, &body).await;
    local.stop().await?;
    outcome
}
