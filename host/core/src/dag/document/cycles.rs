//! Circles among tasks, each named by its path.

use std::collections::BTreeSet;

use super::edges::TaskNode;
use crate::fault::FaultSink;

/// The most circles that are named; breaking some usually breaks the others.
const MOST: usize = 20;
/// The most tasks of one circle that are named.
const LONGEST: usize = 30;

/// `upstream` by task, as indexes.
pub(super) fn refuse(tasks: &[TaskNode], upstream: &[BTreeSet<usize>], sink: &FaultSink) {
    let mut left = unsorted(upstream, &BTreeSet::new());
    let mut broken = BTreeSet::new();
    for _ in 0..MOST {
        let Some(cycle) = find(upstream, &left) else { return };
        report(tasks, &cycle, sink);
        broken.extend(cycle);
        left = unsorted(upstream, &broken);
    }
}

/// The tasks that no order reaches: those on a circle and those behind one. Tasks in `removed` count as gone.
fn unsorted(upstream: &[BTreeSet<usize>], removed: &BTreeSet<usize>) -> BTreeSet<usize> {
    let mut downstream = vec![Vec::new(); upstream.len()];
    let mut waiting = vec![0usize; upstream.len()];
    for (task, sources) in upstream.iter().enumerate() {
        for source in sources.iter().filter(|source| !removed.contains(source)) {
            if let (Some(list), Some(count)) = (downstream.get_mut(*source), waiting.get_mut(task)) {
                list.push(task);
                *count += 1;
            }
        }
    }
    let mut left: BTreeSet<usize> = (0..upstream.len()).filter(|task| !removed.contains(task)).collect();
    let mut ready: Vec<usize> = left.iter().copied().filter(|task| waiting.get(*task) == Some(&0)).collect();
    while let Some(task) = ready.pop() {
        left.remove(&task);
        for next in downstream.get(task).into_iter().flatten() {
            if let Some(count) = waiting.get_mut(*next) {
                *count -= 1;
                if *count == 0 {
                    ready.push(*next);
                }
            }
        }
    }
    left
}

/// A circle among `left`, in the order in which its tasks would run. Every task there has an upstream that is there too, so
/// that walking upstream must come back to itself.
fn find(upstream: &[BTreeSet<usize>], left: &BTreeSet<usize>) -> Option<Vec<usize>> {
    let mut path = Vec::new();
    let mut places = std::collections::HashMap::new();
    let mut task = *left.first()?;
    while !places.contains_key(&task) {
        places.insert(task, path.len());
        path.push(task);
        task = *upstream.get(task)?.iter().find(|source| left.contains(source))?;
    }
    let mut cycle = path.split_off(*places.get(&task)?);
    cycle.reverse();
    // From the task that stands first in the document.
    let first = cycle.iter().enumerate().min_by_key(|(_, task)| **task).map_or(0, |(place, _)| place);
    cycle.rotate_left(first);
    Some(cycle)
}

fn report(tasks: &[TaskNode], cycle: &[usize], sink: &FaultSink) {
    let names: Vec<&str> = cycle.iter().filter_map(|task| tasks.get(*task)).map(|task| task.task_id.as_str()).collect();
    let mut path = names.iter().take(LONGEST).copied().collect::<Vec<_>>().join(" -> ");
    if names.len() > LONGEST {
        path.push_str(" -> ...");
    }
    let first = cycle.first().and_then(|task| tasks.get(*task));
    let (pointer, name) = first.map_or(("", ""), |task| (task.pointer.as_str(), task.task_id.as_str()));
    sink.push(format!("{pointer}/upstream"), format!("these tasks wait for each other in a circle: {path} -> {name}"));
}
