use std::time::Duration;

/// How a scheduler works. The defaults suit one process on SQLite as well as many on PostgreSQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchedulerOptions {
    /// As it is shown to people.
    pub hostname: String,
    /// Time between passes that look for what no wake-up told of.
    pub pass_interval: Duration,
    /// How long a run is held without being renewed. After a scheduler's death its runs go on when this is over.
    pub run_lease: Duration,
    /// How long a round waits for the database.
    pub patience: Duration,
    pub heartbeat_interval: Duration,
    pub housekeeping_interval: Duration,
    /// How long a process that has not been heard of is remembered.
    pub forget_processes_after: Duration,
    /// How long a callback waits for a worker before it counts as failed.
    pub callback_patience: Duration,
    /// A run in which nothing has happened for this long, and nothing is to happen for as long, is held by nobody until something does. A
    /// large run has to be quiet for longer: see `rest_runs`.
    pub rest_after: Duration,
    /// Instances that are made or moved after which a round takes in nothing more. Whatever comes waits for the round that is under way,
    /// so that a round is to be short; what a single event changes in its run is never divided.
    pub changes: usize,
    /// Reported tries, lost tries, due DAGs and runs that one round takes in, each.
    pub batch: u32,
    /// Task instances that one round queues.
    pub admissions: usize,
}

impl Default for SchedulerOptions {
    fn default() -> Self {
        Self {
            hostname: "localhost".to_owned(),
            pass_interval: Duration::from_secs(1),
            run_lease: Duration::from_secs(15),
            patience: Duration::from_secs(60),
            heartbeat_interval: Duration::from_secs(5),
            housekeeping_interval: Duration::from_secs(60),
            forget_processes_after: Duration::from_secs(7 * 86_400),
            callback_patience: Duration::from_secs(86_400),
            rest_after: Duration::from_secs(10),
            changes: 250,
            batch: 1_000,
            admissions: 250,
        }
    }
}
