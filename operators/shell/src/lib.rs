//! A shell for operators that run scripts: bashkit in memory, without files, network or processes of the host.
//!
//! bashkit counts commands, iterations and time against limits of its own; here they are off, for the sandbox round the module
//! already limits CPU time, memory and wall time, and a script that is long for a chat is short for a workflow. The limits
//! that protect the interpreter's own stack stay.

mod filter;
mod lines;
mod sleep;

use std::future::ready;
use std::time::Duration;

use airlock_sdk::{Error, Result};
use bashkit::{Bash, BashBuilder, ExecOptions, ExecutionLimits, FsLimits, SessionLimits};

pub use filter::filter;
use lines::Lines;

/// Longer than any try may take: the sandbox's wall time ends it before. (A larger number overflows the clock's arithmetic.)
const NO_TIMEOUT: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Bytes of intermediate data, such as the input of one `sort`, below the sandbox's memory so that the message is clear.
const INTERMEDIATE_BYTES: u64 = 64 * 1024 * 1024;

/// How a script ended.
#[derive(Debug, PartialEq, Eq)]
pub struct Finished {
    /// 0 for success.
    pub exit_code: i32,
    /// The last line of standard output, without white space at its end; empty if there was none.
    pub last_line: String,
}

/// Runs a script that sees these environment variables. What it writes goes to the task's log, line by line as it comes.
///
/// # Errors
/// If the script cannot be parsed, or the interpreter gives up at one of its limits. A script that ends with another exit code
/// than 0 is no error here.
pub fn run(script: &str, environment: impl IntoIterator<Item = (String, String)>) -> Result<Finished> {
    let mut builder = builder();
    for (name, value) in environment {
        builder = builder.env(name, value);
    }
    let mut bash = builder.build();
    let mut stdout = Lines::new("stdout");
    let mut stderr = Lines::new("stderr");
    let execution = bash
        .execute(script)
        .stdout_fn(|bytes| {
            stdout.take(&bytes);
            ready(Ok(()))
        })
        .stderr_fn(|bytes| {
            stderr.take(&bytes);
            ready(Ok(()))
        });
    let result = runtime()?.block_on(async { execution.await });
    stderr.end();
    let last_line = stdout.end();
    Ok(Finished { exit_code: result.map_err(failed)?.exit_code, last_line })
}

fn builder() -> BashBuilder {
    let limits = ExecutionLimits::cli()
        .timeout(NO_TIMEOUT)
        .max_work_units(u64::MAX)
        .max_aggregate_input_bytes(u64::MAX)
        .max_live_intermediate_bytes(INTERMEDIATE_BYTES)
        .max_stdout_bytes(usize::MAX)
        .max_stderr_bytes(usize::MAX);
    Bash::builder()
        .username("airlock")
        .hostname("airlock")
        .limits(limits)
        .command("sleep", sleep::Sleep)
        .session_limits(SessionLimits::unlimited())
        .filesystem_limits(FsLimits::unlimited())
}

/// What drives the interpreter's futures: one thread, which is all that a component has.
fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_time().build()?)
}

fn failed(error: bashkit::Error) -> Error {
    match error {
        bashkit::Error::Parse { .. } => Error::fail(error).context("the script is not valid"),
        error => Error::from(error).context("the script could not be run to its end"),
    }
}
