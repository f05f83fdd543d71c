//! A shell for operators that run scripts: bashkit in memory, without files, network or processes of the host.
//!
//! What the script writes goes to the task's log line by line as it comes. bashkit counts commands, iterations and time
//! against limits of its own; here they are off, for the sandbox round the module already limits CPU time, memory and wall
//! time, and a script that is long for a chat is short for a workflow. The limits that protect the interpreter's own stack
//! stay.

mod lines;

use std::future::ready;
use std::time::Duration;

use airlock_sdk::{Error, Result};
use bashkit::{Bash, ExecOptions, ExecutionLimits, FsLimits, SessionLimits};

use lines::Lines;

/// Longer than any try may take: the sandbox's wall time ends it before. (A larger number overflows the clock's arithmetic.)
const NO_TIMEOUT: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Bytes of intermediate data, such as one command substitution, below the sandbox's memory so that the message is clear.
const INTERMEDIATE_BYTES: u64 = 64 * 1024 * 1024;

/// A shell with its files and variables.
pub struct Shell {
    bash: Bash,
    runtime: tokio::runtime::Runtime,
}

/// How a script ended.
#[derive(Debug, PartialEq, Eq)]
pub struct Finished {
    /// 0 for success.
    pub exit_code: i32,
    /// The last line of standard output, without white space at its end; empty if there was none.
    pub last_line: String,
}

impl Shell {
    /// A shell whose scripts see these environment variables.
    ///
    /// # Errors
    /// If the runtime that drives the interpreter cannot be made.
    pub fn new(environment: impl IntoIterator<Item = (String, String)>) -> Result<Self> {
        let limits = ExecutionLimits::cli()
            .timeout(NO_TIMEOUT)
            .max_work_units(u64::MAX)
            .max_aggregate_input_bytes(u64::MAX)
            .max_live_intermediate_bytes(INTERMEDIATE_BYTES)
            .max_stdout_bytes(usize::MAX)
            .max_stderr_bytes(usize::MAX);
        let mut builder = Bash::builder()
            .username("airlock")
            .hostname("airlock")
            .limits(limits)
            .session_limits(SessionLimits::unlimited())
            .filesystem_limits(FsLimits::unlimited());
        for (name, value) in environment {
            builder = builder.env(name, value);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        Ok(Self { bash: builder.build(), runtime })
    }

    /// Runs a script with these positional parameters.
    ///
    /// # Errors
    /// If the script cannot be parsed, or the interpreter gives up at one of its limits. A script that ends with another
    /// exit code than 0 is no error here.
    pub fn run(&mut self, script: &str, parameters: &[&str]) -> Result<Finished> {
        let mut stdout = Lines::new("stdout");
        let mut stderr = Lines::new("stderr");
        let execution = self
            .bash
            .execute(script)
            .options(ExecOptions::new().positional(parameters.iter().copied()))
            .stdout_fn(|bytes| {
                stdout.take(&bytes);
                ready(Ok(()))
            })
            .stderr_fn(|bytes| {
                stderr.take(&bytes);
                ready(Ok(()))
            });
        let result = self.runtime.block_on(async { execution.await });
        stderr.end();
        let last_line = stdout.end();
        match result {
            Ok(result) => Ok(Finished { exit_code: result.exit_code, last_line }),
            Err(error @ bashkit::Error::Parse { .. }) => Err(Error::fail(error).context("the script is not valid")),
            Err(error) => Err(Error::from(error).context("the script could not be run to its end")),
        }
    }
}
