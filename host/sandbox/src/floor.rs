//! What a try would cost if it were nothing but WebAssembly: the measure for what the sandbox adds.

use std::time::{Duration, Instant};

use airlock_core::digest::Digest;
use airlock_core::id::TenantId;
use airlock_core::limits::Limits;
use airlock_core::outcome::TryResult;
use serde_json::Map;
use tokio_util::sync::CancellationToken;
use wasmtime::Store;
use wasmtime::component::{Linker, ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

use crate::bindings::OperatorPre;
use crate::modules::PrepareError;
use crate::nothing;
use crate::run::{Call, Entry};
use crate::sandbox::Sandbox;

/// The least that a guest with WASI needs.
struct Bare {
    wasi: WasiCtx,
    table: ResourceTable,
}

impl WasiView for Bare {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

/// The floor cannot be measured.
#[derive(Debug, thiserror::Error)]
#[error("cannot run module {module} bare: {reason}")]
pub struct FloorError {
    module: Digest,
    reason: String,
}

impl Sandbox {
    /// Runs `execute` of a module so many times, one after the other, on this engine but without limits, clock, log and
    /// host, and answers the time of all. The module must need none of the host's interfaces.
    pub async fn bare_loop(&self, tenant: TenantId, module: Digest, tries: u32) -> Result<Duration, FloorError> {
        let failed = |reason: String| FloorError { module, reason };
        let prepared = self.prepared(tenant, module).await.map_err(|error: PrepareError| failed(error.to_string()))?;
        let component = prepared.operator.instance_pre().component();
        let engine = component.engine();
        let bare = || async {
            let mut linker = Linker::<Bare>::new(engine);
            wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
            linker.define_unknown_imports_as_traps(component)?;
            let operator = OperatorPre::new(linker.instantiate_pre(component)?)?;
            let arguments = "{}".to_owned();
            let started = Instant::now();
            for _ in 0..tries {
                let bare = Bare { wasi: WasiCtxBuilder::new().build(), table: ResourceTable::new() };
                let mut store = Store::new(engine, bare);
                // Never reached: nothing else ends a store's time when epochs are counted.
                store.set_epoch_deadline(u64::MAX / 2);
                let instance = operator.instantiate_async(&mut store).await?;
                let answer = instance.airlock_operator_task().call_execute(&mut store, &arguments).await?;
                if let Err(failure) = answer {
                    return Err(wasmtime::format_err!("it failed: {failure:?}"));
                }
            }
            Ok(started.elapsed())
        };
        bare().await.map_err(|error| failed(format!("{error:#}")))
    }

    /// The same by [`Sandbox::call`], with every limit on: the difference is what the sandbox costs.
    pub async fn call_loop(&self, tenant: TenantId, module: Digest, tries: u32) -> Result<Duration, FloorError> {
        let started = Instant::now();
        for _ in 0..tries {
            let call = Call {
                module,
                entry: Entry::Execute { arguments: Map::new() },
                context: nothing::context(),
                caller: nothing::caller(tenant),
                limits: Limits::default(),
                capabilities: nothing::capabilities(),
                cancel: CancellationToken::new(),
            };
            if let TryResult::Failure(failure) = self.call(call).await.result {
                return Err(FloorError { module, reason: failure.message });
            }
        }
        Ok(started.elapsed())
    }
}
