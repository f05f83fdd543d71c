//! The names that every template sees, which are Airflow's.

use std::fmt;
use std::sync::{Arc, OnceLock};

use chrono::{DateTime, Utc};
use minijinja::Value;
use minijinja::value::{Object, ObjectRepr, Serde};

use super::accessors::{Connections, TaskInstance, Variables};
use super::assets::{InletEvents, triggering_events};
use super::dates::{Moment, Span};
use super::macros::Macros;
use super::{CallbackFacts, Lookup, LookupError, PreviousRun, Scope};
use crate::dag::Task;

/// Where all values come from.
pub(super) struct Source {
    pub scope: Scope,
    pub lookup: Arc<dyn Lookup>,
    params: Value,
    conf: Value,
    previous: OnceLock<Result<Option<PreviousRun>, LookupError>>,
    asset_events: OnceLock<Value>,
    expanded: OnceLock<Option<Value>>,
}

impl Source {
    pub fn new(scope: Scope, lookup: Arc<dyn Lookup>) -> Self {
        let params = Value::from(Serde(&scope.params));
        let conf = Value::from(Serde(&scope.run.conf));
        Self {
            scope,
            lookup,
            params,
            conf,
            previous: OnceLock::new(),
            asset_events: OnceLock::new(),
            expanded: OnceLock::new(),
        }
    }

    pub(super) fn task(&self) -> Option<&Task> {
        self.scope.dag.tasks.iter().find(|task| task.task_id == self.scope.task_id)
    }

    /// A fact of the previous successful run: asked for once, and none where there was no such run.
    fn previous(&self, fact: impl Fn(&PreviousRun) -> Option<DateTime<Utc>>) -> Value {
        match self.previous.get_or_init(|| self.lookup.previous_success()) {
            Ok(previous) => instant(previous.as_ref().and_then(fact)),
            Err(error) => Value::from(super::dates::invalid(error.to_string())),
        }
    }
}

/// A moment, or `None`.
pub(super) fn instant(instant: Option<DateTime<Utc>>) -> Value {
    instant.map_or(Value::from(()), |instant| Value::from_object(Moment::from(instant)))
}

fn seconds(seconds: Option<crate::dag::Seconds>) -> Value {
    seconds.map_or(Value::from(()), |seconds| Value::from_object(Span::new(seconds.as_time_delta())))
}

/// The outermost names.
pub(super) struct Root(pub Arc<Source>);

impl fmt::Debug for Root {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("<template context>")
    }
}

impl Object for Root {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let (source, scope) = (&self.0, &self.0.scope);
        Some(match key.as_str()? {
            "params" => source.params.clone(),
            "run_id" => Value::from(&scope.run.run_id),
            "dag" => Value::from_object(DagFacts(source.clone())),
            "dag_run" => Value::from_object(RunObject(source.clone())),
            "task" => Value::from_object(TaskFacts(source.clone())),
            "ti" | "task_instance" => Value::from_object(TaskInstance(source.clone())),
            "task_instance_key_str" => {
                let run = scope.run.logical_date.map(|date| date.format("%Y%m%d").to_string());
                let run = run.unwrap_or_else(|| scope.run.run_id.clone());
                Value::from(format!("{}__{}__{run}", scope.dag.dag_id, scope.task_id))
            }
            "task_reschedule_count" => Value::from(scope.instance.reschedules),
            "macros" => Value::from_object(Macros),
            "conn" => Value::from_object(Connections(source.clone())),
            "var" => {
                let variables = |json| Value::from_object(Variables { source: source.clone(), json });
                Value::from_pairs([("value", variables(false)), ("json", variables(true))])
            }
            "prev_start_date_success" => source.previous(|run| run.started_at),
            "prev_end_date_success" => source.previous(|run| run.ended_at),
            "expanded" => return source.expanded.get_or_init(|| expanded(source)).clone(),
            "triggering_asset_events" => source.asset_events.get_or_init(|| triggering_events(source)).clone(),
            "inlet_events" => Value::from_object(InletEvents(source.clone())),
            name => return self.of_the_callback(name).or_else(|| self.of_the_logical_date(name)),
        })
    }
}

/// The arguments of the mapped group, as this instance gets them. Nothing where there is no such group, so that it is undefined.
fn expanded(source: &Source) -> Option<Value> {
    match source.lookup.expanded() {
        Ok(arguments) => arguments.map(|arguments| Value::from(Serde(&arguments))),
        Err(error) => Some(Value::from(super::dates::invalid(error.to_string()))),
    }
}

impl Root {
    /// What a callback is about. What it does not have is `None`, so that one text can serve for several events.
    fn of_the_callback(&self, name: &str) -> Option<Value> {
        let CallbackFacts { event, about } = self.0.scope.callback.as_ref()?;
        Some(match name {
            "event" => Value::from(event.as_str()),
            "state" => Value::from(about.state.as_deref()),
            "reason" => Value::from(about.reason.as_deref()),
            "exception" => Value::from(about.exception.as_deref()),
            "try_number" => {
                let is_of_a_task = !self.0.scope.task_id.is_empty();
                Value::from(is_of_a_task.then_some(self.0.scope.instance.try_number))
            }
            "deadline" => about.deadline.as_ref().map_or(Value::from(()), |deadline| {
                Value::from_pairs([
                    ("id", Value::from(deadline.id.to_string())),
                    ("name", Value::from(deadline.name.as_deref())),
                    ("deadline_time", instant(Some(deadline.deadline_time))),
                ])
            }),
            _ => return None,
        })
    }

    /// What a run without a logical date does not have.
    fn of_the_logical_date(&self, name: &str) -> Option<Value> {
        let source = &self.0;
        let date = source.scope.run.logical_date?;
        let interval = source.scope.run.data_interval;
        let written = |format: &str| Value::from(date.format(format).to_string());
        Some(match name {
            "logical_date" => instant(Some(date)),
            "ds" => written("%Y-%m-%d"),
            "ds_nodash" => written("%Y%m%d"),
            "ts_nodash" => written("%Y%m%dT%H%M%S"),
            "ts" => Value::from(super::dates::iso_format(&instant(Some(date)))?),
            "ts_nodash_with_tz" => Value::from(super::dates::iso_format(&instant(Some(date)))?.replace(['-', ':'], "")),
            "data_interval_start" => instant(interval.map(|(start, _)| start)),
            "data_interval_end" => instant(interval.map(|(_, end)| end)),
            "prev_data_interval_start_success" => source.previous(|run| run.data_interval.map(|(start, _)| start)),
            "prev_data_interval_end_success" => source.previous(|run| run.data_interval.map(|(_, end)| end)),
            _ => return None,
        })
    }
}

/// Declares an object that shows some facts of the source by name, and prints as one text.
macro_rules! facts {
    ($(#[$meta:meta])* $name:ident, |$shown:ident| $print:expr, |$source:ident, $key:ident| $get:expr) => {
        $(#[$meta])*
        pub(super) struct $name(pub Arc<Source>);

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                let $shown = &self.0.scope;
                formatter.write_str(&$print)
            }
        }

        impl Object for $name {
            fn repr(self: &Arc<Self>) -> ObjectRepr {
                ObjectRepr::Plain
            }

            fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
                let ($source, $key) = (&self.0, key.as_str()?);
                $get
            }

            fn render(self: &Arc<Self>, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "{self:?}")
            }
        }
    };
}

facts! {
    /// `dag_run`.
    RunObject, |scope| format!("<DagRun {} @ {}>", scope.dag.dag_id, scope.run.run_id), |source, key| {
        let run = &source.scope.run;
        Some(match key {
            "conf" => source.conf.clone(),
            "dag_id" => Value::from(&source.scope.dag.dag_id),
            "run_id" => Value::from(&run.run_id),
            "run_type" => Value::from(run.run_type.as_str()),
            "logical_date" => instant(run.logical_date),
            "data_interval_start" => instant(run.data_interval.map(|(start, _)| start)),
            "data_interval_end" => instant(run.data_interval.map(|(_, end)| end)),
            "run_after" => instant(Some(run.run_after)),
            "start_date" => instant(run.started_at),
            "partition_key" => Value::from(run.partition.as_ref().map(|partition| partition.key.as_str())),
            "partition_date" => instant(run.partition.as_ref().and_then(|partition| partition.date)),
            _ => return None,
        })
    }
}

facts! {
    /// `dag`.
    DagFacts, |scope| format!("<DAG: {}>", scope.dag.dag_id), |source, key| {
        let dag = &source.scope.dag;
        Some(match key {
            "dag_id" => Value::from(&dag.dag_id),
            "dag_display_name" => Value::from(dag.dag_display_name.as_deref().unwrap_or(&dag.dag_id)),
            "description" => Value::from(dag.description.as_deref()),
            "doc_md" => Value::from(dag.doc_md.as_deref()),
            "owner" => Value::from(&dag.owner),
            "tags" => Value::from(Serde(&dag.tags)),
            "timezone" => Value::from(&dag.timezone),
            "start_date" => instant(dag.start_date),
            "end_date" => instant(dag.end_date),
            "catchup" => Value::from(dag.catchup),
            "max_active_runs" => Value::from(dag.max_active_runs),
            "max_active_tasks" => Value::from(dag.max_active_tasks),
            "fail_fast" => Value::from(dag.fail_fast),
            "task_ids" => dag.tasks.iter().map(|task| Value::from(&task.task_id)).collect(),
            "params" => source.params.clone(),
            _ => return None,
        })
    }
}

facts! {
    /// `task`.
    TaskFacts, |scope| format!("<Task: {}>", scope.task_id), |source, key| {
        let task = source.task()?;
        Some(match key {
            "task_id" => Value::from(&task.task_id),
            "task_display_name" => Value::from(task.task_display_name.as_deref().unwrap_or(&task.task_id)),
            "dag_id" => Value::from(&source.scope.dag.dag_id),
            "doc_md" => Value::from(task.doc_md.as_deref()),
            "owner" => Value::from(&task.owner),
            "operator" | "operator_name" => Value::from(&task.resolved.name),
            "retries" => Value::from(task.retries),
            "retry_delay" => seconds(Some(task.retry_delay)),
            "max_retry_delay" => seconds(task.max_retry_delay),
            "execution_timeout" => seconds(task.execution_timeout),
            "pool" => Value::from(&task.pool),
            "pool_slots" => Value::from(task.pool_slots),
            "queue" => Value::from(&task.queue),
            "priority_weight" => Value::from(task.priority_weight),
            "trigger_rule" => Value::from(task.trigger_rule.as_str()),
            "depends_on_past" => Value::from(task.depends_on_past),
            "upstream_task_ids" => Value::from(Serde(&task.upstream)),
            "params" => source.params.clone(),
            argument => Value::from(Serde(source.scope.arguments.get(argument)?)),
        })
    }
}
