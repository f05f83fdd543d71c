//! One member of `tasks`.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::arguments::Schemas;
use super::fields::{Fields, Found};
use super::groups::Groups;
use super::settings::{SENSOR_SETTINGS, SETTINGS, Settings, check_pool, refuse_sensor_settings};
use super::{callbacks, ids, mapping, params};
use crate::dag::{Catalogue, CatalogueEntry, Mapping, OperatorKind, ResolvedOperator, Task, UnknownOperator};
use crate::near::suggestion;
use crate::state::TriggerRule;
use crate::template::syntax_faults;

/// Fields that are a task's own and have no default.
const IDENTITY: &[&str] =
    &["task_id", "task_display_name", "doc_md", "operator", "args", "upstream", "task_group", "params"];

/// What makes a task a setup or a teardown.
const SETUP_AND_TEARDOWN: &[&str] = &["is_setup", "is_teardown", "setups", "on_failure_fail_dagrun"];

/// What reading a task needs to know of its document.
pub(super) struct Context<'a, 'c> {
    pub groups: &'a Groups<'a>,
    pub defaults: Option<Fields<'a>>,
    pub owner: String,
    pub scheduled: bool,
    pub catalogue: &'c dyn Catalogue,
    /// By reference: a DAG of a thousand tasks has a handful of operators.
    pub resolved: HashMap<String, Result<CatalogueEntry, UnknownOperator>>,
    pub schemas: Schemas,
}

/// A task, its group, and the object that it was read from. Its `upstream` is still empty.
pub(super) struct ReadTask<'a> {
    pub task: Task,
    pub group: Option<usize>,
    pub fields: Fields<'a>,
}

pub(super) fn read<'a>(own: Fields<'a>, context: &mut Context<'a, '_>) -> ReadTask<'a> {
    let known = [IDENTITY, SETUP_AND_TEARDOWN, SETTINGS, SENSOR_SETTINGS, mapping::FIELDS];
    own.refuse_unknown("a task", &known);
    let group = own.get("task_group").and_then(|found| context.groups.resolve(&found));
    let mut layered = own.clone();
    for around in context.groups.around(group) {
        if let Some(defaults) = &around.defaults {
            layered = layered.over(defaults);
        }
    }
    if let Some(defaults) = &context.defaults {
        layered = layered.over(defaults);
    }
    let settings = Settings::read(&layered);
    let is_teardown = own.boolean("is_teardown").unwrap_or(false);
    let trigger_rule = if is_teardown { teardown_rule(&own) } else { settings.trigger_rule };
    check_pool(&layered, &settings.pool, context.catalogue);
    let written = own.required("task_id").and_then(|found| ids::read(&found, "task id")).unwrap_or_default();
    let mapping = mapping::read(&own, "a task");
    let mapped_around = context.groups.mapped_around(group);
    if let Some(around) = mapped_around {
        mapping::refuse_inside_mapped_group(&own, &around.full);
    }
    let map_index_template = mapping::read_template(&own, mapping.is_some() || mapped_around.is_some());
    let (operator, resolved) = operator(&own, mapping.as_ref(), context);
    let callbacks = callbacks::of_task(&layered, &settings.queue, context);
    let task = Task {
        task_id: full_id(&own, written, group, context.groups),
        task_display_name: own.text("task_display_name"),
        doc_md: own.text("doc_md"),
        owner: settings.owner.unwrap_or_else(|| context.owner.clone()),
        operator,
        resolved,
        args: args(&own),
        upstream: Vec::new(),
        trigger_rule,
        retries: settings.retries,
        retry_delay: settings.retry_delay,
        retry_exponential_backoff: settings.retry_exponential_backoff,
        max_retry_delay: settings.max_retry_delay,
        execution_timeout: settings.execution_timeout,
        depends_on_past: settings.depends_on_past,
        wait_for_downstream: settings.wait_for_downstream,
        ignore_first_depends_on_past: settings.ignore_first_depends_on_past,
        pool: settings.pool,
        pool_slots: settings.pool_slots,
        priority_weight: settings.priority_weight,
        weight_rule: settings.weight_rule,
        queue: settings.queue,
        max_active_tis_per_dag: settings.max_active_tis_per_dag,
        max_active_tis_per_dagrun: settings.max_active_tis_per_dagrun,
        task_group: context.groups.around(group).next().map(|group| group.full.clone()),
        do_xcom_push: settings.do_xcom_push,
        multiple_outputs: settings.multiple_outputs,
        params: params::read(own.get("params"), context.scheduled),
        grants: settings.grants,
        limits: settings.limits,
        sensor: settings.sensor,
        outlets: settings.outlets,
        inlets: settings.inlets,
        is_setup: own.boolean("is_setup").unwrap_or(false),
        is_teardown,
        on_failure_fail_dagrun: own.boolean("on_failure_fail_dagrun").unwrap_or(false),
        mapping,
        map_index_template,
        callbacks,
    };
    mapping::check(&own, &task);
    refuse_half_teardowns(&own, &task);
    ReadTask { task, group, fields: own }
}

/// A teardown has one rule; what `default_args` say is for other tasks.
fn teardown_rule(own: &Fields<'_>) -> TriggerRule {
    let rule = TriggerRule::AllDoneSetupSuccess;
    if let Some(found) = own.own("trigger_rule")
        && found.named().is_some_and(|given: TriggerRule| given != rule)
    {
        found.fault(format!("the trigger rule of a teardown is `{rule}`, found `{}`", found.value));
    }
    rule
}

fn refuse_half_teardowns(own: &Fields<'_>, task: &Task) {
    if task.is_setup && task.is_teardown {
        own.fault("a task is either a setup or a teardown, not both");
    }
    for name in ["setups", "on_failure_fail_dagrun"] {
        if let Some(found) = own.own(name).filter(|_| !task.is_teardown) {
            found.fault(format!("`{name}` is a field of teardowns; set `is_teardown`, or remove it"));
        }
    }
}

fn full_id(own: &Fields<'_>, written: &str, group: Option<usize>, groups: &Groups<'_>) -> String {
    let full = groups.full_id(group, written);
    if full.chars().count() > crate::id::MAXIMUM_ID_LENGTH && full != written {
        own.fault(format!(
            "with its task groups this task is called `{full}`, which is longer than {} characters",
            crate::id::MAXIMUM_ID_LENGTH
        ));
    }
    full
}

pub(super) fn args(own: &Fields<'_>) -> Map<String, Value> {
    own.get("args").and_then(|found| found.object()).cloned().unwrap_or_default()
}

/// The operator as written and as resolved. What cannot be resolved is a fault, and something stands in for it so that
/// reading can go on.
pub(super) fn operator(
    own: &Fields<'_>,
    mapping: Option<&Mapping>,
    context: &mut Context<'_, '_>,
) -> (String, ResolvedOperator) {
    let nothing = || ResolvedOperator {
        name: String::new(),
        version: String::new(),
        digest: String::new(),
        kind: OperatorKind::Action,
        template_fields: Vec::new(),
    };
    let Some(found) = own.required("operator") else { return (String::new(), nothing()) };
    let Some(reference) = found.text() else { return (String::new(), nothing()) };
    let catalogue = context.catalogue;
    let resolved = context.resolved.entry(reference.to_owned()).or_insert_with(|| catalogue.resolve(reference)).clone();
    match resolved {
        Ok(entry) => {
            check_arguments(own, mapping, &entry, context);
            refuse_broken_templates(own, &entry);
            if entry.operator.kind != OperatorKind::Sensor {
                refuse_sensor_settings(own, reference);
            }
            (reference.to_owned(), entry.operator)
        }
        Err(unknown) => {
            found.fault(format!("{}{}", unknown.reason, suggestion(&unknown.near)));
            (reference.to_owned(), nothing())
        }
    }
}

fn check_arguments(own: &Fields<'_>, mapping: Option<&Mapping>, entry: &CatalogueEntry, context: &mut Context<'_, '_>) {
    let empty = Value::Object(Map::new());
    let found = own.get("args");
    let args = found.as_ref().map_or(Some(&empty), |found| Some(found.value).filter(|value| value.is_object()));
    match (found, mapping) {
        (Some(found), _) if args.is_none() => found.expected("an object"),
        (_, Some(mapping)) => {
            let args = args.and_then(Value::as_object).cloned().unwrap_or_default();
            mapping::check_arguments(own, mapping, &args, entry, &mut context.schemas);
        }
        (Some(found), None) => context.schemas.check(&found, entry),
        (None, None) => {
            let absent = Found { value: &empty, pointer: own.pointer().to_owned(), sink: own.sink };
            context.schemas.check(&absent, entry);
        }
    }
}

/// A template that cannot be read would fail every try.
fn refuse_broken_templates(own: &Fields<'_>, entry: &CatalogueEntry) {
    let Some(found) = own.get("args") else { return };
    for fault in
        found.value.as_object().map(|args| syntax_faults(args, &entry.operator.template_fields)).unwrap_or_default()
    {
        found.sink.push(format!("{}{}", found.pointer, fault.pointer), fault.detail);
    }
}
