//! What has changed from one version of a DAG to another.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Map, Value};

use super::Dag;

/// The lists of a DAG whose items have names, each with the members that name one.
const NAMED: [(&str, &[&str]); 3] =
    [("tasks", &["task_id"]), ("task_groups", &["group_id"]), ("edge_labels", &["from", "to"])];

/// The difference between two DAGs as they are run: with every default applied and every operator resolved.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Difference {
    /// Of the DAG's own settings.
    pub settings: Vec<Change>,
    pub tasks: ListDifference,
    pub task_groups: ListDifference,
    /// An edge is named `from -> to`.
    pub edge_labels: ListDifference,
}

/// What has changed in a list of things with names.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ListDifference {
    pub added: Vec<String>,
    pub removed: Vec<String>,
    pub changed: Vec<ItemDifference>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ItemDifference {
    pub id: String,
    pub changes: Vec<Change>,
}

/// One value that is another now.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// A JSON pointer from the DAG, or from the thing of the list.
    pub pointer: String,
    /// Null if it was not there.
    pub before: Value,
    /// Null if it is not there any more.
    pub after: Value,
}

/// Everything in which `after` is not `before`, in the order of names. Nothing is said of the order of lists.
pub fn difference(before: &Dag, after: &Dag) -> Difference {
    let (mut before, mut after) = (members(before), members(after));
    let [tasks, task_groups, edge_labels] = NAMED.map(|(list, names)| {
        let (before, after) = (named(before.remove(list), names), named(after.remove(list), names));
        list_difference(&before, &after)
    });
    let mut settings = Vec::new();
    compare("", &Value::Object(before), &Value::Object(after), &mut settings);
    Difference { settings, tasks, task_groups, edge_labels }
}

fn members(dag: &Dag) -> Map<String, Value> {
    match serde_json::to_value(dag) {
        Ok(Value::Object(members)) => members,
        // A DAG is kept as JSON: it is an object.
        _ => Map::new(),
    }
}

/// The items of a list by their names.
fn named(list: Option<Value>, names: &[&str]) -> Map<String, Value> {
    let Some(Value::Array(items)) = list else { return Map::new() };
    let name = |item: &Value| {
        let parts = names.iter().map(|name| item.get(name).and_then(Value::as_str).unwrap_or_default());
        parts.collect::<Vec<_>>().join(" -> ")
    };
    items.into_iter().map(|item| (name(&item), item)).collect()
}

fn list_difference(before: &Map<String, Value>, after: &Map<String, Value>) -> ListDifference {
    let mut difference = ListDifference::default();
    for id in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
        match (before.get(id), after.get(id)) {
            (None, _) => difference.added.push(id.clone()),
            (_, None) => difference.removed.push(id.clone()),
            (Some(before), Some(after)) => {
                let mut changes = Vec::new();
                compare("", before, after, &mut changes);
                if !changes.is_empty() {
                    difference.changed.push(ItemDifference { id: id.clone(), changes });
                }
            }
        }
    }
    difference
}

/// Objects are compared member by member, everything else as a whole.
fn compare(pointer: &str, before: &Value, after: &Value, changes: &mut Vec<Change>) {
    if before == after {
        return;
    }
    let (Value::Object(old), Value::Object(new)) = (before, after) else {
        let (before, after) = (before.clone(), after.clone());
        return changes.push(Change { pointer: pointer.to_owned(), before, after });
    };
    for name in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
        let at = format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
        compare(&at, old.get(name).unwrap_or(&Value::Null), new.get(name).unwrap_or(&Value::Null), changes);
    }
}
