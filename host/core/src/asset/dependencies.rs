//! The graph of what DAGs have to do with each other.

use std::collections::{BTreeMap, BTreeSet};

use super::AssetRole;

/// A node as Airflow's web interface has it: `dag:...`, `asset:...` or `asset-alias:...`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub id: String,
    pub label: String,
    /// `dag`, `asset` or `asset-alias`.
    pub kind: &'static str,
}

/// From source to target, by the ids of nodes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    pub source: String,
    pub target: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Graph {
    pub nodes: Vec<Node>,
    pub edges: Vec<Edge>,
}

/// What a DAG has to do with an asset or an alias, by its id and name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DagLinks {
    pub dag_id: String,
    pub role: AssetRole,
    pub target: LinkTarget,
    pub id: i64,
    pub name: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkTarget {
    Asset,
    Alias,
}

impl LinkTarget {
    const fn kind(self) -> &'static str {
        match self {
            Self::Asset => "asset",
            Self::Alias => "asset-alias",
        }
    }
}

/// The DAGs that produce assets or follow from them, and the assets between them. With `node`, only what is connected with it;
/// none if it is not in the graph.
pub fn dependencies(links: &[DagLinks], node: Option<&str>) -> Option<Graph> {
    let mut nodes = BTreeMap::new();
    let mut edges = BTreeSet::new();
    for link in links {
        let kind = link.target.kind();
        let (dag, asset) = (format!("dag:{}", link.dag_id), format!("{kind}:{}", link.id));
        let (source, target) = match link.role {
            AssetRole::Outlet => (dag.clone(), asset.clone()),
            AssetRole::Schedule => (asset.clone(), dag.clone()),
            // Using an asset makes nobody wait.
            AssetRole::Inlet => continue,
        };
        edges.insert(Edge { source, target });
        nodes.insert(dag.clone(), Node { id: dag, label: link.dag_id.clone(), kind: "dag" });
        nodes.insert(asset.clone(), Node { id: asset, label: link.name.clone(), kind });
    }
    if let Some(node) = node {
        let connected = connected(nodes.contains_key(node).then_some(node)?, &edges);
        nodes.retain(|id, _| connected.contains(id));
        edges.retain(|edge| connected.contains(&edge.source));
    }
    Some(Graph { nodes: nodes.into_values().collect(), edges: edges.into_iter().collect() })
}

/// What can be reached from a node, whichever way the edges go.
fn connected(node: &str, edges: &BTreeSet<Edge>) -> BTreeSet<String> {
    let mut neighbours: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for edge in edges {
        neighbours.entry(&edge.source).or_default().push(&edge.target);
        neighbours.entry(&edge.target).or_default().push(&edge.source);
    }
    let mut found = BTreeSet::from([node.to_owned()]);
    let mut open = vec![node];
    while let Some(node) = open.pop() {
        let around = neighbours.get(node).into_iter().flatten();
        open.extend(around.filter(|next| found.insert((**next).to_owned())));
    }
    found
}
