//! A DAG after validation: defaults applied, operators resolved, group ends expanded. This is what a DAG version stores, so
//! that a run never depends on anything that may change under it.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Callbacks, DeadlineAlert, Mapping};
use crate::asset::{AssetCondition, AssetOrAlias};
use crate::limits::{Grants, LimitOverrides};
use crate::state::{TriggerRule, UnknownName, WeightRule};

/// A validated DAG.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dag {
    pub dag_id: String,
    pub dag_display_name: Option<String>,
    pub description: Option<String>,
    pub doc_md: Option<String>,
    /// From `owner` or `default_args.owner`; otherwise `airlock`.
    pub owner: String,
    pub tags: Vec<String>,
    pub schedule: Schedule,
    /// An IANA name.
    pub timezone: String,
    pub start_date: Option<DateTime<Utc>>,
    pub end_date: Option<DateTime<Utc>>,
    pub catchup: bool,
    pub max_active_runs: u32,
    /// Per DAG run, as in Airflow 3.
    pub max_active_tasks: u32,
    /// 0: off.
    pub max_consecutive_failed_dag_runs: u32,
    pub dagrun_timeout: Option<Seconds>,
    pub fail_fast: bool,
    pub is_paused_upon_creation: bool,
    /// By name, in the order of the document.
    pub params: Map<String, Value>,
    pub render_template_as_native_obj: bool,
    /// Whether a run that is cleared goes on with the newest version where the request does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rerun_with_latest_version: Option<bool>,
    /// In the order of the document.
    pub tasks: Vec<Task>,
    pub task_groups: Vec<TaskGroup>,
    pub edge_labels: Vec<EdgeLabel>,
    /// Of its runs.
    #[serde(default, skip_serializing_if = "Callbacks::is_empty")]
    pub callbacks: Callbacks,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deadlines: Vec<DeadlineAlert>,
}

/// One task of a DAG, with every default applied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// With the prefixes of its groups.
    pub task_id: String,
    pub task_display_name: Option<String>,
    pub doc_md: Option<String>,
    pub owner: String,
    /// As written: `sql`, `sql@1`, `sql@1.2.0` or `sha256:...`.
    pub operator: String,
    pub resolved: ResolvedOperator,
    pub args: Map<String, Value>,
    /// Task ids, sorted, each once.
    pub upstream: Vec<String>,
    pub trigger_rule: TriggerRule,
    pub retries: u32,
    pub retry_delay: Seconds,
    /// 0 or 1: constant; otherwise the factor (Airflow's `true` is 2).
    pub retry_exponential_backoff: f64,
    pub max_retry_delay: Option<Seconds>,
    pub execution_timeout: Option<Seconds>,
    pub depends_on_past: bool,
    pub wait_for_downstream: bool,
    pub ignore_first_depends_on_past: bool,
    pub pool: String,
    pub pool_slots: u32,
    pub priority_weight: i32,
    pub weight_rule: WeightRule,
    pub queue: String,
    pub max_active_tis_per_dag: Option<u32>,
    pub max_active_tis_per_dagrun: Option<u32>,
    pub task_group: Option<String>,
    pub do_xcom_push: bool,
    pub multiple_outputs: bool,
    pub params: Map<String, Value>,
    /// None: the default of [`Grants`].
    pub grants: Option<Grants>,
    pub limits: LimitOverrides,
    pub sensor: Sensor,
    /// The assets that it produces: its success is an event of each. Of its aliases it says what they stand for as it runs.
    #[serde(default)]
    pub outlets: Vec<AssetOrAlias>,
    /// The assets that it uses: for people to see, and it may read their events.
    #[serde(default)]
    pub inlets: Vec<AssetOrAlias>,
    #[serde(default)]
    pub is_setup: bool,
    /// Its trigger rule is `all_done_setup_success`, and among its upstream are the setups that it tears down.
    #[serde(default)]
    pub is_teardown: bool,
    /// Whether a teardown's failure fails the run.
    #[serde(default)]
    pub on_failure_fail_dagrun: bool,
    /// None: there is one instance of this task in each run, unless it is in a mapped group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mapping: Option<Mapping>,
    /// A template; rendered, it is what people call an instance of a mapped task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub map_index_template: Option<String>,
    #[serde(default, skip_serializing_if = "Callbacks::is_empty")]
    pub callbacks: Callbacks,
}

crate::state::names! {
    /// What a sensor keeps between two looks.
    SensorMode, "mode of a sensor", {
        /// Nothing: it is a row until the next one.
        Reschedule = "reschedule",
        /// Its place on a worker, and with it its slot of the pool.
        Poke = "poke",
    }
}

/// Airflow's default is `poke`; here a wait costs nothing unless the document wants it to.
impl Default for SensorMode {
    fn default() -> Self {
        Self::Reschedule
    }
}

/// What applies to a task whose operator answers "not yet".
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sensor {
    #[serde(default)]
    pub mode: SensorMode,
    pub poke_interval: Seconds,
    /// From the first call of the try.
    pub timeout: Seconds,
    /// A timeout, or a failure that is not to be tried again, skips the task instead.
    pub soft_fail: bool,
    /// A failure of whatever kind skips the task instead; not so the timeout, as in Airflow.
    #[serde(default)]
    pub never_fail: bool,
    /// An error means "not yet".
    #[serde(default)]
    pub silent_fail: bool,
    pub exponential_backoff: bool,
    /// The longest gap between pokes under exponential backoff.
    pub max_wait: Option<Seconds>,
}

/// The module that an operator's name stood for when the DAG was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResolvedOperator {
    pub name: String,
    pub version: String,
    /// `sha256:` and 64 hexadecimal digits.
    pub digest: String,
    pub kind: OperatorKind,
    pub template_fields: Vec<String>,
}

crate::state::names! {
    /// See `operator-kind` in `wit/task.wit`.
    OperatorKind, "operator kind", {
        Action = "action",
        Sensor = "sensor",
        Branch = "branch",
        ShortCircuit = "short_circuit",
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskGroup {
    /// With the prefixes of the groups around it.
    pub group_id: String,
    pub group_display_name: Option<String>,
    pub parent: Option<String>,
    pub tooltip: Option<String>,
    pub prefix_group_id: bool,
    /// None: it is nothing but a name for its tasks. Otherwise there is one instance of each of them for each element, and an instance
    /// depends on those with its own map index alone. No group around or inside a mapped one is mapped, and no task in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mapping: Option<Mapping>,
}

/// A note on an edge, without effect on scheduling.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EdgeLabel {
    pub from: String,
    pub to: String,
    pub label: String,
}

/// When runs are made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Schedule {
    /// Only by hand.
    None,
    Once,
    Continuous,
    /// One or more cron expressions; a run at each tick, whose logical date is the tick.
    CronTrigger {
        cron: Vec<String>,
        /// How far before the tick the data interval begins; 0: it is empty.
        #[serde(default)]
        interval: Seconds,
        #[serde(default)]
        run_immediately: RunImmediately,
    },
    /// A run at the end of each interval between ticks, whose logical date is the interval's start.
    CronDataInterval {
        cron: String,
    },
    /// A run at each tick, about a partition of the data: Airflow's `CronPartitionTimetable`. It has neither a logical date nor a
    /// data interval.
    CronPartition {
        cron: String,
        /// How many ticks after the run's own, or before it, the partition's date lies.
        #[serde(default)]
        run_offset: i32,
        /// How the key is made of that date, in Python's directives, in the DAG's time zone.
        key_format: String,
        #[serde(default)]
        run_immediately: RunImmediately,
    },
    DeltaTrigger {
        delta: Seconds,
        /// As for `CronTrigger`.
        #[serde(default)]
        interval: Seconds,
    },
    DeltaDataInterval {
        delta: Seconds,
    },
    Events {
        dates: Vec<DateTime<Utc>>,
    },
    /// A run whenever events of assets make the condition true.
    Assets {
        condition: AssetCondition,
    },
}

/// Whether a DAG without a start date begins with the tick that has passed, rather than the one to come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunImmediately {
    /// Only if it has passed within a tenth of the time between ticks, or five minutes if that is more: Airflow's default.
    #[default]
    Never,
    Always,
    /// If it has passed within this time.
    Within(Seconds),
}

/// A duration in seconds; never negative, always finite.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seconds(pub f64);

impl Seconds {
    pub fn as_time_delta(self) -> chrono::TimeDelta {
        // A day is enough for every delay that Airflow knows; a century bounds what arithmetic on instants can carry.
        const CENTURY: f64 = 100.0 * 366.0 * 86_400.0;
        chrono::TimeDelta::microseconds((self.0.clamp(0.0, CENTURY) * 1e6).round() as i64)
    }

    pub fn as_duration(self) -> std::time::Duration {
        std::time::Duration::from_secs_f64(self.0.clamp(0.0, 100.0 * 366.0 * 86_400.0))
    }
}

impl Dag {
    /// What a task is mapped over, by itself or with its group.
    pub fn mapping_of(&self, task_id: &str) -> Option<&Mapping> {
        let (task, group) = self.tasks.iter().zip(self.mapped_groups()).find(|(task, _)| task.task_id == task_id)?;
        match group {
            None => task.mapping.as_ref(),
            Some(place) => self.task_groups[place].mapping.as_ref(),
        }
    }

    /// For each task, the mapped group that it is in, if it is in one, by its place among the groups.
    pub fn mapped_groups(&self) -> Vec<Option<usize>> {
        let places: HashMap<&str, usize> =
            self.task_groups.iter().enumerate().map(|(place, group)| (group.group_id.as_str(), place)).collect();
        let around = |id: &str| self.task_groups[*places.get(id)?].parent.as_deref();
        let mapped = |task: &Task| {
            let groups = std::iter::successors(task.task_group.as_deref(), |id| around(id));
            groups.filter_map(|id| places.get(id).copied()).find(|place| self.task_groups[*place].mapping.is_some())
        };
        self.tasks.iter().map(mapped).collect()
    }
}

/// Task ids by task, downstream: the mirror of [`Task::upstream`].
pub fn downstream_of(dag: &Dag) -> BTreeMap<&str, Vec<&str>> {
    let mut downstream: BTreeMap<&str, Vec<&str>> =
        dag.tasks.iter().map(|task| (task.task_id.as_str(), Vec::new())).collect();
    for task in &dag.tasks {
        for upstream in &task.upstream {
            if let Some(list) = downstream.get_mut(upstream.as_str()) {
                list.push(&task.task_id);
            }
        }
    }
    downstream
}
