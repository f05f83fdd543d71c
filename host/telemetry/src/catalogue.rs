//! Every metric, with its kind, labels and meaning. `METRICS.md` is made from this list, and a test holds it to it.
//!
//! Where Airflow has a metric of that meaning, the name is Airflow's as its Helm chart's StatsD exporter gives it to
//! Prometheus: `airflow_` before it, and `_` for dots, without a suffix for the unit; times are in seconds. What Airflow does
//! not have starts with `airlock_` and is named as Prometheus recommends. Names that Airflow writes per pool, DAG or task are
//! sums here, because a label with a tenant's names would show them to whoever reads the metrics, and would never end.

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

/// What is counted, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    /// Seconds of something that should take less than one.
    Latency,
    /// Seconds of something that may take hours.
    Duration,
    /// A number of things at once.
    Size,
}

impl Kind {
    /// As Prometheus calls it.
    pub fn prometheus_type(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Latency | Self::Duration | Self::Size => "histogram",
        }
    }

    /// Upper bounds of a histogram's buckets.
    pub fn buckets(self) -> Option<&'static [f64]> {
        match self {
            Self::Counter | Self::Gauge => None,
            Self::Latency => Some(&[
                0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0,
            ]),
            Self::Duration => Some(&[
                0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 86_400.0,
            ]),
            Self::Size => Some(&[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 2_000.0, 5_000.0]),
        }
    }
}

/// One metric. Its handles are for keeping: getting one looks the name up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    pub name: &'static str,
    pub kind: Kind,
    /// Names of labels, in the order in which handles are given values for them.
    pub labels: &'static [&'static str],
    /// Which role answers it.
    pub role: &'static str,
    pub meaning: &'static str,
}

impl Metric {
    pub fn counter(&self) -> Counter {
        debug_assert_eq!(self.kind, Kind::Counter, "{}", self.name);
        let counter = counter!(self.name);
        // It is there from the start, so that the first increase is one.
        counter.increment(0);
        counter
    }

    /// With values for the labels.
    pub fn counter_of<const N: usize>(&self, values: [&str; N]) -> Counter {
        debug_assert_eq!(self.kind, Kind::Counter, "{}", self.name);
        counter!(self.name, self.labelled(values))
    }

    pub fn gauge(&self) -> Gauge {
        debug_assert_eq!(self.kind, Kind::Gauge, "{}", self.name);
        gauge!(self.name)
    }

    pub fn gauge_of<const N: usize>(&self, values: [&str; N]) -> Gauge {
        debug_assert_eq!(self.kind, Kind::Gauge, "{}", self.name);
        gauge!(self.name, self.labelled(values))
    }

    pub fn histogram(&self) -> Histogram {
        debug_assert!(self.kind.buckets().is_some(), "{}", self.name);
        histogram!(self.name)
    }

    pub fn histogram_of<const N: usize>(&self, values: [&str; N]) -> Histogram {
        debug_assert!(self.kind.buckets().is_some(), "{}", self.name);
        histogram!(self.name, self.labelled(values))
    }

    fn labelled<const N: usize>(&self, values: [&str; N]) -> Vec<metrics::Label> {
        debug_assert_eq!(self.labels.len(), N, "{}", self.name);
        self.labels.iter().zip(values).map(|(label, value)| metrics::Label::new(*label, value.to_owned())).collect()
    }

    /// Lets the recorder know the meanings of all metrics.
    pub fn describe_all() {
        for metric in METRICS {
            match metric.kind {
                Kind::Counter => metrics::describe_counter!(metric.name, metric.meaning),
                Kind::Gauge => metrics::describe_gauge!(metric.name, metric.meaning),
                Kind::Latency | Kind::Duration | Kind::Size => {
                    metrics::describe_histogram!(metric.name, metric.meaning);
                }
            }
        }
    }
}

macro_rules! catalogue {
    ($( $role:literal { $( $constant:ident = $kind:ident $name:literal [$($label:literal),*] $meaning:literal; )* } )*) => {
        $($(
            #[doc = $meaning]
            pub const $constant: Metric = Metric {
                name: $name,
                kind: Kind::$kind,
                labels: &[$($label),*],
                role: $role,
                meaning: $meaning,
            };
        )*)*

        /// All of them, by role.
        pub const METRICS: &[Metric] = &[$($($constant),*),*];
    };
}

catalogue! {
    "scheduler" {
        SCHEDULER_HEARTBEAT = Counter "airflow_scheduler_heartbeat" []
            "Heartbeats of this scheduler.";
        SCHEDULER_LOOP_DURATION = Latency "airflow_scheduler_scheduler_loop_duration" []
            "Seconds that one round of the scheduler took.";
        CRITICAL_SECTION_DURATION = Latency "airflow_scheduler_critical_section_duration" []
            "Seconds of the transaction that applies a round and queues tries under the pools' limits.";
        TASKS_STARVING = Gauge "airflow_scheduler_tasks_starving" []
            "Tasks with ready instances that the last pass did not queue because their pool had no free slots.";
        TASKS_EXECUTABLE = Gauge "airflow_scheduler_tasks_executable" []
            "Task instances that the last pass queued.";
        ORPHANED_CLEARED = Counter "airflow_scheduler_orphaned_tasks_cleared" []
            "Tries that were lost, because their worker had not been heard of for the length of a lease.";
        ORPHANED_ADOPTED = Counter "airflow_scheduler_orphaned_tasks_adopted" []
            "Tries under way, of runs that this scheduler took over.";
        RUNS_TAKEN_OVER = Counter "airlock_runs_taken_over_total" []
            "Runs under way that this scheduler took: their owner was gone, a request from outside had changed them, or they had rested.";
        RUNS_OVERTAKEN = Counter "airlock_runs_overtaken_total" []
            "Runs of which a commit was refused, because somebody else had taken or changed them.";
        RUNS_HELD = Gauge "airlock_runs_held" []
            "Runs that this scheduler drives.";
        ROUND_ERRORS = Counter "airlock_scheduler_round_errors_total" []
            "Rounds that the database broke off.";
        COMMIT_CHANGES = Size "airlock_commit_changes" []
            "Moves and new instances that one commit applied.";
        COMMIT_ADMISSIONS = Size "airlock_commit_admissions" []
            "Tries that one commit queued, of the commits that queued any.";
        SCHEDULE_DELAY = Duration "airflow_dagrun_schedule_delay" []
            "Seconds from when a scheduled run was due to its start.";
        FIRST_TASK_SCHEDULING_DELAY = Duration "airflow_dagrun_first_task_scheduling_delay" []
            "Seconds from when a scheduled run was due to the start of its first task.";
        DURATION_SUCCESS = Duration "airflow_dagrun_duration_success" []
            "Seconds that runs took that have succeeded.";
        DURATION_FAILED = Duration "airflow_dagrun_duration_failed" []
            "Seconds that runs took that have failed.";
        SCHEDULED_DURATION = Duration "airflow_task_scheduled_duration" []
            "First stage: seconds from when a try was ready to when it was queued.";
        QUEUED_DURATION = Duration "airflow_task_queued_duration" []
            "Second stage: seconds from when a try was queued to when a worker claimed it, known when it has ended.";
        SETTLE_SECONDS = Latency "airlock_task_settle_seconds" []
            "Last stage: seconds from the end of a try to the commit that settles it.";
        TI_SUCCESSES = Counter "airflow_ti_successes" []
            "Tries that have succeeded.";
        TI_FAILURES = Counter "airflow_ti_failures" []
            "Tries that have failed, whether they are tried again or not.";
    }
    "worker" {
        WORKER_SLOTS = Gauge "airlock_worker_slots" []
            "Tries that this worker runs at once, at most.";
        EXECUTOR_OPEN_SLOTS = Gauge "airflow_executor_open_slots" []
            "Free places of this worker.";
        EXECUTOR_RUNNING_TASKS = Gauge "airflow_executor_running_tasks" []
            "Tries and callbacks that this worker runs.";
        CLAIMED = Size "airlock_claimed_tries" []
            "Tries that one claim got, of the claims that got any.";
        START_SECONDS = Latency "airlock_task_start_seconds" []
            "Third stage: seconds that it took to prepare a claimed try: its definition, its templates, its arguments.";
        SANDBOX_WAIT_SECONDS = Latency "airlock_task_sandbox_wait_seconds" []
            "Seconds that a call waited for its module and for a place in the sandbox.";
        SANDBOX_SECONDS = Duration "airlock_task_sandbox_seconds" []
            "Fourth stage: seconds of a call in the sandbox.";
        SANDBOX_CPU_SECONDS = Duration "airlock_task_sandbox_cpu_seconds" []
            "Seconds of CPU time of a call in the sandbox.";
        REPORT_SECONDS = Latency "airlock_task_report_seconds" []
            "Fifth stage: seconds from the end of a try to the commit of its report.";
        SANDBOX_KILLS = Counter "airlock_sandbox_kills_total" ["cause"]
            "Calls that the sandbox ended: by the limit that was reached (`memory_bytes`, `cpu_ms`, `wall_ms` ...), `execution_timeout`, `trap` or `cancelled`.";
        REPORTS_REFUSED = Counter "airlock_reports_refused_total" []
            "Results that came too late: the try was settled, lost or cancelled before.";
        LEASES_LOST = Counter "airlock_leases_lost_total" []
            "Tries and callbacks that this worker was told to stop.";
        TRIGGERS_SUCCEEDED = Counter "airflow_triggers_succeeded" []
            "Waits of deferred tasks whose end this worker has seen.";
        TRIGGERS_FAILED = Counter "airflow_triggers_failed" []
            "Waits of deferred tasks that can never end.";
        TRIGGER_LOOKS = Counter "airlock_trigger_looks_total" []
            "Looks at what deferred tasks wait for.";
    }
    "api" {
        REQUEST_SECONDS = Latency "airlock_api_request_seconds" ["method", "route", "status"]
            "Seconds until a request was answered, by the route's pattern and the class of the status.";
        PARSE_TIME = Gauge "airflow_dag_processing_total_parse_time" []
            "Seconds that it took to read and check the last DAG document that was sent.";
        QUEUE_QUEUED = Gauge "airlock_queue_queued" ["queue"]
            "Tries that wait for a worker, of the whole installation; queues from which no worker took within a week are `other`.";
        QUEUE_RUNNING = Gauge "airlock_queue_running" ["queue"]
            "Tries that workers run, of the whole installation.";
        EXECUTOR_QUEUED_TASKS = Gauge "airflow_executor_queued_tasks" []
            "Tries that wait for a worker, of all queues.";
        POOL_OPEN_SLOTS = Gauge "airflow_pool_open_slots" []
            "Free slots of all pools that have a bound.";
        POOL_QUEUED_SLOTS = Gauge "airflow_pool_queued_slots" []
            "Slots of all pools that queued tries take.";
        POOL_RUNNING_SLOTS = Gauge "airflow_pool_running_slots" []
            "Slots of all pools that running tries take.";
        POOL_DEFERRED_SLOTS = Gauge "airflow_pool_deferred_slots" []
            "Slots that deferred task instances would take, of all pools.";
        POOL_SCHEDULED_SLOTS = Gauge "airflow_pool_scheduled_slots" []
            "Slots that scheduled task instances wait for, of all pools.";
        TRIGGERS_RUNNING = Gauge "airflow_triggers_running" []
            "Deferred task instances that wait.";
        RUNS = Gauge "airlock_runs" ["state"]
            "Runs that have not ended: `queued` or `running`.";
        PROCESSES = Gauge "airlock_processes" ["role"]
            "Processes that were heard of within 30 seconds.";
    }
    "every role" {
        DATABASE_SECONDS = Latency "airlock_database_seconds" ["transaction"]
            "Seconds of database transactions, by what they are for, the wait for a connection included.";
        DATABASE_ERRORS = Counter "airlock_database_errors_total" ["transaction"]
            "Database transactions that failed.";
        DATABASE_CONNECTIONS = Gauge "airlock_database_connections" ["state"]
            "Connections of this process: `idle`, `used`, and `limit` for how many there may be.";
        DATABASE_UP = Gauge "airlock_database_up" []
            "1 if the database answered at this scrape, 0 if not.";
        BUILD_INFO = Gauge "airlock_build_info" ["version"]
            "1, with the version of this program.";
        START_TIME = Gauge "process_start_time_seconds" []
            "When this process started, in seconds since 1970.";
        RESIDENT_MEMORY = Gauge "process_resident_memory_bytes" []
            "Memory of this process.";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = include_str!("../METRICS.md");

    /// One row for each metric, under its role.
    fn tables() -> String {
        let mut text = String::new();
        let mut role = "";
        for metric in METRICS {
            if metric.role != role {
                role = metric.role;
                text.push_str(&format!("\n## {role}\n\n| metric | type | labels | meaning |\n|---|---|---|---|\n"));
            }
            let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
            let (name, kind, meaning) = (metric.name, metric.kind.prometheus_type(), metric.meaning);
            text.push_str(&format!("| `{name}` | {kind} | {} | {meaning} |\n", labels.join(", ")));
        }
        text
    }

    /// `AIRLOCK_TEST_WRITE=1` writes the tables.
    #[test]
    fn the_document_has_every_metric() {
        let start = DOCUMENT.find("\n## scheduler\n").expect("the tables begin with those of the scheduler");
        if std::env::var_os("AIRLOCK_TEST_WRITE").is_some() {
            let path = concat!(env!("CARGO_MANIFEST_DIR"), "/METRICS.md");
            std::fs::write(path, format!("{}{}", &DOCUMENT[..start], tables())).expect("the document can be written");
            return;
        }
        assert_eq!(&DOCUMENT[start..], tables(), "write it anew with AIRLOCK_TEST_WRITE=1");
    }

    #[test]
    fn example_rules_ask_for_metrics_that_there_are() {
        let rules = include_str!("../../../examples/monitoring/alerts.yaml");
        let expressions = rules.lines().filter_map(|line| line.trim().strip_prefix("expr: "));
        let words =
            expressions.flat_map(|line| line.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_'));
        let mut asked = 0;
        for word in words.filter(|word| word.starts_with("airlock_") || word.starts_with("airflow_")) {
            let family = word.strip_suffix("_bucket").unwrap_or(word);
            assert!(METRICS.iter().any(|metric| metric.name == family), "{word}");
            asked += 1;
        }
        assert!(asked > 5, "the rules ask for something");
    }

    #[test]
    fn names_are_fit_for_prometheus_and_differ() {
        for (place, metric) in METRICS.iter().enumerate() {
            let fits =
                |name: &str| name.chars().all(|letter| letter.is_ascii_lowercase() || "_0123456789".contains(letter));
            assert!(fits(metric.name) && metric.labels.iter().all(|label| fits(label)), "{}", metric.name);
            assert!(
                METRICS[place + 1..].iter().all(|other| other.name != metric.name),
                "{} is there twice",
                metric.name
            );
            // Whose a thing is, is nobody's business who watches the machines.
            let named = ["tenant", "dag_id", "task_id", "run_id", "dag", "task", "pool"];
            assert!(metric.labels.iter().all(|label| !named.contains(label)), "{}", metric.name);
        }
    }
}
