//! Memory, tables and instances of one try.

use airlock_core::limits::Limits;
use wasmtime::{ResourceLimiter, Result};

use crate::limit::{Limit, LimitReached};

/// Counts over all memories and all tables together: per-memory limits would let a module multiply them.
///
/// Passing a limit ends the try rather than making `memory.grow` answer -1. Few programs survive a failed allocation, and
/// those that do not would end with a bare trap that names no limit.
#[derive(Debug)]
pub(crate) struct ResourceLimits {
    memory_limit: u64,
    table_limit: u64,
    instance_limit: usize,
    memory: u64,
    peak_memory: u64,
    table: u64,
    /// Of the growth that was last admitted; taken back if it then fails.
    last_memory_growth: u64,
    last_table_growth: u64,
}

impl ResourceLimits {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            memory_limit: limits.memory_bytes,
            table_limit: limits.table_elements,
            instance_limit: limits.instances as usize,
            memory: 0,
            peak_memory: 0,
            table: 0,
            last_memory_growth: 0,
            last_table_growth: 0,
        }
    }

    /// Bytes of linear memory at their highest.
    pub(crate) fn peak_memory(&self) -> u64 {
        self.peak_memory
    }
}

impl ResourceLimiter for ResourceLimits {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        let growth = desired.saturating_sub(current) as u64;
        let wanted = self.memory + growth;
        if wanted > self.memory_limit {
            return Err(LimitReached::new(Limit::Memory, self.memory_limit, wanted, "growing memory").into());
        }
        self.memory = wanted;
        self.last_memory_growth = growth;
        self.peak_memory = self.peak_memory.max(wanted);
        Ok(true)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> Result<()> {
        tracing::debug!("a guest's memory did not grow: {error:#}");
        self.memory -= std::mem::take(&mut self.last_memory_growth);
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        let growth = desired.saturating_sub(current) as u64;
        let wanted = self.table + growth;
        if wanted > self.table_limit {
            return Err(LimitReached::new(Limit::TableElements, self.table_limit, wanted, "growing a table").into());
        }
        self.table = wanted;
        self.last_table_growth = growth;
        Ok(true)
    }

    fn table_grow_failed(&mut self, error: wasmtime::Error) -> Result<()> {
        tracing::debug!("a guest's table did not grow: {error:#}");
        self.table -= std::mem::take(&mut self.last_table_growth);
        Ok(())
    }

    fn instances(&self) -> usize {
        self.instance_limit
    }

    fn tables(&self) -> usize {
        self.instance_limit
    }

    fn memories(&self) -> usize {
        self.instance_limit
    }
}
