//! What the end-to-end tests share: the real binary as a child process, and its HTTP API.
//!
//! Each server has its own folder, its own port and its own database, so that tests run side by side. Compiled modules are the
//! one thing that they share: compiling is slow, and what comes out of it depends on nothing but the module.

mod api;
mod modules;
mod prometheus;
mod proxy;
mod server;

pub use api::{Api, Refusal, http_client};
pub use modules::{module, modules_folder, target};
pub use prometheus::Scrape;
pub use proxy::{Network, Proxy};
pub use server::{Database, Server, Stopped};

/// How long anything may take in a test before it has failed. Generous, for machines that do much else.
pub const PATIENCE: std::time::Duration = std::time::Duration::from_secs(120);
