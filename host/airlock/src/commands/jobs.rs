//! `airlock jobs`.

use anyhow::Result;

use super::Session;
use crate::cli::{CheckJobs, JobsCommand};
use crate::client::query;
use crate::failure::Failure;
use crate::output::{self, Column};

const PATH: &str = "/api/v2/jobs";
const COLUMNS: &[Column] = &[
    ("TYPE", "/job_type"),
    ("STATE", "/state"),
    ("HOST", "/hostname"),
    ("START", "/start_date"),
    ("HEARTBEAT", "/latest_heartbeat"),
    ("END", "/end_date"),
];

pub async fn run(command: JobsCommand, session: &Session) -> Result<()> {
    let client = session.client()?;
    match command {
        JobsCommand::List { alive } => {
            let path = if alive { format!("{PATH}?is_alive=true") } else { PATH.to_owned() };
            output::rows(session.output, COLUMNS, &client.list(&path, "jobs").await?)
        }
        JobsCommand::Check(command) => {
            let count = client.list(&wanted(&command), "jobs").await?.len();
            match count {
                0 => Err(Failure::new("no alive jobs found").into()),
                1 => {
                    eprintln!("found one alive job");
                    Ok(())
                }
                _ if command.allow_multiple => {
                    eprintln!("found {count} alive jobs");
                    Ok(())
                }
                _ => Err(Failure::new(format!("found {count} alive jobs, expected one"))
                    .hint("--allow-multiple takes that for well, --job-type and --hostname look for one")
                    .into()),
            }
        }
    }
}

fn wanted(command: &CheckJobs) -> String {
    let mut path = format!("{PATH}?is_alive=true");
    for (name, value) in [("job_type", &command.job_type), ("hostname", &command.hostname)] {
        if let Some(value) = value {
            path.push_str(&format!("&{name}={}", query(value)));
        }
    }
    path
}
