//! Asking the person at the terminal.

use std::io::{IsTerminal, Write};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::failure::Failure;

/// Goes on if the answer is yes, or was given before. Without a terminal nobody can be asked.
pub fn unless(yes: bool, question: &str) -> Result<()> {
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage("this asks for a confirmation, and there is no terminal")
            .hint("--yes answers it")
            .into());
    }
    eprint!("{question} [y/N] ");
    std::io::stderr().flush()?;
    if matches!(line()?.to_lowercase().as_str(), "y" | "yes") {
        Ok(())
    } else {
        Err(Failure::new("nothing was done").into())
    }
}

/// A password: a line of standard input, unseen where that is a terminal.
pub fn password(from_stdin: bool, what: &str) -> Result<String> {
    let terminal = std::io::stdin().is_terminal();
    if !from_stdin {
        if !terminal {
            return Err(Failure::usage("a password is asked for, and there is no terminal")
                .hint("--password-stdin reads it from standard input")
                .into());
        }
        eprint!("{what}: ");
        std::io::stderr().flush()?;
    }
    let _unseen = terminal.then(Unseen::new);
    let password = line()?;
    if terminal {
        eprintln!();
    }
    if password.is_empty() { Err(Failure::usage("the password is empty").into()) } else { Ok(password) }
}

fn line() -> Result<String> {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).context("cannot read standard input")?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// While it lives, the terminal does not show what is typed.
struct Unseen;

impl Unseen {
    fn new() -> Self {
        echo("-echo");
        Self
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        echo("echo");
    }
}

/// By the one program that every Unix has for it; where it is missing, the password is seen while it is typed.
fn echo(mode: &str) {
    let _ = Command::new("stty").arg(mode).stdin(Stdio::inherit()).stdout(Stdio::null()).stderr(Stdio::null()).status();
}
