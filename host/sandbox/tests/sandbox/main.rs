//! The sandbox against real components: what it admits, what it runs, and what it contains.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests, and what only they call")]

mod admission;
mod assets;
mod calls;
mod containment;
mod files;
mod limits;
mod network;
mod support;
