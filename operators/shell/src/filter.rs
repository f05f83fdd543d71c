//! A script between a reader and a writer.

use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};

use airlock_sdk::{Error, Result};
use bashkit::{Command, CommandContext, CommandStatus, async_trait};

use super::{ExecOptions, Lines, builder, failed, ready, runtime};

/// The command that puts the input out. Its name is none that a script would use.
const INPUT: &str = "__airlock_input";

/// Bytes read in one piece.
const CHUNK: usize = 64 * 1024;

/// Runs a script whose standard input is `input` and whose standard output goes to `output`, piece by piece, and gives its exit
/// code. Standard error goes to the task's log.
///
/// # Errors
/// As [`run`](super::run), and with the error of the input or output that failed.
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

#[cfg(test)]
mod tests {
    use airlock_sdk::testing::Host;

    use super::*;

    /// Lines without end; whoever reads a megabyte of them wanted all.
    struct Endless(usize);

    impl Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            self.0 += buffer.len();
            if self.0 > 1024 * 1024 {
                return Err(std::io::Error::other("read too far"));
            }
            buffer.chunks_mut(5).for_each(|chunk| chunk.copy_from_slice(&b"line\n"[..chunk.len()]));
            Ok(buffer.len() / 5 * 5)
        }
    }

    fn run(script: &str, input: impl Read + Send + 'static) -> (Result<i32>, String) {
        let mut written = Vec::new();
        let result = Host::new().run(|| {
            filter(script, &[], input, |bytes| -> Result<()> {
                written.extend_from_slice(bytes);
                Ok(())
            })
        });
        (result, String::from_utf8(written).unwrap())
    }

    #[test]
    fn input_is_read_as_far_as_the_script_wants() {
        for script in [
            "head -n 1",
            "cat | head -n 1",
            "tr a-z a-z | head -n 1",
            "grep -m 1 line",
            "while read -r line; do echo \"$line\"; break; done",
        ] {
            assert_eq!(run(script, Endless(0)), (Ok(0), "line\n".into()), "{script}");
        }
    }

    #[test]
    fn an_input_that_breaks_is_an_error_whatever_the_script_does() {
        for script in ["cat", "cat || true", "cat > /tmp/x; echo done", "sort | head -n 1"] {
            let error = run(script, Endless(0)).0.unwrap_err();
            assert_eq!(error.message, "the input cannot be read: read too far", "{script}");
        }
    }

    #[test]
    fn an_output_that_breaks_is_an_error() {
        let refuse = |_: &[u8]| Err(Error::retry("the store is full"));
        let error = Host::new().run(|| filter("cat", &[], Endless(0), refuse)).unwrap_err();
        assert_eq!(error.message, "the output cannot be written: the store is full");
    }
}
