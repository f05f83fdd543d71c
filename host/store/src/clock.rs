//! The time, as an argument of whoever needs it.

use std::sync::Arc;

use chrono::{DateTime, Utc};

/// Says what time it is to everything in a process, so that a test or a simulation can say otherwise. No statement asks for its
/// database's time; processes on one PostgreSQL database carry its clock on, so that the moments of leases mean the same to all.
pub type Clock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;
