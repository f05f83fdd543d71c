//! The time, as an argument of whoever needs it.

use std::sync::Arc;

use chrono::{DateTime, Utc};

/// Says what time it is to everything in a process, so that a test or a simulation can say otherwise. No database's clock is ever
/// asked.
pub type Clock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;
