//! `airlock compile-module` on its own, for tests of this crate.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    airlock_sandbox::compile_child(&arguments)
}
