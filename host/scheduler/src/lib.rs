//! The shell round the core: it opens runs that are due, drives runs, and admits task instances to the queue.
//!
//! One task of the runtime does it all, round by round. A round takes in whatever has arrived (reports of workers, due timers,
//! new runs), lets the run machines decide, and applies everything in one transaction, so that throughput is not bound by one
//! commit for each task; then it begins again at once if there is more. Between rounds it sleeps until a wake-up, the next
//! timer, or the timed pass that finds what no wake-up told of.
//!
//! The machines are a cache of the database: any run can be dropped from memory at any moment and loaded again. That is the
//! answer to everything unexpected here.

mod arrivals;
mod callbacks;
mod commit;
mod contact;
mod deadlines;
mod expire;
mod failed_runs;
mod held;
mod housekeeping;
mod lease;
mod metrics;
mod open_asset_runs;
mod open_backfills;
mod open_runs;
mod options;
mod past;
mod reports;
mod rest_runs;
mod round;
mod scheduler;
mod stages;
mod take_runs;
mod triggers;

pub use options::SchedulerOptions;
pub use scheduler::Scheduler;
