//! `task_groups`: names for sets of tasks, nested, that can stand at either end of an edge.
//!
//! Children are named `group.child` unless the group says `prefix_group_id: false`, as in Airflow.

use std::collections::HashMap;

use super::fields::{Fields, Found};
use super::mapping;
use super::settings::{SENSOR_SETTINGS, SETTINGS, Settings};
use crate::dag::{Mapping, TaskGroup};
use crate::near::{nearest, suggestion};

const FIELDS: &[&str] =
    &["group_id", "group_display_name", "parent", "tooltip", "prefix_group_id", "upstream", "default_args"];

/// What makes a group a mapped one.
const MAPPING_FIELDS: &[&str] = &["expand", "expand_kwargs"];

/// Groups inside groups: more than anybody can look at.
const DEEPEST: usize = 16;

/// Groups of one DAG.
const MOST: usize = 5_000;

/// A group as it was written, and what it is called in full.
pub(super) struct Group<'a> {
    pub fields: Fields<'a>,
    pub written: String,
    pub full: String,
    pub parent: Option<usize>,
    pub prefixes: bool,
    pub defaults: Option<Fields<'a>>,
    /// 1 for a group that is in no other.
    pub depth: usize,
    /// Its sources are named as written.
    pub mapping: Option<Mapping>,
}

#[derive(Default)]
pub(super) struct Groups<'a> {
    pub list: Vec<Group<'a>>,
    by_full: HashMap<String, usize>,
}

impl<'a> Groups<'a> {
    pub fn read(found: Option<Found<'a>>) -> Self {
        let mut waiting: Vec<(Group<'a>, Option<Found<'a>>)> = Vec::new();
        let found = found.filter(|found| {
            let count = found.value.as_array().map_or(0, Vec::len);
            if count > MOST {
                found.fault(format!("{count} task groups are more than the {MOST} that a DAG may have"));
            }
            count <= MOST
        });
        for item in found.into_iter().flat_map(|found| found.items().into_iter().flatten()) {
            waiting.extend(item.fields().and_then(|fields| read_one(&fields)));
        }
        let mut written: HashMap<String, usize> = HashMap::new();
        for (group, _) in &waiting {
            *written.entry(group.written.clone()).or_default() += 1;
        }
        let mut groups = Self::default();
        // Parents first: each pass names the groups whose parent has its name, so that any order of writing will do.
        while !waiting.is_empty() {
            let before = waiting.len();
            let mut still = Vec::new();
            for (group, parent) in waiting {
                match parent.as_ref().map(|parent| groups.find(parent, &written)) {
                    None => groups.add(group, None),
                    Some(Some(index)) => groups.add(group, Some(index)),
                    Some(None) => still.push((group, parent)),
                }
            }
            waiting = still;
            if waiting.len() == before {
                groups.refuse_orphans(&waiting);
                break;
            }
        }
        groups
    }

    pub fn by_full(&self, full: &str) -> Option<usize> {
        self.by_full.get(full).copied()
    }

    /// A reference to a group: its full id, or the id as written where only one group has it.
    pub fn resolve(&self, reference: &Found<'_>) -> Option<usize> {
        let text = reference.text()?;
        let found = self.by_full(text).or_else(|| {
            let mut named = self.list.iter().enumerate().filter(|(_, group)| group.written == text);
            named.next().filter(|_| named.next().is_none()).map(|(index, _)| index)
        });
        if found.is_none() {
            let near = nearest(text, self.list.iter().map(|group| group.full.as_str()));
            reference.fault(format!("there is no task group `{text}`{}", suggestion(&near)));
        }
        found
    }

    /// The id in full of something that is written `id` inside `group`.
    pub fn full_id(&self, group: Option<usize>, id: &str) -> String {
        self.around(group)
            .find(|group| group.prefixes)
            .map_or_else(|| id.to_owned(), |group| format!("{}.{id}", group.full))
    }

    /// A group and those around it, from the inside out.
    pub fn around(&self, group: Option<usize>) -> impl Iterator<Item = &Group<'a>> {
        std::iter::successors(group.and_then(|index| self.list.get(index)), |group| {
            group.parent.and_then(|index| self.list.get(index))
        })
    }

    pub fn indexes_around(&self, group: Option<usize>) -> impl Iterator<Item = usize> {
        std::iter::successors(group, |index| self.list.get(*index).and_then(|group| group.parent))
    }

    /// The group around that is mapped.
    pub fn mapped_around(&self, group: Option<usize>) -> Option<&Group<'a>> {
        self.around(group).find(|group| group.mapping.is_some())
    }

    /// `sources` are the ids of the tasks that each group is mapped over, as written and in full.
    pub fn into_model(self, sources: &[HashMap<String, String>]) -> Vec<TaskGroup> {
        let names: Vec<String> = self.list.iter().map(|group| group.full.clone()).collect();
        self.list
            .into_iter()
            .zip(sources)
            .map(|(group, sources)| TaskGroup {
                parent: group.parent.and_then(|index| names.get(index).cloned()),
                tooltip: group.fields.text("tooltip"),
                group_display_name: group.fields.text("group_display_name"),
                group_id: group.full,
                prefix_group_id: group.prefixes,
                mapping: group.mapping.map(|mut mapping| {
                    mapping::name_sources(&mut mapping, sources);
                    mapping
                }),
            })
            .collect()
    }

    fn find(&self, parent: &Found<'_>, written: &HashMap<String, usize>) -> Option<usize> {
        let text = parent.value.as_str()?;
        self.by_full(text).or_else(|| {
            let unique = written.get(text) == Some(&1);
            self.list.iter().position(|group| unique && group.written == text)
        })
    }

    fn add(&mut self, mut group: Group<'a>, parent: Option<usize>) {
        group.full = self.full_id(parent, &group.written);
        group.parent = parent;
        group.depth = 1 + parent.and_then(|index| self.list.get(index)).map_or(0, |parent| parent.depth);
        if group.depth > DEEPEST {
            group.fields.fault(format!("task groups can be nested {DEEPEST} deep, this one is deeper"));
            return;
        }
        if let (Some(_), Some(around)) = (&group.mapping, self.mapped_around(parent)) {
            let place = MAPPING_FIELDS.iter().find_map(|field| group.fields.own(field));
            let fault =
                format!("`{}` around this group is mapped already; mapped groups cannot be nested", around.full);
            place.into_iter().for_each(|found| found.fault(fault.clone()));
        }
        if self.by_full.contains_key(&group.full) {
            group.fields.fault(format!("there is another task group `{}`", group.full));
            return;
        }
        self.by_full.insert(group.full.clone(), self.list.len());
        self.list.push(group);
    }

    fn refuse_orphans(&self, orphans: &[(Group<'a>, Option<Found<'a>>)]) {
        for (group, parent) in orphans {
            let Some(parent) = parent else { continue };
            let Some(text) = parent.text() else { continue };
            let circular = orphans.iter().any(|(other, _)| other.written == text);
            parent.fault(if circular {
                format!(
                    "the task groups `{}` and `{text}` are inside each other, or `{text}` names several",
                    group.written
                )
            } else {
                let near = nearest(text, self.list.iter().map(|group| group.full.as_str()));
                format!("there is no task group `{text}`{}", suggestion(&near))
            });
        }
    }
}

fn read_one<'a>(fields: &Fields<'a>) -> Option<(Group<'a>, Option<Found<'a>>)> {
    fields.refuse_unknown("a task group", &[FIELDS, MAPPING_FIELDS]);
    let defaults = fields.get("default_args").and_then(|found| found.fields());
    if let Some(defaults) = &defaults {
        check_defaults(defaults);
    }
    let prefixes = fields.boolean("prefix_group_id").unwrap_or(true);
    let written = group_id(&fields.required("group_id")?)?;
    let mapping = mapping::read(fields, "a task group");
    let fields_of = fields.clone();
    let group =
        Group { fields: fields_of, full: String::new(), written, parent: None, prefixes, defaults, depth: 0, mapping };
    Some((group, fields.get("parent")))
}

/// `default_args`, of a group or of the DAG: faults are found although no task may use them.
pub(super) fn check_defaults(defaults: &Fields<'_>) {
    defaults.refuse_unknown("`default_args`", &[SETTINGS, SENSOR_SETTINGS, &["start_date", "end_date"]]);
    Settings::read(defaults);
}

/// Airflow's rule: as for tasks, but without dots, and at most 200 characters.
fn group_id(found: &Found<'_>) -> Option<String> {
    let id = found.text()?;
    let length = id.chars().count();
    let valid =
        (1..=200).contains(&length) && id.chars().all(|letter| letter.is_alphanumeric() || "_-".contains(letter));
    if !valid {
        found.expected("1 to 200 letters, digits, `_` and `-`");
        return None;
    }
    Some(id.to_owned())
}
