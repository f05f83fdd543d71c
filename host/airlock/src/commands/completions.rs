//! `airlock completions`.

use anyhow::Result;
use clap::CommandFactory;

use crate::{cli::Cli, output};

pub fn run(shell: clap_complete::Shell) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "airlock", &mut script);
    output::write(&String::from_utf8_lossy(&script))
}
