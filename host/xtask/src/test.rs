//! `cargo xtask test`: every test there is.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::{build, guests, process, setup};

/// The test results that cargo and its test programs have told of.
#[derive(Default)]
struct Tally {
    passed: u64,
    failed: u64,
    /// Runs that did not even come to an end with results.
    broken: Vec<String>,
}

pub fn run() -> Result<()> {
    setup::test()?;
    let root = crate::root();
    say("building the operators and the hostile guests for WebAssembly");
    guests::build_operators(root)?;
    guests::build_fixtures(root)?;
    say("building the binary");
    build::binary(false)?;

    say("starting PostgreSQL and MariaDB");
    let postgres = airlock_test_services::start_postgres()?;
    let mariadb = airlock_test_services::start_mariadb()?;

    let mut tally = Tally::default();
    say("testing the host");
    let mut host = process::command("cargo");
    host.current_dir(root).args(["test", "--locked", "--workspace", "--no-fail-fast"]);
    host.env(airlock_test_services::POSTGRES_URL, postgres.url());
    host.env(airlock_test_services::MARIADB_URL, mariadb.url());
    tally.count(&mut host)?;

    for manifest in guests::manifests(root) {
        let folder = manifest.parent().context("a manifest lies in a folder")?;
        let name = folder.strip_prefix(root).unwrap_or(folder).display().to_string();
        say(&format!("testing {name}"));
        let mut guest = process::command("cargo");
        tally.count(guest.current_dir(folder).args(["test", "--locked", "--workspace", "--no-fail-fast"]))?;
    }

    for broken in &tally.broken {
        println!("failed: {broken}");
    }
    println!("{} passed, {} failed", tally.passed, tally.failed);
    if tally.failed > 0 || !tally.broken.is_empty() {
        bail!("not every test passed");
    }
    Ok(())
}

fn say(what: &str) {
    println!("\n== {what}");
}

impl Tally {
    /// Runs a command to its end, shows what it writes, and counts the results in it.
    fn count(&mut self, command: &mut Command) -> Result<()> {
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", process::words(command)))?;
        let stdout = child.stdout.take().context("the child has no standard output")?;
        let mut ours = std::io::stdout().lock();
        for line in BufReader::new(stdout).lines() {
            let line = line?;
            writeln!(ours, "{line}")?;
            if let Some((passed, failed)) = result(&line) {
                self.passed += passed;
                self.failed += failed;
            }
        }
        drop(ours);
        if !child.wait()?.success() {
            let folder =
                command.get_current_dir().map(|folder| format!(" in {}", folder.display())).unwrap_or_default();
            self.broken.push(format!("{}{folder}", process::words(command)));
        }
        Ok(())
    }
}

/// The counts of `test result: ok. 12 passed; 0 failed; 1 ignored; ...`.
fn result(line: &str) -> Option<(u64, u64)> {
    let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let number = |word: &str| counts.split("; ").find_map(|part| part.strip_suffix(word)?.trim().parse().ok());
    Some((number("passed")?, number("failed")?))
}

#[cfg(test)]
mod tests {
    use super::result;

    #[test]
    fn results_are_counted() {
        let line = "test result: FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s";
        assert_eq!(result(line), Some((12, 3)));
        assert_eq!(result("running 4 tests"), None);
    }
}
