//! The one place where machine code becomes callable.
#![expect(unsafe_code, reason = "loading precompiled code is what makes starting a module quick")]

use wasmtime::Engine;
use wasmtime::component::Component;

use super::artifact::Sealed;

/// Fails if the artifact was made by another compiler; then it has to be made again.
pub(crate) fn load(engine: &Engine, artifact: &Sealed) -> wasmtime::Result<Component> {
    // SAFETY: `deserialize` runs whatever code the bytes hold, so they must be what wasmtime's own compiler made. A `Sealed`
    // comes either straight from the compiler's process, or from a file whose HMAC, with a key only this host has, proves
    // that it did. The bytes are in our memory, not in a mapped file, so nobody can change them between check and use.
    unsafe { Component::deserialize(engine, artifact.bytes()) }
}
