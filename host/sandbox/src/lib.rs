//! The only crate with wasmtime: inspection, compilation, limits, bindings and the capabilities that a guest may call.
//!
//! What lies behind a capability is somebody else's: `hooks` answers [`capability::http`], [`capability::sql`] and
//! [`capability::object_store`], the worker answers the rest. This crate knows neither of them, and no store.
//!
//! - [`Sandbox::admit`] takes an uploaded file through [`inspect`](mod@inspect), the compiler's process and `describe`.
//! - [`Sandbox::call`] runs one try.
//!
//! Invariant: a guest reaches nothing but the traits of [`capability`], and each of its calls is bounded in time, memory
//! and size before it gets there.

mod bindings;
pub mod capability;
mod compile;
mod describe;
pub mod egress;
mod engine;
mod floor;
mod host;
pub mod inspect;
mod limit;
mod modules;
mod nothing;
mod run;
mod sandbox;
mod scratch;
mod ticker;
mod wasi;

pub use compile::child::main as compile_child;
pub use compile::{CompileError, CompileOptions};
pub use engine::EngineOptions;
pub use floor::FloorError;
pub use limit::{Limit, LimitReached};
pub use modules::ModuleSource;
pub use run::{Call, CallReport, Entry, Usage};
pub use sandbox::{AdmitError, Admitted, Sandbox, SandboxError, SandboxOptions};
