//! What can be set about a worker.

use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerOptions {
    /// Shown with each try, so that people know where it ran.
    pub hostname: String,
    /// The queues whose tries this worker runs.
    pub queues: Vec<String>,
    /// Tries that run at once.
    pub concurrency: u32,
    /// Triggers of deferred tasks that are looked at at once.
    pub trigger_concurrency: u32,
    /// How long a try is this worker's without a heartbeat. Three heartbeats fit into it.
    pub lease: Duration,
    /// How often the queue is looked at when no wake-up comes.
    pub poll: Duration,
    /// How long an answer of the database is waited for.
    pub patience: Duration,
    /// How long a stopping worker lets running tries go on before it ends them.
    pub grace: Duration,
}

impl Default for WorkerOptions {
    fn default() -> Self {
        Self {
            hostname: "localhost".to_owned(),
            queues: vec!["default".to_owned()],
            concurrency: 32,
            trigger_concurrency: 32,
            lease: Duration::from_secs(30),
            poll: Duration::from_secs(1),
            patience: Duration::from_secs(60),
            grace: Duration::from_secs(20),
        }
    }
}
