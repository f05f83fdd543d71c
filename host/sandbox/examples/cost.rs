//! What a try costs in the sandbox, over a bare loop of the same guest on the same engine. Prints one JSON object, with the
//! medians of three rounds; `cargo xtask load` shows it as the floor.
//!
//! `cargo run --release -p airlock-sandbox --example cost -- MODULE COMPILER [TRIES]`, where MODULE is a component that
//! needs nothing of the host (the operator `empty`, or the `noop` fixture) and COMPILER the `airlock-compile-module` binary.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use airlock_core::digest::Digest;
use airlock_core::id::TenantId;
use airlock_sandbox::egress::Gate;
use airlock_sandbox::inspect::InspectOptions;
use airlock_sandbox::{CompileOptions, EngineOptions, ModuleSource, Sandbox, SandboxOptions};
use async_trait::async_trait;

struct One(PathBuf);

#[async_trait]
impl ModuleSource for One {
    async fn file(&self, _: Digest) -> std::io::Result<PathBuf> {
        Ok(self.0.clone())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(module), Some(compiler)) = (arguments.next(), arguments.next()) else {
        return Err("usage: cost MODULE COMPILER [TRIES]".into());
    };
    let tries = arguments.next().map_or(Ok(20_000), |tries| tries.parse())?;
    let digest = Digest::of(&std::fs::read(&module)?);
    let folder = tempfile::tempdir()?;
    let sandbox = Sandbox::new(SandboxOptions {
        modules: Arc::new(One(module.into())),
        artifacts: folder.path().join("compiled"),
        scratch: folder.path().join("scratch"),
        compile: CompileOptions::new(compiler, []),
        inspect: InspectOptions::default(),
        engine: EngineOptions::default(),
        ready_modules: 8,
        gate: Gate::default(),
    })?;
    let tenant = TenantId(1);
    sandbox.bare_loop(tenant, digest, tries / 10).await?;
    let each = |time: Duration| time.as_secs_f64() * 1e6 / f64::from(tries);
    let (mut bare, mut call) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        bare.push(each(sandbox.bare_loop(tenant, digest, tries).await?));
        let started = Instant::now();
        sandbox.call_loop(tenant, digest, tries).await?;
        call.push(each(started.elapsed()));
    }
    let (bare, call) = (median(bare), median(call));
    println!(
        "{{\"tries\": {tries}, \"bare_microseconds\": {bare:.2}, \"sandbox_microseconds\": {call:.2}, \"ratio\": {:.2}}}",
        call / bare
    );
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
