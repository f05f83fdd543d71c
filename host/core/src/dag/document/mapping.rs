//! `expand`, `expand_kwargs` and `map_index_template`: what a task, or a group, is mapped over.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::arguments::Schemas;
use super::edges::{Edges, Node};
use super::fields::{Fields, Found};
use crate::dag::mapping::{Elements, ExpandInput, MAXIMUM_INSTANCES, Mapping, elements_of};
use crate::dag::{CatalogueEntry, Task};
use crate::fault::pointer_to;
use crate::state::TriggerRule;
use crate::template::syntax_faults;

pub(super) const FIELDS: &[&str] = &["expand", "expand_kwargs", "map_index_template"];

/// The one member of an object that stands for another task's result.
const REFERENCE: &str = "xcom";

/// Elements that are looked at one by one when a document is sent; each instance's arguments are checked before it runs.
const MOST_CHECKED: usize = 1_000;

/// `what` it is that is mapped. Sources are named as written; see [`name_sources`].
pub(super) fn read(own: &Fields<'_>, what: &str) -> Option<Mapping> {
    let input = match (own.own("expand"), own.own("expand_kwargs")) {
        (Some(_), Some(kwargs)) => {
            kwargs.fault(format!("{what} has either `expand` or `expand_kwargs`, not both"));
            return None;
        }
        (Some(found), None) => ExpandInput::Expand(expand(&found)?),
        (None, Some(found)) => ExpandInput::ExpandKwargs(kwargs(&found)?),
        (None, None) => return None,
    };
    let mapping = Mapping { input };
    if let Some(count) = mapping.written_count().filter(|count| *count > MAXIMUM_INSTANCES) {
        own.fault(format!("{what} is mapped to {count} instances; the most is {MAXIMUM_INSTANCES}"));
    }
    Some(mapping)
}

/// What instances of a task are called, where there are several.
pub(super) fn read_template(own: &Fields<'_>, is_mapped: bool) -> Option<String> {
    let found = own.own("map_index_template")?;
    if !is_mapped {
        found.fault(
            "`map_index_template` names instances of mapped tasks; add `expand`, put the task into a mapped group, or remove it",
        );
        return None;
    }
    template_text(&found)
}

/// The instances of a mapped group are those of its tasks: there is no second index for one that is mapped itself.
pub(super) fn refuse_inside_mapped_group(own: &Fields<'_>, group_id: &str) {
    for found in ["expand", "expand_kwargs"].iter().filter_map(|field| own.own(field)) {
        found.fault(format!(
            "the group `{group_id}` around this task is mapped; a task in a mapped group cannot be mapped itself"
        ));
    }
}

fn expand(found: &Found<'_>) -> Option<Vec<(String, Elements)>> {
    let members = found.object()?;
    if members.is_empty() {
        found.fault("`expand` names no argument to map over");
    }
    let read = |(name, value)| {
        let member = Found { value, pointer: pointer_to(&found.pointer, name), sink: found.sink };
        let elements = reference(&member).or_else(|| elements_of(value).map(Elements::Literal));
        if elements.is_none() {
            member.expected("an array, an object, or {\"xcom\": \"task_id\"}");
        }
        Some((String::clone(name), elements?))
    };
    Some(members.iter().filter_map(read).collect())
}

fn kwargs(found: &Found<'_>) -> Option<Elements> {
    if let Some(reference) = reference(found) {
        return Some(reference);
    }
    let Some(items) = found.value.as_array() else {
        found.expected("an array of objects, or {\"xcom\": \"task_id\"}");
        return None;
    };
    for item in found.items()?.filter(|item| !item.value.is_object()) {
        item.expected("an object with arguments");
    }
    Some(Elements::Literal(items.clone()))
}

/// `{"xcom": "task_id"}`.
fn reference(found: &Found<'_>) -> Option<Elements> {
    let members = found.value.as_object().filter(|members| members.len() == 1)?;
    let task_id = members.get(REFERENCE)?.as_str()?;
    Some(Elements::Xcom(task_id.to_owned()))
}

fn template_text(found: &Found<'_>) -> Option<String> {
    let text = found.text()?;
    let name = "map_index_template".to_owned();
    let alone = Map::from_iter([(name.clone(), Value::from(text))]);
    for fault in syntax_faults(&alone, &[name]) {
        found.fault(fault.detail);
    }
    Some(text.to_owned())
}

/// What concerns the task as a whole.
pub(super) fn check(own: &Fields<'_>, task: &Task) {
    let Some(mapping) = &task.mapping else { return };
    if task.trigger_rule == TriggerRule::Always && mapping.sources().next().is_some() {
        let detail =
            "a task that is mapped over the result of another has to wait for it: the trigger rule `always` does not";
        own.sink.push(pointer_to(own.pointer(), "trigger_rule"), detail);
    }
    let named: Vec<(String, &str)> = match &mapping.input {
        ExpandInput::Expand(arguments) => {
            let pointer = pointer_to(own.pointer(), "expand");
            arguments.iter().map(|(name, _)| (pointer_to(&pointer, name), name.as_str())).collect()
        }
        ExpandInput::ExpandKwargs(Elements::Literal(items)) => {
            let pointer = pointer_to(own.pointer(), "expand_kwargs");
            let members = items.iter().enumerate().flat_map(|(index, item)| {
                let item_pointer = pointer_to(&pointer, index);
                let names = item.as_object().into_iter().flat_map(Map::keys);
                names.map(move |name| (pointer_to(&item_pointer, name), name.as_str()))
            });
            members.collect()
        }
        ExpandInput::ExpandKwargs(Elements::Xcom(_)) => Vec::new(),
    };
    for (pointer, name) in named.into_iter().filter(|(_, name)| task.args.contains_key(*name)) {
        own.sink.push(
            pointer,
            format!("`{name}` is given in `args` too; an argument is either mapped or the same for all"),
        );
    }
}

/// What is certainly wrong with the arguments of instances, and templates that cannot be read.
pub(super) fn check_arguments(
    own: &Fields<'_>,
    mapping: &Mapping,
    args: &Map<String, Value>,
    entry: &CatalogueEntry,
    schemas: &mut Schemas,
) {
    let fields = &entry.operator.template_fields;
    let syntax = |members: &Map<String, Value>, pointer: &str| {
        for fault in syntax_faults(members, fields) {
            own.sink.push(format!("{pointer}{}", fault.pointer), fault.detail);
        }
    };
    match &mapping.input {
        ExpandInput::Expand(arguments) => {
            let names: Vec<&str> = arguments.iter().map(|(name, _)| name.as_str()).collect();
            schemas.check_partial(own, args, &names, entry);
            let pointer = pointer_to(own.pointer(), "expand");
            for (name, elements) in arguments {
                let Elements::Literal(items) = elements else { continue };
                let at = pointer_to(&pointer, name);
                for (index, element) in items.iter().enumerate().take(MOST_CHECKED) {
                    let alone = Map::from_iter([(name.clone(), element.clone())]);
                    // An object's elements are pairs of name and value.
                    let name_of = if is_object(own, name) { element.get(0).and_then(Value::as_str) } else { None };
                    let at = name_of.map_or_else(|| pointer_to(&at, index), |name| pointer_to(&at, name));
                    let others: Vec<&str> = names.iter().copied().filter(|other| other != name).collect();
                    schemas.check_members(own, args, &alone, &others, entry, |misfit| {
                        (!misfit.is_empty()).then(|| at.clone())
                    });
                    for fault in syntax_faults(&alone, fields) {
                        own.sink.push(&at, fault.detail);
                    }
                }
            }
        }
        ExpandInput::ExpandKwargs(Elements::Literal(items)) => {
            let pointer = pointer_to(own.pointer(), "expand_kwargs");
            for (index, item) in items.iter().enumerate().take(MOST_CHECKED) {
                let Some(members) = item.as_object() else { continue };
                let at = pointer_to(&pointer, index);
                schemas.check_members(own, args, members, &[], entry, |misfit| Some(format!("{at}{misfit}")));
                syntax(members, &at);
            }
        }
        // Any of the arguments may be among what comes: nothing is certain before.
        ExpandInput::ExpandKwargs(Elements::Xcom(_)) => {}
    }
}

fn is_object(own: &Fields<'_>, argument: &str) -> bool {
    own.own("expand").and_then(|found| found.value.get(argument)).is_some_and(Value::is_object)
}

/// The places and names of the tasks that something is mapped over.
fn references<'a>(own: &Fields<'a>) -> Vec<Found<'a>> {
    let inputs = own.own("expand").into_iter().filter_map(|found| found.fields());
    let expand = inputs.flat_map(|fields| {
        let names: Vec<String> = fields.names().map(str::to_owned).collect();
        names.into_iter().filter_map(move |name| fields.own(&name))
    });
    let all = expand.chain(own.own("expand_kwargs"));
    all.filter(|found| reference(found).is_some()).filter_map(|found| found.fields()?.own(REFERENCE)).collect()
}

/// What is mapped over has to be there: an edge from each source, as from an argument in Airflow's TaskFlow. Names are looked up in
/// `scope`.
pub(super) fn add_edges(edges: &mut Edges<'_>, own: &Fields<'_>, to: Node, scope: Option<usize>) {
    for reference in references(own) {
        match reference.value.as_str().and_then(|text| edges.find(text, scope)) {
            Some(Node::Group(_)) => {
                reference.fault("a task group returns nothing that could be mapped over; name a task")
            }
            Some(source) if edges.contains(to, source) => {
                reference.fault("a task group cannot be mapped over what one of its own tasks returns")
            }
            _ => edges.add_one(&reference, to, scope),
        }
    }
}

/// Ids as written, and in full.
pub(super) fn sources(mapping: Option<&Mapping>, scope: Option<usize>, edges: &Edges<'_>) -> HashMap<String, String> {
    let written = mapping.into_iter().flat_map(Mapping::sources);
    written.filter_map(|id| Some((id.to_owned(), edges.find(id, scope).map(|node| edges.id(node))?))).collect()
}

/// Puts ids in full in the place of those that were written.
pub(super) fn name_sources(mapping: &mut Mapping, names: &HashMap<String, String>) {
    let elements: Vec<&mut Elements> = match &mut mapping.input {
        ExpandInput::Expand(arguments) => arguments.iter_mut().map(|(_, elements)| elements).collect(),
        ExpandInput::ExpandKwargs(elements) => vec![elements],
    };
    for element in elements {
        if let Elements::Xcom(task_id) = element
            && let Some(full) = names.get(task_id)
        {
            task_id.clone_from(full);
        }
    }
}
