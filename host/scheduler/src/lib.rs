//! The shell round the core: opens runs, drives runs, admits tasks.
