//! The scheduler on a real database.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod backfills;
mod callbacks;
mod limits;
mod runs;
mod world;
