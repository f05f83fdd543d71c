//! A DAG as its runs need it: tasks by number, edges in both directions, and everything that can be worked out once.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use uuid::Uuid;

use super::change::NewInstance;
use super::weight::effective_weights;
use crate::dag::{Dag, MAXIMUM_INSTANCES, Mapping, Task};
use crate::id::UNMAPPED;

/// What one task's end means to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EdgeKind {
    /// An upstream task of the document, for the trigger rule.
    Direct,
    /// A setup further up, whose teardowns are not yet past.
    Setup,
    /// A task between a teardown and its setups.
    Scope,
}

/// What waits for a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Edge {
    pub(super) to: usize,
    pub(super) kind: EdgeKind,
    /// Both are in one mapped group: an instance waits for the one with its own map index.
    is_inside: bool,
}

impl Edge {
    /// The instance that waits for the one with this index; none stands for all of them.
    pub(super) fn index_for(&self, map_index: i32) -> Option<i32> {
        self.is_inside.then_some(map_index)
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct PlannedTask {
    pub(super) upstream: Vec<usize>,
    pub(super) downstream: Vec<usize>,
    /// Everything that waits for this task.
    pub(super) edges: Vec<Edge>,
    pub(super) weight: i64,
    /// Whether its end decides the run's.
    pub(super) is_leaf: bool,
    /// The tasks whose results it, or the mapped group that it is in, is mapped over.
    pub(super) sources: Vec<usize>,
    /// The other way round: what is mapped over its result.
    pub(super) expands: Vec<usize>,
    /// Which of the DAG's groups is mapped, of those that it is in.
    mapped_group: Option<usize>,
}

/// A DAG, compiled. Shared by all runs of a DAG version.
#[derive(Debug)]
pub struct Plan {
    dag: Arc<Dag>,
    pub(super) tasks: Vec<PlannedTask>,
    index: HashMap<String, usize>,
}

impl Plan {
    /// Edges to tasks that the DAG does not have are left out; validation has refused such documents, and cycles.
    pub fn new(dag: Arc<Dag>) -> Self {
        let index: HashMap<String, usize> =
            dag.tasks.iter().enumerate().map(|(number, task)| (task.task_id.clone(), number)).collect();
        let mut tasks = vec![PlannedTask::default(); dag.tasks.len()];
        for (task, mapped_group) in tasks.iter_mut().zip(dag.mapped_groups()) {
            task.mapped_group = mapped_group;
        }
        let mut plan = Self { dag, tasks, index };
        plan.add_edges();
        plan.add_setups();
        plan.add_weights();
        plan.mark_leaves();
        plan
    }

    fn add_edges(&mut self) {
        let dag = Arc::clone(&self.dag);
        for (number, task) in dag.tasks.iter().enumerate() {
            let upstream: Vec<usize> = task.upstream.iter().filter_map(|task_id| self.number(task_id)).collect();
            for upstream in upstream {
                self.tasks[number].upstream.push(upstream);
                self.tasks[upstream].downstream.push(number);
                self.add_edge(upstream, number, EdgeKind::Direct);
            }
            let sources = self.mapping(number).into_iter().flat_map(|mapping| mapping.sources());
            let sources: Vec<usize> = sources.filter_map(|task_id| self.number(task_id)).collect();
            for source in &sources {
                self.tasks[*source].expands.push(number);
            }
            self.tasks[number].sources = sources;
        }
    }

    fn add_edge(&mut self, from: usize, to: usize, kind: EdgeKind) {
        let is_inside = self.share_mapped_group(from, to);
        self.tasks[from].edges.push(Edge { to, kind, is_inside });
    }

    /// Whether instances of these tasks belong together by their map index.
    pub(super) fn share_mapped_group(&self, left: usize, right: usize) -> bool {
        let group = self.tasks[left].mapped_group;
        group.is_some() && group == self.tasks[right].mapped_group
    }

    /// As [`Self::share_mapped_group`], by ids.
    pub fn share_group(&self, left: &str, right: &str) -> bool {
        self.number(left).zip(self.number(right)).is_some_and(|(left, right)| self.share_mapped_group(left, right))
    }

    /// The tasks that unfold together: those of a mapped group, or the one task alone.
    pub(super) fn unfolds_with(&self, number: usize) -> Vec<usize> {
        match self.tasks[number].mapped_group {
            None => vec![number],
            group => (0..self.tasks.len()).filter(|other| self.tasks[*other].mapped_group == group).collect(),
        }
    }

    /// What a task is mapped over, by itself or with its group.
    pub(super) fn mapping(&self, number: usize) -> Option<&Mapping> {
        match self.tasks[number].mapped_group {
            None => self.task(number).mapping.as_ref(),
            Some(group) => self.dag.task_groups[group].mapping.as_ref(),
        }
    }

    pub fn dag(&self) -> &Arc<Dag> {
        &self.dag
    }

    /// The number of a task: its place in the document.
    pub fn number(&self, task_id: &str) -> Option<usize> {
        self.index.get(task_id).copied()
    }

    pub(super) fn task(&self, number: usize) -> &Task {
        &self.dag.tasks[number]
    }

    /// By task id: what its instances are queued with.
    pub fn weight(&self, task_id: &str) -> Option<i64> {
        self.number(task_id).map(|number| self.tasks[number].weight)
    }

    /// An instance of each task, nothing decided. Of a mapped task all instances, if the document says how many there are; otherwise,
    /// and if there are none, one that stands for all of them.
    pub fn new_instances(&self, mut new_id: impl FnMut() -> Uuid) -> Vec<NewInstance> {
        let mut instances = Vec::with_capacity(self.tasks.len());
        for number in 0..self.tasks.len() {
            match self.mapping(number).and_then(Mapping::written_count).unwrap_or(0) {
                0 => instances.push(self.new_instance(number, new_id(), UNMAPPED)),
                count => instances.extend(map_indexes(count).map(|index| self.new_instance(number, new_id(), index))),
            }
        }
        instances
    }

    pub(super) fn new_instance(&self, number: usize, id: Uuid, map_index: i32) -> NewInstance {
        let task = self.task(number);
        NewInstance {
            id,
            task_id: task.task_id.clone(),
            map_index,
            state: None,
            max_tries: task.retries,
            operator: task.operator.clone(),
            pool: task.pool.clone(),
            pool_slots: task.pool_slots,
            queue: task.queue.clone(),
            priority_weight: self.tasks[number].weight,
            scheduled_at: None,
        }
    }

    /// Every task downstream of these, not counting themselves unless one is downstream of another.
    pub(super) fn all_downstream(&self, from: impl IntoIterator<Item = usize>) -> HashSet<usize> {
        reachable(from, |number| &self.tasks[number].downstream)
    }

    /// The ids of all tasks above and below a task, as asked; teardowns below are not among them, nor is the task itself.
    pub fn relatives(&self, task_id: &str, upstream: bool, downstream: bool) -> HashSet<&str> {
        let Some(number) = self.number(task_id) else { return HashSet::new() };
        let above = if upstream { self.all_upstream(number) } else { HashSet::new() };
        let below = if downstream { self.all_downstream([number]) } else { HashSet::new() };
        let below = below.into_iter().filter(|number| !self.task(*number).is_teardown);
        above.into_iter().chain(below).map(|number| self.task(number).task_id.as_str()).collect()
    }

    pub(super) fn all_upstream(&self, number: usize) -> HashSet<usize> {
        reachable([number], |number| &self.tasks[number].upstream)
    }

    /// The tasks that an id in a branch stands for: the task itself, or the first tasks of a group.
    pub(super) fn branch_targets(&self, id: &str) -> Option<Vec<usize>> {
        if let Some(number) = self.number(id) {
            return Some(vec![number]);
        }
        let group = self.dag.task_groups.iter().find(|group| group.group_id == id)?;
        let members: HashSet<usize> =
            (0..self.tasks.len()).filter(|number| self.is_within(*number, &group.group_id)).collect();
        let is_root = |number: &usize| self.tasks[*number].upstream.iter().all(|upstream| !members.contains(upstream));
        let mut roots: Vec<usize> = members.iter().copied().filter(is_root).collect();
        roots.sort_unstable();
        Some(roots)
    }

    /// The ids of all tasks of a group and of the groups in it, in the order of the document. None if there is no such group.
    pub fn group_tasks(&self, group_id: &str) -> Option<Vec<&str>> {
        self.dag.task_groups.iter().find(|group| group.group_id == group_id)?;
        let members = (0..self.tasks.len()).filter(|number| self.is_within(*number, group_id));
        Some(members.map(|number| self.task(number).task_id.as_str()).collect())
    }

    fn is_within(&self, number: usize, group_id: &str) -> bool {
        let parent_of = |id: &str| self.dag.task_groups.iter().find(|group| group.group_id == id)?.parent.as_deref();
        std::iter::successors(self.task(number).task_group.as_deref(), |id| parent_of(id)).any(|id| id == group_id)
    }

    /// Tasks in an order in which upstream comes first.
    fn topological_order(&self) -> Vec<usize> {
        let mut missing: Vec<usize> = self.tasks.iter().map(|task| task.upstream.len()).collect();
        let mut order: Vec<usize> = (0..self.tasks.len()).filter(|number| missing[*number] == 0).collect();
        let mut next = 0;
        while let Some(&number) = order.get(next) {
            next += 1;
            for &downstream in &self.tasks[number].downstream {
                missing[downstream] -= 1;
                if missing[downstream] == 0 {
                    order.push(downstream);
                }
            }
        }
        order
    }

    fn add_weights(&mut self) {
        let upstream: Vec<_> = self.tasks.iter().map(|task| task.upstream.clone()).collect();
        let downstream: Vec<_> = self.tasks.iter().map(|task| task.downstream.clone()).collect();
        let weights = effective_weights(&self.dag, &upstream, &downstream, &self.topological_order());
        for (task, weight) in self.tasks.iter_mut().zip(weights) {
            task.weight = weight;
        }
    }

    /// A task after a setup needs it, however far up it is, as long as a teardown of that setup follows the task (or the setup has
    /// none at all). A teardown waits for everything between its setups and itself.
    fn add_setups(&mut self) {
        let dag = Arc::clone(&self.dag);
        let teardowns = |numbers: &[usize]| -> Vec<usize> {
            numbers.iter().copied().filter(|number| dag.tasks[*number].is_teardown).collect()
        };
        for setup in (0..self.tasks.len()).filter(|number| dag.tasks[*number].is_setup) {
            let ends = teardowns(&self.tasks[setup].downstream);
            let after_setup = self.all_downstream([setup]);
            for &between in &after_setup {
                let direct = self.tasks[between].upstream.contains(&setup);
                if direct || dag.tasks[between].is_teardown {
                    continue;
                }
                let below = self.all_downstream([between]);
                if ends.is_empty() || ends.iter().any(|end| below.contains(end)) {
                    self.add_edge(setup, between, EdgeKind::Setup);
                }
            }
            for end in ends {
                for between in self.all_upstream(end).intersection(&after_setup).copied().collect::<Vec<_>>() {
                    if between != end && !self.tasks[between].edges.iter().any(|known| known.to == end) {
                        self.add_edge(between, end, EdgeKind::Scope);
                    }
                }
            }
        }
    }

    /// A teardown decides nothing, unless it says so: the tasks before it are the leaves then. A DAG of nothing but teardowns is
    /// decided by the last of them.
    fn mark_leaves(&mut self) {
        let counts = |number: &usize| !self.task(*number).is_teardown || self.task(*number).on_failure_fail_dagrun;
        let is_leaf = |number: &usize| counts(number) && !self.tasks[*number].downstream.iter().any(counts);
        let mut leaves: Vec<usize> = (0..self.tasks.len()).filter(is_leaf).collect();
        if leaves.is_empty() {
            leaves = (0..self.tasks.len()).filter(|number| self.tasks[*number].downstream.is_empty()).collect();
        }
        for leaf in leaves {
            self.tasks[leaf].is_leaf = true;
        }
    }
}

/// The map indexes of so many instances.
pub(super) fn map_indexes(count: u64) -> std::ops::Range<i32> {
    0..i32::try_from(count.min(MAXIMUM_INSTANCES)).unwrap_or(i32::MAX)
}

fn reachable<'a>(from: impl IntoIterator<Item = usize>, next: impl Fn(usize) -> &'a [usize]) -> HashSet<usize> {
    let mut open: Vec<usize> = from.into_iter().collect();
    let mut found = HashSet::new();
    while let Some(number) = open.pop() {
        open.extend(next(number).iter().filter(|number| found.insert(**number)));
    }
    found
}
