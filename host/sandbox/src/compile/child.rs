//! The other side of [`super::Compiler`]: a process that compiles one module and ends.
//!
//! It reads the module from standard input and writes machine code to standard output, so it needs no file, no network and
//! no environment. It bounds itself before it reads a byte: what it then does wrong ends it, and not the host.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, setrlimit};

/// The compiler refused the module; standard error says why.
pub(super) const REFUSED: u8 = 3;
/// The child could not do its work, for a reason that is not the module's.
const FAILED: u8 = 4;

/// What `airlock compile-module CPU_SECONDS ADDRESS_SPACE_BYTES` does. It must be called before the process has started
/// threads: their stacks would count against its address space.
pub fn main(arguments: &[OsString]) -> ExitCode {
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, message)) => {
            eprintln!("{message}");
            ExitCode::from(code)
        }
    }
}

fn run(arguments: &[OsString]) -> Result<(), (u8, String)> {
    let [cpu_seconds, address_space] = arguments else {
        return Err((FAILED, "usage: compile-module CPU_SECONDS ADDRESS_SPACE_BYTES < module > artifact".to_owned()));
    };
    let number = |text: &OsString| {
        text.to_str().and_then(|text| text.parse().ok()).ok_or((FAILED, format!("{text:?} is no number")))
    };
    confine(number(cpu_seconds)?, number(address_space)?)
        .map_err(|error| (FAILED, format!("cannot limit the compiler's process: {error}")))?;

    let mut module = Vec::new();
    std::io::stdin().read_to_end(&mut module).map_err(|error| (FAILED, format!("cannot read the module: {error}")))?;
    let engine =
        crate::engine::compiler().map_err(|error| (FAILED, format!("cannot set up the compiler: {error:#}")))?;
    let artifact = engine.precompile_component(&module).map_err(|error| (REFUSED, format!("{error:#}")))?;
    std::io::stdout().write_all(&artifact).map_err(|error| (FAILED, format!("cannot write the artifact: {error}")))
}

fn confine(cpu_seconds: u64, address_space: u64) -> rustix::io::Result<()> {
    let exactly = |value| Rlimit { current: Some(value), maximum: Some(value) };
    setrlimit(Resource::Core, exactly(0))?;
    setrlimit(Resource::Fsize, exactly(0))?;
    setrlimit(Resource::Cpu, exactly(cpu_seconds))?;
    setrlimit(Resource::As, exactly(address_space))
}
