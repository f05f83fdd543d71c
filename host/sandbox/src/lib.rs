//! The only crate with wasmtime: inspection, compilation, limits, bindings and the capabilities that a guest may call.
//!
//! What lies behind a capability is somebody else's: `hooks` answers [`capability::http`], [`capability::sql`] and
//! [`capability::object_store`], the worker answers the rest. This crate knows neither of them, and no store.

pub mod capability;
pub mod egress;
