//! From a JSON document to a [`Dag`]: every fault at once, each with its place, or a DAG with nothing left open.

mod arguments;
mod asset;
mod callbacks;
mod cycles;
mod duration;
mod edges;
mod fields;
mod groups;
mod ids;
mod json;
mod mapping;
mod params;
mod schedule;
mod settings;
mod task;

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use serde_json::Value;

use self::edges::{Edges, Node, TaskNode};
use self::fields::{Fields, Found};
use self::groups::Groups;
use self::settings::LARGEST;
use self::task::ReadTask;
use super::{Catalogue, Dag, EdgeLabel, Schedule};
use crate::fault::{Fault, FaultSink, Faults, describe, pointer_to};
use crate::near::{nearest, suggestion};
use crate::state::TriggerRule;

/// The largest document, in bytes.
pub const MAXIMUM_DOCUMENT_BYTES: usize = 16 << 20;
/// The most tasks of one DAG.
pub const MAXIMUM_TASKS: usize = 50_000;
/// The most tags of one DAG, and characters of one tag.
const MAXIMUM_TAGS: usize = 100;
const MAXIMUM_TAG_LENGTH: usize = 100;

const FIELDS: &[&str] = &[
    "dag_id",
    "dag_display_name",
    "description",
    "doc_md",
    "owner",
    "tags",
    "schedule",
    "timezone",
    "start_date",
    "end_date",
    "catchup",
    "max_active_runs",
    "max_active_tasks",
    "max_consecutive_failed_dag_runs",
    "dagrun_timeout",
    "fail_fast",
    "is_paused_upon_creation",
    "default_args",
    "params",
    "render_template_as_native_obj",
    "rerun_with_latest_version",
    "tasks",
    "task_groups",
    "edge_labels",
    "callbacks",
    "deadlines",
];

/// Who owns a task when nobody says so.
const OWNER: &str = "airlock";

/// Reads a document as it was sent.
pub fn parse(document: &str, catalogue: &dyn Catalogue) -> Result<Dag, Faults> {
    if document.len() > MAXIMUM_DOCUMENT_BYTES {
        let detail = format!("the document is {} bytes long, the most is {MAXIMUM_DOCUMENT_BYTES}", document.len());
        return Err(Fault::new("", detail).into());
    }
    parse_value(&json::read(document)?, catalogue)
}

/// Reads a document that is already JSON. [`parse`] sees more: members that are given twice.
pub fn parse_value(document: &Value, catalogue: &dyn Catalogue) -> Result<Dag, Faults> {
    let sink = FaultSink::default();
    let Some(object) = document.as_object() else {
        return Err(Fault::new("", format!("a DAG is an object, found {}", describe(document))).into());
    };
    let fields = Fields::new(object, "", &sink);
    let dag = read(&fields, catalogue);
    sink.finish(dag)
}

fn read(fields: &Fields<'_>, catalogue: &dyn Catalogue) -> Dag {
    fields.refuse_unknown("a DAG", &[FIELDS]);
    let defaults = fields.get("default_args").and_then(|found| found.fields());
    if let Some(defaults) = &defaults {
        groups::check_defaults(defaults);
    }
    // As in Airflow, the dates of `default_args` are the DAG's where it has none.
    let dated = defaults.iter().fold(fields.clone(), |fields, defaults| fields.over(defaults));
    let schedule = schedule::read(fields.get("schedule"));
    let scheduled = schedule != Schedule::None;
    let (start_date, end_date) = dates(&dated);
    let max_active_runs = max_active_runs(fields, &schedule);
    let fail_fast = fields.boolean("fail_fast").unwrap_or(false);
    let owner = dated.text("owner").unwrap_or_else(|| OWNER.to_owned());

    let groups = Groups::read(fields.get("task_groups"));
    let mut context = task::Context {
        groups: &groups,
        defaults,
        owner: owner.clone(),
        scheduled,
        catalogue,
        resolved: HashMap::new(),
        schemas: arguments::Schemas::default(),
    };
    // Faults of defaults are found although no task may use them.
    for defaults in
        groups.list.iter().filter_map(|group| group.defaults.as_ref()).chain(context.defaults.clone().iter())
    {
        callbacks::of_task(defaults, settings::DEFAULT_QUEUE, &mut context);
    }
    let tasks = read_tasks(fields, &mut context);
    let callbacks = callbacks::of_runs(fields, &mut context);
    let deadlines = callbacks::deadlines(fields, &mut context);
    refuse_clashes(&tasks, &groups);
    if fail_fast {
        refuse_rules_that_outlive_a_failure(&tasks);
    }
    let Connected { tasks, edge_labels, sources } = connect(fields, tasks, &groups);
    Dag {
        dag_id: fields.required("dag_id").and_then(|found| ids::read(&found, "DAG id")).unwrap_or_default().to_owned(),
        dag_display_name: fields.text("dag_display_name"),
        description: fields.text("description"),
        doc_md: fields.text("doc_md"),
        owner,
        tags: tags(fields),
        schedule,
        timezone: timezone(fields),
        start_date,
        end_date,
        catchup: fields.boolean("catchup").unwrap_or(false),
        max_active_runs,
        max_active_tasks: fields.whole("max_active_tasks", 1..=LARGEST).unwrap_or(16),
        max_consecutive_failed_dag_runs: fields.whole("max_consecutive_failed_dag_runs", 0..=LARGEST).unwrap_or(0),
        dagrun_timeout: fields.seconds("dagrun_timeout"),
        fail_fast,
        is_paused_upon_creation: fields.boolean("is_paused_upon_creation").unwrap_or(false),
        params: params::read(fields.get("params"), scheduled),
        render_template_as_native_obj: fields.boolean("render_template_as_native_obj").unwrap_or(false),
        rerun_with_latest_version: fields.boolean("rerun_with_latest_version"),
        tasks,
        task_groups: groups.into_model(&sources),
        edge_labels,
        callbacks,
        deadlines,
    }
}

fn dates(fields: &Fields<'_>) -> (Option<DateTime<Utc>>, Option<DateTime<Utc>>) {
    let (start, end) = (fields.instant("start_date"), fields.instant("end_date"));
    if let (Some(start), Some(end), Some(found)) = (start, end, fields.get("end_date"))
        && end < start
    {
        found.fault("`end_date` is before `start_date`");
    }
    (start, end)
}

fn max_active_runs(fields: &Fields<'_>, schedule: &Schedule) -> u32 {
    let given = fields.whole("max_active_runs", 1..=LARGEST);
    if *schedule != Schedule::Continuous {
        return given.unwrap_or(16);
    }
    match (given, fields.get("max_active_runs")) {
        (Some(1), _) | (None, Some(_)) => {}
        (Some(_), Some(found)) => found.expected("1, which the schedule `@continuous` needs"),
        _ => fields.fault("the schedule `@continuous` needs `\"max_active_runs\": 1`"),
    }
    1
}

fn timezone(fields: &Fields<'_>) -> String {
    let Some(found) = fields.get("timezone") else { return "UTC".to_owned() };
    let Some(name) = found.text() else { return String::new() };
    if name.parse::<chrono_tz::Tz>().is_err() {
        let near = nearest(name, chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()));
        found.fault(format!("`{name}` is no time zone of the IANA database{}", suggestion(&near)));
    }
    name.to_owned()
}

/// Sorted, each once.
fn tags(fields: &Fields<'_>) -> Vec<String> {
    let mut tags = Vec::new();
    for item in fields.get("tags").and_then(|found| found.texts()).unwrap_or_default() {
        let tag = item.text().unwrap_or_default();
        if tag.is_empty() || tag.chars().count() > MAXIMUM_TAG_LENGTH {
            item.fault(format!("a tag is 1 to {MAXIMUM_TAG_LENGTH} characters long"));
        }
        tags.push(tag.to_owned());
    }
    tags.sort();
    tags.dedup();
    if tags.len() > MAXIMUM_TAGS {
        fields.sink.push("/tags", format!("{} tags are more than the {MAXIMUM_TAGS} that a DAG may have", tags.len()));
    }
    tags
}

fn read_tasks<'a>(fields: &Fields<'a>, context: &mut task::Context<'a, '_>) -> Vec<ReadTask<'a>> {
    let Some(found) = fields.required("tasks") else { return Vec::new() };
    if let Some(count) = found.value.as_array().map(Vec::len).filter(|count| *count > MAXIMUM_TASKS) {
        found.fault(format!("{count} tasks are more than the {MAXIMUM_TASKS} that a DAG may have"));
        return Vec::new();
    }
    let items = found.items().into_iter().flatten();
    items.filter_map(|item| item.fields()).map(|own| task::read(own, context)).collect()
}

/// Ids are one name space: an edge or a branch may name a task or a group.
fn refuse_clashes(tasks: &[ReadTask<'_>], groups: &Groups<'_>) {
    let mut seen = HashSet::new();
    for read in tasks.iter().filter(|read| !read.task.task_id.is_empty()) {
        let id = read.task.task_id.as_str();
        let pointer = pointer_to(read.fields.pointer(), "task_id");
        if !seen.insert(id) {
            read.fields.sink.push(pointer, format!("there is another task `{id}` above"));
        } else if groups.by_full(id).is_some() {
            read.fields
                .sink
                .push(pointer, format!("there is a task group `{id}` too, and ids are shared between them"));
        }
    }
}

/// Under `fail_fast` the first failure ends the run, so that a rule that waits for failures could never be met. The rule of teardowns
/// may be any task's, as in Airflow.
fn refuse_rules_that_outlive_a_failure(tasks: &[ReadTask<'_>]) {
    let outlives = |read: &&ReadTask<'_>| {
        !matches!(read.task.trigger_rule, TriggerRule::AllSuccess | TriggerRule::AllDoneSetupSuccess)
    };
    for read in tasks.iter().filter(outlives) {
        read.fields.sink.push(
            pointer_to(read.fields.pointer(), "trigger_rule"),
            format!(
                "in a DAG with `fail_fast` every trigger rule is `all_success` or `all_done_setup_success`, found `{}`",
                read.task.trigger_rule
            ),
        );
    }
}

/// Tasks that know their edges.
struct Connected {
    tasks: Vec<super::Task>,
    edge_labels: Vec<EdgeLabel>,
    /// The tasks that groups are mapped over, by group: ids as written, and in full.
    sources: Vec<HashMap<String, String>>,
}

/// Turns `upstream` of tasks and groups into edges, and checks the labels against them.
fn connect<'a>(fields: &Fields<'a>, read: Vec<ReadTask<'a>>, groups: &Groups<'a>) -> Connected {
    let nodes: Vec<TaskNode> = read
        .iter()
        .map(|read| TaskNode {
            task_id: read.task.task_id.clone(),
            group: read.group,
            pointer: read.fields.pointer().to_owned(),
        })
        .collect();
    let mut edges = Edges::new(groups, &nodes, fields.sink);
    for (index, read) in read.iter().enumerate() {
        edges.add(read.fields.get("upstream"), Node::Task(index), read.group);
        edges.add(read.fields.get("setups"), Node::Task(index), read.group);
        if read.task.mapping.is_some() {
            mapping::add_edges(&mut edges, &read.fields, Node::Task(index), read.group);
        }
    }
    for (index, group) in groups.list.iter().enumerate() {
        edges.add(group.fields.get("upstream"), Node::Group(index), group.parent);
        if group.mapping.is_some() {
            mapping::add_edges(&mut edges, &group.fields, Node::Group(index), group.parent);
        }
    }
    edges.expand();
    cycles::refuse(&nodes, &edges.upstream, fields.sink);
    let edge_labels = edge_labels(fields.get("edge_labels"), &edges);
    let setups = setups(&read, &edges);
    let sources_of_groups = groups.list.iter().map(|group| (group.mapping.as_ref(), group.parent));
    let sources = sources_of_groups.map(|(mapping, scope)| mapping::sources(mapping, scope, &edges)).collect();
    let mut read = read;
    for read in &mut read {
        let sources = mapping::sources(read.task.mapping.as_ref(), read.group, &edges);
        read.task.mapping.iter_mut().for_each(|mapping| mapping::name_sources(mapping, &sources));
    }
    let upstream = edges.upstream;
    let tasks = read.into_iter().zip(upstream).enumerate().map(|(index, (read, above))| {
        let mut task = read.task;
        task.is_setup |= setups.contains(&index);
        task.upstream = above.iter().filter_map(|source| nodes.get(*source)).map(|node| node.task_id.clone()).collect();
        task.upstream.sort();
        task
    });
    Connected { tasks: tasks.collect(), edge_labels, sources }
}

/// The tasks that teardowns name as their setups: naming one makes it one, as in Airflow.
fn setups(read: &[ReadTask<'_>], edges: &Edges<'_>) -> HashSet<usize> {
    let mut setups = HashSet::new();
    for teardown in read.iter().filter(|read| read.task.is_teardown) {
        for named in teardown.fields.get("setups").and_then(|found| found.texts()).unwrap_or_default() {
            match named.text().and_then(|text| edges.find(text, teardown.group)) {
                Some(Node::Task(index)) if read.get(index).is_some_and(|read| read.task.is_teardown) => {
                    named.fault("a teardown cannot be a setup");
                }
                Some(Node::Task(index)) => _ = setups.insert(index),
                Some(Node::Group(_)) => named.fault("a setup is a task, not a task group"),
                None => {}
            }
        }
    }
    setups
}

fn edge_labels(found: Option<Found<'_>>, edges: &Edges<'_>) -> Vec<EdgeLabel> {
    let mut labels = Vec::new();
    for item in found.into_iter().flat_map(|found| found.items().into_iter().flatten()) {
        let Some(fields) = item.fields() else { continue };
        fields.refuse_unknown("an edge label", &[&["from", "to", "label"]]);
        let label = fields.required("label").and_then(|found| found.text().map(str::to_owned));
        let ends = (fields.required("from"), fields.required("to"));
        let (Some(from), Some(to), Some(label)) = (ends.0, ends.1, label) else { continue };
        let nodes = (edges.resolve(&from, None), edges.resolve(&to, None));
        let (Some(from_node), Some(to_node)) = nodes else { continue };
        if edges.connects(from_node, to_node) {
            labels.push(EdgeLabel { from: edges.id(from_node), to: edges.id(to_node), label });
        } else {
            fields.fault(format!("there is no edge from `{}` to `{}`", edges.id(from_node), edges.id(to_node)));
        }
    }
    labels
}
