//! A script between a reader and a writer.

use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};

use airlock_sdk::{Error, Result};
use bashkit::{Command, CommandContext, CommandStatus, async_trait};

use super::*;

/// The command that puts the input out. Its name is none that a script would use.
const INPUT: &str = "__airlock_input";

/// Bytes read in one piece.
const CHUNK: usize = 64 * 1024;

/// Runs a script whose standard input is `input` and whose standard output goes to `output`, piece by piece, and gives its exit
/// code. Standard error goes to the task's log.
///
/// # Errors
/// As [`run`], and with the error of the input or output that failed.
pub fn filter<E: Into<Error>>(
    script: &str,
    parameters: &[&str],
    input: impl Read + Send + 'static,
    mut output: impl FnMut(&[u8]) -> Result<(), E> + Send,
) -> Result<i32> {
    let failure = Failure::default();
    let mut bash = builder().command(INPUT, Input { reader: Mutex::new(input), failure: failure.clone() }).build();
    // The last stage of a pipeline pulls as the one before it pushes. In braces of its own, so that the whole script is it.
    let script = format!("{INPUT} | {{\n{script}\n}}");
    let mut stderr = Lines::new("stderr");
    let execution = bash
        .execute(&script)
        .options(ExecOptions::new().positional(parameters.iter().copied()))
        .stdout_fn(|bytes| {
            ready(
                output(&bytes).map_err(|error| failure.remember(error.into().context("the output cannot be written"))),
            )
        })
        .stderr_fn(|bytes| {
            stderr.take(&bytes);
            ready(Ok(()))
        });
    let result = runtime()?.block_on(async { execution.await });
    stderr.end();
    match failure.take() {
        // The interpreter's own words would only say that a command failed.
        Some(error) => Err(error),
        None => Ok(result.map_err(failed)?.exit_code),
    }
}

/// The first error of the input or output, kept beside the interpreter: a script must not be able to go on without the rest of
/// its input and leave half an object behind.
#[derive(Clone, Default)]
struct Failure(Arc<Mutex<Option<Error>>>);

impl Failure {
    fn remember(&self, error: Error) -> bashkit::Error {
        let message = error.to_string();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        bashkit::Error::Execution(message)
    }

    fn take(&self) -> Option<Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

struct Input<R> {
    reader: Mutex<R>,
    failure: Failure,
}

#[async_trait]
impl<R: Read + Send> Command for Input<R> {
    async fn execute(&self, context: CommandContext<'_>) -> bashkit::Result<CommandStatus> {
        let mut buffer = vec![0; CHUNK];
        loop {
            let read = self.reader.lock().unwrap_or_else(PoisonError::into_inner).read(&mut buffer);
            let length =
                read.map_err(|error| self.failure.remember(Error::from(error).context("the input cannot be read")))?;
            if length == 0 {
                return Ok(CommandStatus::success());
            }
            match context.stdout.write_all(&buffer[..length]).await {
                // The script has read as much as it wants, as `head` does.
                Err(bashkit::Error::Io(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => {
                    return Ok(CommandStatus::success());
                }
                other => other?,
            }
        }
    }
}
