//! The HTTP API: Airflow's v2, so that its clients work unchanged, and beside it what Airflow lacks.
//!
//! - [`router`](mod@router) is the whole API on one page; a noun is a folder, an endpoint is a file.
//! - Handlers take what they need by extractors ([`extract`]) and answer with a model ([`models`]) or a [`problem::Problem`].
//! - Every call to the store takes the tenant of the request's [`extract::Principal`], who comes from the token alone: no
//!   request can name another tenant, and what belongs to another one is not found.
//! - The API changes the database and raises a wake-up. It runs no task, decides nothing about one, and never waits for a
//!   scheduler: what is to happen follows from `core` and from what the database holds.

mod alternatives;
mod assets;
mod auth;
mod backfills;
mod bulk;
mod callbacks;
mod clearing;
mod configuration;
mod connections;
mod dag_runs;
mod dag_versions;
mod dag_warnings;
mod dags;
mod deadlines;
mod event_logs;
mod extract;
mod imports;
mod intervene;
mod jobs;
mod layers;
mod lookup;
mod markers;
mod metrics;
mod models;
mod monitor;
mod note;
mod openapi;
mod operators;
mod pools;
mod ports;
mod problem;
mod providers;
mod router;
mod runs_of;
mod secret;
mod state;
mod task_groups;
mod task_instances;
mod tasks;
mod tenants;
mod tokens;
mod trigger_events;
mod users;
mod variables;
mod workers;
mod xcoms;

pub use auth::{NewToken, PasswordError, hash_password, hash_token, random_password};
pub use models::{ConfigOption, ConfigSection};
pub use ports::{
    AdmittedModule, ConnectionTester, MetricsSource, ModuleFault, ModuleInspector, OpenConnection, PROMETHEUS_TEXT,
};
pub use router::{openapi, router};
pub use state::{ApiState, Parts, Settings};
