//! `upstream`: references become edges between tasks, groups at either end are expanded, and circles are found.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::fields::Found;
use super::groups::Groups;
use crate::fault::FaultSink;
use crate::near::{nearest, suggestion};

/// The most edges that a DAG may have. Two groups of a thousand tasks, one after the other, would make a million.
const MOST: usize = 1_000_000;

/// One end of an edge as written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Node {
    Task(usize),
    Group(usize),
}

/// What edges need to know of a task.
pub(super) struct TaskNode {
    pub task_id: String,
    pub group: Option<usize>,
    pub pointer: String,
}

pub(super) struct Edges<'a> {
    groups: &'a Groups<'a>,
    tasks: &'a [TaskNode],
    by_id: HashMap<&'a str, usize>,
    /// Tasks by group.
    members: Vec<Vec<usize>>,
    /// Every task, so that one task is a slice too.
    all: Vec<usize>,
    sink: &'a FaultSink,
    written: Vec<(Node, Node, String)>,
    pub upstream: Vec<BTreeSet<usize>>,
    downstream: Vec<BTreeSet<usize>>,
    count: usize,
}

impl<'a> Edges<'a> {
    pub fn new(groups: &'a Groups<'a>, tasks: &'a [TaskNode], sink: &'a FaultSink) -> Self {
        let mut by_id = HashMap::new();
        for (index, task) in tasks.iter().enumerate() {
            by_id.entry(task.task_id.as_str()).or_insert(index);
        }
        let mut members = vec![Vec::new(); groups.list.len()];
        for (index, task) in tasks.iter().enumerate() {
            for group in groups.indexes_around(task.group) {
                if let Some(members) = members.get_mut(group) {
                    members.push(index);
                }
            }
        }
        let none = vec![BTreeSet::new(); tasks.len()];
        Self {
            groups,
            tasks,
            by_id,
            members,
            all: (0..tasks.len()).collect(),
            sink,
            written: Vec::new(),
            upstream: none.clone(),
            downstream: none,
            count: 0,
        }
    }

    /// A task or group by its full id; otherwise by its id within `scope` or a group around that.
    pub fn find(&self, text: &str, scope: Option<usize>) -> Option<Node> {
        let by_full = |id: &str| {
            let task = self.by_id.get(id).copied().map(Node::Task);
            task.or_else(|| self.groups.by_full(id).map(Node::Group))
        };
        by_full(text).or_else(|| {
            self.groups.indexes_around(scope).find_map(|group| by_full(&self.groups.full_id(Some(group), text)))
        })
    }

    /// What [`Self::find`] finds; nothing is a fault.
    pub fn resolve(&self, reference: &Found<'_>, scope: Option<usize>) -> Option<Node> {
        let text = reference.text()?;
        let found = self.find(text, scope);
        if found.is_none() {
            let near = if self.sink.wants_suggestions() {
                let tasks = self.tasks.iter().map(|task| task.task_id.as_str());
                nearest(text, tasks.chain(self.groups.list.iter().map(|group| group.full.as_str())))
            } else {
                Vec::new()
            };
            reference.fault(format!("there is no task or task group `{text}`{}", suggestion(&near)));
        }
        found
    }

    /// Notes the edges that one `upstream` asks for.
    pub fn add(&mut self, upstream: Option<Found<'_>>, to: Node, scope: Option<usize>) {
        let Some(references) = upstream.and_then(|found| found.texts()) else { return };
        for reference in references {
            self.add_one(&reference, to, scope);
        }
    }

    pub fn add_one(&mut self, reference: &Found<'_>, to: Node, scope: Option<usize>) {
        let Some(from) = self.resolve(reference, scope) else { return };
        if from == to {
            reference.fault(format!("{} cannot follow itself", self.name(to)));
        } else if self.contains(from, to) || self.contains(to, from) {
            reference.fault(format!("{} and {} contain each other", self.name(from), self.name(to)));
        } else if let Some(empty) = [from, to].into_iter().find(|node| self.ends(*node).is_empty()) {
            reference.fault(format!("{} has no tasks, so that an edge to or from it means nothing", self.name(empty)));
        } else {
            self.written.push((from, to, reference.pointer.clone()));
        }
    }

    /// Turns what was written into edges between tasks: out of a group's leaves, into a group's roots.
    ///
    /// Leaves and roots of a group depend on the edges inside it, so that edges deep inside come first.
    pub fn expand(&mut self) {
        let mut written = std::mem::take(&mut self.written);
        written.sort_by_key(|(from, to, _)| std::cmp::Reverse(self.common_depth(*from, *to)));
        let mut cache: HashMap<(usize, bool), Vec<usize>> = HashMap::new();
        for (from, to, pointer) in &written {
            let sources = self.tasks_at(*from, false, &mut cache);
            let targets = self.tasks_at(*to, true, &mut cache);
            if self.count + sources.len() * targets.len() > MOST {
                self.sink.push(
                    pointer,
                    format!("the DAG has more than {MOST} edges; put an empty task between large groups"),
                );
                return;
            }
            for source in &sources {
                for target in &targets {
                    if self.upstream.get_mut(*target).is_some_and(|set| set.insert(*source)) {
                        self.count += 1;
                        self.downstream.get_mut(*source).map(|set| set.insert(*target));
                    }
                }
            }
        }
        self.written = written;
    }

    /// Whether any edge leads from one node to the other.
    pub fn connects(&self, from: Node, to: Node) -> bool {
        let targets: HashSet<usize> = self.ends(to).iter().copied().collect();
        self.ends(from)
            .iter()
            .filter_map(|source| self.downstream.get(*source))
            .flatten()
            .any(|to| targets.contains(to))
    }

    fn tasks_at(&self, node: Node, roots: bool, cache: &mut HashMap<(usize, bool), Vec<usize>>) -> Vec<usize> {
        let Node::Group(group) = node else { return self.ends(node).to_vec() };
        let ends = cache.entry((group, roots)).or_insert_with(|| {
            let inside: HashSet<usize> = self.ends(node).iter().copied().collect();
            let beside = if roots { &self.upstream } else { &self.downstream };
            let at_the_end = |task: &&usize| {
                beside.get(**task).is_none_or(|others| others.iter().all(|other| !inside.contains(other)))
            };
            self.ends(node).iter().filter(at_the_end).copied().collect()
        });
        ends.clone()
    }

    /// The task itself, or every task of the group, those of groups inside it included.
    fn ends(&self, node: Node) -> &[usize] {
        match node {
            Node::Task(task) => self.all.get(task..=task).unwrap_or_default(),
            Node::Group(group) => self.members.get(group).map_or(&[], Vec::as_slice),
        }
    }

    pub fn contains(&self, outer: Node, inner: Node) -> bool {
        matches!(outer, Node::Group(group) if self.groups.indexes_around(self.container(inner)).any(|around| around == group))
    }

    fn container(&self, node: Node) -> Option<usize> {
        match node {
            Node::Task(task) => self.tasks.get(task).and_then(|task| task.group),
            Node::Group(group) => self.groups.list.get(group).and_then(|group| group.parent),
        }
    }

    /// How deep the innermost group lies that both nodes are in; 0 where there is none.
    fn common_depth(&self, left: Node, right: Node) -> usize {
        let around_right: Vec<usize> = self.groups.indexes_around(self.container(right)).collect();
        self.groups
            .indexes_around(self.container(left))
            .find(|group| around_right.contains(group))
            .and_then(|group| self.groups.list.get(group))
            .map_or(0, |group| group.depth)
    }

    /// The id in full.
    pub fn id(&self, node: Node) -> String {
        match node {
            Node::Task(task) => self.tasks.get(task).map(|task| task.task_id.clone()),
            Node::Group(group) => self.groups.list.get(group).map(|group| group.full.clone()),
        }
        .unwrap_or_default()
    }

    fn name(&self, node: Node) -> String {
        let what = if matches!(node, Node::Task(_)) { "the task" } else { "the task group" };
        format!("{what} `{}`", self.id(node))
    }
}
