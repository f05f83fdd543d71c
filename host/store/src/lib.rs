//! What the host asks of a database, by use case. Two crates answer: `store-sqlite` and `store-postgres`; one suite
//! (`conformance`) holds both to the same behaviour.
//!
//! Invariants that every implementation keeps:
//! - Every row belongs to a tenant, and every method that touches rows takes one (or a key that carries one). What belongs
//!   to another tenant does not exist.
//! - A method is one transaction: it happens whole or not at all, and no answer goes out before its commit.
//! - A change of state names what it leaves. Zero changed rows means that somebody else was first, and is an answer, not an
//!   error.
//! - `now` is an argument: a database's clock is never asked.

pub mod assets;
pub mod audit;
pub mod backfills;
pub mod callbacks;
pub mod clock;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod dags;
pub mod deadlines;
pub mod driving;
pub mod error;
pub mod health;
pub mod instances;
pub mod operators;
pub mod page;
pub mod patience;
pub mod queue;
pub mod retention;
pub mod runs;
pub mod settings;
#[doc(hidden)]
pub mod support;
pub mod tenants;
pub mod triggers;
pub mod wake;
pub mod xcoms;

pub use error::{StoreError, StoreResult};
pub use page::{Page, Paged, Pattern};

/// The whole of it, for the places that hand it on.
pub trait Store:
    tenants::Tenants
    + dags::Dags
    + runs::Runs
    + backfills::Backfills
    + assets::Assets
    + instances::Instances
    + driving::Driving
    + queue::Queue
    + triggers::Triggers
    + xcoms::XComs
    + settings::Settings
    + operators::Operators
    + health::Health
    + audit::Audit
    + callbacks::Callbacks
    + deadlines::Deadlines
    + retention::Retention
{
}

impl<T> Store for T where
    T: tenants::Tenants
        + dags::Dags
        + runs::Runs
        + backfills::Backfills
        + assets::Assets
        + instances::Instances
        + driving::Driving
        + queue::Queue
        + triggers::Triggers
        + xcoms::XComs
        + settings::Settings
        + operators::Operators
        + health::Health
        + audit::Audit
        + callbacks::Callbacks
        + deadlines::Deadlines
        + retention::Retention
{
}
