//! The functions of this crate over the component's imports. One file per interface: each only turns types into types.

pub mod assets;
pub mod connections;
pub mod context;
pub mod dag_runs;
pub mod http;
pub mod instant;
pub mod log;
pub mod object_store;
pub mod sql;
pub mod variables;
pub mod xcom;

/// Generated from `wit/`.
#[expect(missing_docs, reason = "generated: the canonical ABI is raw memory")]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../../../wit",
        world: "operator",
        pub_export_macro: true,
        default_bindings_module: "airlock_sdk::expansion::bindings",
    });
}

/// The imported interfaces.
use bindings::airlock::operator as wit;
use serde_json::{Map, Value};

/// Reads a JSON object that the host sent. The host always sends one: anything else would be a fault of its own, and an
/// empty object is then the least surprise.
fn object(text: &str) -> Map<String, Value> {
    serde_json::from_str(text).unwrap_or_default()
}
