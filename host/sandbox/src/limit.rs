//! The error that ends a try at one of its limits.

use std::fmt;

/// A limit of [`airlock_core::limits::Limits`], by the name that a document gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    Memory,
    TableElements,
    Instances,
    Cpu,
    Wall,
    HostCall,
    Handles,
    Log,
    XComBytes,
    XComCount,
    AssetEventBytes,
    AssetEventCount,
    Scratch,
    Stack,
}

impl Limit {
    /// The name of the field in a task's `limits` and in a tenant's policy.
    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory_bytes",
            Self::TableElements => "table_elements",
            Self::Instances => "instances",
            Self::Cpu => "cpu_ms",
            Self::Wall => "wall_ms",
            Self::HostCall => "host_call_bytes",
            Self::Handles => "handles",
            Self::Log => "log_bytes",
            Self::XComBytes => "xcom_bytes",
            Self::XComCount => "xcom_count",
            Self::AssetEventBytes => "asset_event_bytes",
            Self::AssetEventCount => "asset_event_count",
            Self::Scratch => "scratch_bytes",
            Self::Stack => "stack_bytes",
        }
    }

    fn unit(self) -> &'static str {
        match self {
            Self::Memory
            | Self::HostCall
            | Self::Log
            | Self::XComBytes
            | Self::AssetEventBytes
            | Self::Scratch
            | Self::Stack => " bytes",
            Self::Cpu | Self::Wall => " ms",
            Self::TableElements => " elements",
            Self::Instances => " core instances, memories or tables",
            Self::Handles => " open handles",
            Self::XComCount => " values",
            Self::AssetEventCount => " events",
        }
    }
}

/// What is said to a person when a try ends at a limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct LimitReached {
    pub limit: Limit,
    pub allowed: u64,
    /// What was asked for or used, where that is known exactly.
    pub reached: Option<u64>,
    /// What the module was doing, such as `writing to standard output`.
    pub doing: &'static str,
}

impl LimitReached {
    pub(crate) fn new(limit: Limit, allowed: u64, reached: u64, doing: &'static str) -> Self {
        Self { limit, allowed, reached: Some(reached), doing }
    }

    /// For limits that the runtime enforces without saying how far they were passed.
    pub(crate) fn beyond(limit: Limit, allowed: u64, doing: &'static str) -> Self {
        Self { limit, allowed, reached: None, doing }
    }
}

impl fmt::Display for LimitReached {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, unit) = (self.limit.name(), self.limit.unit());
        write!(formatter, "limit `{name}` reached while {}: ", self.doing)?;
        match self.reached {
            Some(reached) => write!(formatter, "{reached} of {}{unit}. ", self.allowed)?,
            None => write!(formatter, "more than {}{unit}. ", self.allowed)?,
        }
        if self.limit == Limit::Stack {
            return write!(formatter, "The stack has one size on this host, which its configuration sets");
        }
        write!(
            formatter,
            "To allow more, raise `limits.{name}` of the task where it sets one, or else of the tenant's policy, which bounds \
             every task"
        )
    }
}
