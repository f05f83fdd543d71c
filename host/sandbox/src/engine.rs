//! The one engine of a process: how code is compiled, where instances get their memory, and the clock that interrupts.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::component::Component;
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, RegallocAlgorithm, Strategy,
};

use crate::ticker::Ticker;

/// How long a guest computes before others have their turn, and how exact the limit of CPU time is.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// Bytes of the fibre that a guest and the host calls beneath it run on.
const FIBRE_BYTES: usize = 2 << 20;

/// Tables and memories that the pool keeps for each slot. An operator in Rust takes one memory and two tables (its own,
/// and that of the shim which links it); one that takes more occupies several slots.
const TABLES_PER_SLOT: u32 = 4;
const MEMORIES_PER_SLOT: u32 = 1;

/// How instances get their memory.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// Calls that run at once; the next ones wait. Each reserves about 4 GiB of address space (not of memory).
    pub slots: u32,
    /// Bytes of stack of every guest. One value for the host: wasmtime has no smaller scope for it.
    pub stack_bytes: usize,
    /// Elements of the largest table that a guest may have, whatever its limits say.
    pub table_elements: usize,
    /// Take memory from a pool that is reserved at start: about three times as quick as asking the system each time.
    pub pooling: bool,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self { slots: 1_000, stack_bytes: 512 << 10, table_elements: 100_000, pooling: true }
    }
}

/// What decides the compiled code: equal in this process and in the one that compiles. No parallel compilation (its
/// threads would escape the limits of the child), and never Winch, the baseline compiler with the weaker record.
fn configuration(options: &EngineOptions) -> Config {
    let mut config = Config::new();
    config
        .strategy(Strategy::Cranelift)
        .cranelift_opt_level(OptLevel::Speed)
        .cranelift_regalloc_algorithm(RegallocAlgorithm::Backtracking)
        .epoch_interruption(true)
        .wasm_component_model(true)
        .max_wasm_stack(options.stack_bytes)
        .async_stack_size(FIBRE_BYTES.max(options.stack_bytes * 2));
    config
}

/// An engine that only compiles: it reserves nothing, so that it fits into a narrow address space.
pub(crate) fn compiler() -> wasmtime::Result<Engine> {
    Engine::new(&configuration(&EngineOptions::default()))
}

fn pool(options: &EngineOptions) -> PoolingAllocationConfig {
    // Somewhat more than the semaphore admits: a slot is cleaned after its call's permit is back.
    let slots = options.slots + options.slots / 16 + 8;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(slots)
        .total_stacks(slots)
        // Only counted, never reserved: a try's own limit of instances is what bounds them.
        .total_core_instances(u32::MAX)
        .total_memories(slots * MEMORIES_PER_SLOT)
        .total_tables(slots * TABLES_PER_SLOT)
        .table_elements(options.table_elements)
        // Slots stay warm: their first pages are zeroed in place rather than given back to the system.
        .linear_memory_keep_resident(64 << 10)
        .table_keep_resident(16 << 10)
        .async_stack_keep_resident(16 << 10)
        .max_unused_warm_slots(64)
        .decommit_batch_size(16)
        .pagemap_scan(Enabled::Auto);
    pool
}

/// The engine with its clock, and the count of what runs on it.
pub(crate) struct Runtime {
    pub(crate) engine: Engine,
    pub(crate) ticker: Ticker,
    pub(crate) options: EngineOptions,
    slots: Arc<Semaphore>,
}

impl Runtime {
    pub(crate) fn new(options: EngineOptions) -> wasmtime::Result<Self> {
        let engine = Self::engine(&options)?;
        let ticker = Ticker::start(engine.weak(), TICK)?;
        let slots = Arc::new(Semaphore::new(options.slots as usize));
        Ok(Self { engine, ticker, options, slots })
    }

    /// Making the pool is the probe: it reserves all of its address space at once, or fails.
    fn engine(options: &EngineOptions) -> wasmtime::Result<Engine> {
        if options.pooling {
            let mut config = configuration(options);
            config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(options)));
            match Engine::new(&config) {
                Ok(engine) => return Ok(engine),
                Err(error) => tracing::warn!(
                    sandbox.slots = options.slots,
                    "cannot reserve the instance pool ({error:#}): each try asks the system for its memory instead, which is slower; \
                     allow more address space (`ulimit -v`), or set fewer slots"
                ),
            }
        }
        Engine::new(&configuration(options))
    }

    /// Waits for room for one instance of this component.
    pub(crate) async fn slot(&self, weight: u32) -> OwnedSemaphorePermit {
        match self.slots.clone().acquire_many_owned(weight.min(self.options.slots)).await {
            Ok(permit) => permit,
            // The semaphore is never closed, so this is never reached; waiting for ever is what a closed door means.
            Err(_) => std::future::pending().await,
        }
    }
}

/// How many slots of the pool an instance of this component takes.
pub(crate) fn weight(component: &Component) -> u32 {
    let Some(required) = component.resources_required() else {
        return 1;
    };
    required.num_memories.div_ceil(MEMORIES_PER_SLOT).max(required.num_tables.div_ceil(TABLES_PER_SLOT)).max(1)
}
