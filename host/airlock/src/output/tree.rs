//! A run as a tree of its tasks.
//!
//! A DAG is no tree: a task stands below the one of its upstream tasks that is furthest from the start, and names the others.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

/// One task of the DAG, with what its instances in the run are doing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Node {
    pub task_id: String,
    pub operator: String,
    pub upstream: Vec<String>,
    pub instances: Vec<Instance>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Instance {
    pub map_index: i32,
    /// None: nothing has been decided.
    pub state: Option<String>,
    pub try_number: u64,
    pub seconds: Option<f64>,
}

/// One line for each task, in the order of a walk from the roots. `colour` adds colours; the words say everything without.
pub fn lines(nodes: &[Node], colour: bool) -> Vec<String> {
    let index: HashMap<&str, usize> = nodes.iter().enumerate().map(|(at, node)| (node.task_id.as_str(), at)).collect();
    let depths = depths(nodes, &index);
    let mut children: BTreeMap<Option<usize>, Vec<usize>> = BTreeMap::new();
    for (at, node) in nodes.iter().enumerate() {
        let parent = node
            .upstream
            .iter()
            .filter_map(|id| index.get(id.as_str()))
            .max_by_key(|parent| depths.get(**parent))
            .copied();
        children.entry(parent).or_default().push(at);
    }
    let mut walk = Walk { nodes, children: &children, rows: Vec::new() };
    walk.visit(None, "", None);
    let width = walk.rows.iter().map(|(left, _)| left.chars().count()).max().unwrap_or(0);
    walk.rows
        .into_iter()
        .map(|(left, at)| {
            let pad = " ".repeat(width - left.chars().count());
            nodes.get(at).map_or_else(String::new, |node| format!("{left}{pad}  {}", status(node, colour)))
        })
        .collect()
}

struct Walk<'a> {
    nodes: &'a [Node],
    children: &'a BTreeMap<Option<usize>, Vec<usize>>,
    rows: Vec<(String, usize)>,
}

impl Walk<'_> {
    fn visit(&mut self, parent: Option<usize>, indent: &str, parent_id: Option<&str>) {
        let below = self.children.get(&parent).map(Vec::as_slice).unwrap_or_default();
        for (position, at) in below.iter().enumerate() {
            let Some(node) = self.nodes.get(*at) else { continue };
            let last = position + 1 == below.len();
            let (branch, deeper) = match (parent, last) {
                (None, _) => ("", ""),
                (Some(_), true) => ("└─ ", "   "),
                (Some(_), false) => ("├─ ", "│  "),
            };
            let others: Vec<&str> =
                node.upstream.iter().map(String::as_str).filter(|upstream| Some(*upstream) != parent_id).collect();
            let also = if others.is_empty() { String::new() } else { format!(" (+ {})", others.join(", ")) };
            self.rows.push((format!("{indent}{branch}{}{also}", node.task_id), *at));
            self.visit(Some(*at), &format!("{indent}{deeper}"), Some(&node.task_id));
        }
    }
}

/// How far each task is from the start, by its longest way. A cycle (which no valid DAG has) ends at depth 0.
fn depths(nodes: &[Node], index: &HashMap<&str, usize>) -> Vec<usize> {
    let mut depths = vec![0; nodes.len()];
    // Each pass settles at least the tasks of the next depth.
    for _ in 0..nodes.len() {
        let mut changed = false;
        for (at, node) in nodes.iter().enumerate() {
            let depth = node
                .upstream
                .iter()
                .filter_map(|id| depths.get(*index.get(id.as_str())?))
                .max()
                .map_or(0, |depth| depth + 1);
            if let Some(old) = depths.get_mut(at).filter(|old| **old < depth && depth < nodes.len()) {
                *old = depth;
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    depths
}

/// A task's state, or how many of its mapped instances are in which.
fn status(node: &Node, colour: bool) -> String {
    match node.instances.as_slice() {
        [] => painted(None, colour),
        [one] => {
            let mut text = painted(one.state.as_deref(), colour);
            if one.try_number > 1 {
                let _ = write!(text, "  try {}", one.try_number);
            }
            if let Some(seconds) = one.seconds {
                let _ = write!(text, "  {seconds:.1} s");
            }
            text
        }
        many => {
            let mut counts: BTreeMap<Option<&str>, usize> = BTreeMap::new();
            for instance in many {
                *counts.entry(instance.state.as_deref()).or_default() += 1;
            }
            counts
                .iter()
                .map(|(state, count)| format!("{count} {}", painted(*state, colour)))
                .collect::<Vec<_>>()
                .join(", ")
        }
    }
}

/// A state with a sign before it, so that no meaning lies in colour alone.
pub fn painted(state: Option<&str>, colour: bool) -> String {
    let (sign, code) = match state {
        Some("success") => ("✔", "32"),
        Some("failed" | "upstream_failed") => ("✘", "31"),
        Some("running") => ("▶", "36"),
        Some("skipped" | "removed") => ("↷", "35"),
        Some("up_for_retry" | "restarting") => ("↻", "33"),
        Some("up_for_reschedule" | "deferred" | "awaiting_input") => ("◷", "34"),
        Some("queued" | "scheduled") => ("…", "90"),
        _ => ("·", "90"),
    };
    let text = format!("{sign} {}", state.unwrap_or("no_status"));
    if colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(task_id: &str, upstream: &[&str], states: &[&str]) -> Node {
        Node {
            task_id: task_id.to_owned(),
            operator: "empty".to_owned(),
            upstream: upstream.iter().map(|id| (*id).to_owned()).collect(),
            instances: states
                .iter()
                .map(|state| Instance { state: Some((*state).to_owned()), try_number: 1, ..Instance::default() })
                .collect(),
        }
    }

    #[test]
    fn a_task_stands_below_its_furthest_upstream_task_and_names_the_others() {
        let nodes = [
            node("start", &[], &["success"]),
            node("left", &["start"], &["running"]),
            node("right", &["start"], &["skipped"]),
            node("deep", &["right"], &["success", "failed", "success"]),
            node("join", &["deep", "left"], &[]),
        ];
        assert_eq!(
            lines(&nodes, false),
            [
                "start                   ✔ success",
                "├─ left                 ▶ running",
                "└─ right                ↷ skipped",
                "   └─ deep              1 ✘ failed, 2 ✔ success",
                "      └─ join (+ left)  · no_status",
            ]
        );
    }
}
