//! The imports of `wit/`, answered by the capability traits. Here, and only here, grants and sizes are checked; what lies
//! behind a trait is called with requests that are allowed.

pub(crate) mod assets;
pub(crate) mod connections;
pub(crate) mod context;
pub(crate) mod dag_runs;
pub(crate) mod http;
pub(crate) mod log;
pub(crate) mod object_store;
pub(crate) mod sql;
pub(crate) mod variables;
pub(crate) mod wasi_http;
pub(crate) mod xcom;

use chrono::{DateTime, Utc};

use crate::bindings::airlock::operator::types::{Host, Instant};
use crate::run::state::CallState;

impl Host for CallState {}

pub(crate) fn instant(at: DateTime<Utc>) -> Instant {
    // A leap second counts on beyond 999,999,999 in chrono; the contract does not know it.
    Instant { seconds: at.timestamp(), nanoseconds: at.timestamp_subsec_nanos().min(999_999_999) }
}

/// None for a moment that no calendar reaches, or a fraction of more than a second.
pub(crate) fn moment(instant: Instant) -> Option<DateTime<Utc>> {
    (instant.nanoseconds < 1_000_000_000)
        .then(|| DateTime::from_timestamp(instant.seconds, instant.nanoseconds))
        .flatten()
}
