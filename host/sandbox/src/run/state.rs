//! What one call's store holds: everything that the host calls of one try go to, and what they have used so far.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use airlock_core::limits::Limits;
use wasmtime::component::{Resource, ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::WasiHttpCtx;

use crate::capability::task::{LogLevel, LogSource, TaskContext};
use crate::capability::{Caller, Capabilities};
use crate::egress::Gate;
use crate::host::assets::Said;
use crate::host::wasi_http::Outgoing;
use crate::limit::{Limit, LimitReached};
use crate::run::limiter::ResourceLimits;
use crate::run::output::Output;
use crate::scratch::Scratch;

/// Random bytes that one call of `wasi:random` may ask for.
const RANDOM_BYTES: u64 = 64 << 10;

/// What all calls share.
pub(crate) struct Surroundings {
    pub(crate) gate: Gate,
    /// Where the bytes of scratch folders lie.
    pub(crate) scratch: Arc<Path>,
}

pub(crate) struct CallState {
    pub(crate) table: ResourceTable,
    pub(crate) resources: ResourceLimits,
    pub(crate) limits: Limits,
    pub(crate) context: TaskContext,
    pub(crate) caller: Caller,
    pub(crate) capabilities: Capabilities,
    pub(crate) output: Output,
    /// Keys under which this call has pushed XComs.
    pub(crate) xcom_keys: HashSet<String>,
    /// What this call has said of events of assets.
    pub(crate) said: Said,
    /// Calls of `airlock:operator` interfaces.
    pub(crate) host_calls: u64,
    pub(crate) scratch: Scratch,
    pub(crate) wasi_http: WasiHttpCtx,
    pub(crate) outgoing: Outgoing,
    wasi: WasiCtx,
}

impl CallState {
    pub(crate) fn new(
        limits: Limits,
        context: TaskContext,
        caller: Caller,
        capabilities: Capabilities,
        surroundings: &Surroundings,
    ) -> Self {
        let output = Output::new(capabilities.task.clone(), limits.log_bytes);
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.handles as usize);
        // No arguments, no environment, no preopened folders, no sockets: the builder gives none unless asked.
        let wasi = WasiCtxBuilder::new()
            .stdout(output.stream(LogSource::Stdout))
            .stderr(output.stream(LogSource::Stderr))
            .max_random_size(RANDOM_BYTES.min(limits.host_call_bytes))
            .build();
        let outgoing = Outgoing::new(caller.clone(), surroundings.gate.clone(), output.clone());
        let scratch = Scratch::new(surroundings.scratch.clone(), limits.scratch_bytes);
        Self {
            table,
            resources: ResourceLimits::new(&limits),
            limits,
            context,
            caller,
            capabilities,
            output,
            xcom_keys: HashSet::new(),
            said: Said::default(),
            host_calls: 0,
            scratch,
            wasi_http: WasiHttpCtx::new(),
            outgoing,
            wasi,
        }
    }

    /// Opens a handle for the guest.
    pub(crate) fn open<T: Send + 'static>(&mut self, value: T) -> wasmtime::Result<Resource<T>> {
        self.table.push(value).map_err(|_| {
            LimitReached::beyond(Limit::Handles, u64::from(self.limits.handles), "opening a handle").into()
        })
    }

    /// How many bytes a host call may answer that was asked for `wanted`.
    pub(crate) fn read_size(&self, wanted: u32) -> usize {
        u64::from(wanted).min(self.limits.host_call_bytes).try_into().unwrap_or(usize::MAX)
    }

    /// Says in the log which limit an error is about that the guest is told of, and may go on after.
    pub(crate) fn note(&self, limit: &LimitReached) -> wasmtime::Result<()> {
        self.output.record(LogLevel::Warning, LogSource::Host, limit.to_string(), Vec::new())?;
        Ok(())
    }
}

impl WasiView for CallState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}
