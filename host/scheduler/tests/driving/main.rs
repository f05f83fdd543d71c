//! The scheduler on a real database.

mod runs;
mod world;
