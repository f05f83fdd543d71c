//! `airlock runs watch`: a run as it goes.
//!
//! On a terminal a tree of the tasks is drawn over itself; elsewhere each change of a state is one line. Both go to standard
//! error: the run, as it ended, is the result.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::time::Duration;

use anyhow::Result;
use chrono::{DateTime, Utc};
use serde_json::Value;

use super::COLUMNS;
use crate::client::{Client, segment};
use crate::failure::Failure;
use crate::output::{self, Format, tree};

const EVERY: Duration = Duration::from_millis(250);

/// More lines than this do not fit a screen: the tree gives way to counts.
const MOST_LINES: usize = 60;

/// Shows the run until it ends, then writes it; an error unless it succeeded.
pub async fn until_end(client: &Client, dag_id: &str, run_id: &str, format: Format) -> Result<()> {
    let dag = format!("/api/v2/dags/{}", segment(dag_id));
    let path = format!("{dag}/dagRuns/{}", segment(run_id));
    let tasks = client.get(&format!("{dag}/tasks")).await?;
    let mut nodes = nodes(&tasks);
    let mut screen = Screen::new();
    loop {
        // The run first: if it has ended, the instances that are read after it are the last ones.
        let run = client.get(&path).await?;
        let instances = client.list(&format!("{path}/taskInstances"), "task_instances").await?;
        fill(&mut nodes, &instances);
        let state = run.get("state").and_then(Value::as_str).unwrap_or_default().to_owned();
        screen.show(&format!("{dag_id} / {run_id}"), &state, &nodes)?;
        match state.as_str() {
            "success" => return output::record(format, COLUMNS, &run),
            "failed" => {
                output::record(format, COLUMNS, &run)?;
                let hint = failed(&nodes).map(|task| format!("airlock tasks logs {dag_id} {run_id} {task}"));
                let failure = Failure::new(format!("the run `{run_id}` failed"));
                return Err(match hint {
                    Some(hint) => failure.hint(hint).into(),
                    None => failure.into(),
                });
            }
            _ => tokio::time::sleep(EVERY).await,
        }
    }
}

fn failed(nodes: &[tree::Node]) -> Option<&str> {
    let is_failed =
        |node: &&tree::Node| node.instances.iter().any(|instance| instance.state.as_deref() == Some("failed"));
    nodes.iter().find(is_failed).map(|node| node.task_id.as_str())
}

/// The tasks of the DAG, by what `GET /dags/{id}/tasks` says.
fn nodes(tasks: &Value) -> Vec<tree::Node> {
    let text = |task: &Value, member: &str| task.get(member).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut nodes: Vec<tree::Node> = tasks
        .get("tasks")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(|task| tree::Node {
            task_id: text(task, "task_id"),
            operator: text(task, "operator_name"),
            ..tree::Node::default()
        })
        .collect();
    for task in tasks.get("tasks").and_then(Value::as_array).into_iter().flatten() {
        for below in
            task.get("downstream_task_ids").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
        {
            if let Some(node) = nodes.iter_mut().find(|node| node.task_id == below) {
                node.upstream.push(text(task, "task_id"));
            }
        }
    }
    nodes
}

fn fill(nodes: &mut [tree::Node], instances: &[Value]) {
    let mut by_task: BTreeMap<&str, Vec<tree::Instance>> = BTreeMap::new();
    for row in instances {
        let Some(task_id) = row.get("task_id").and_then(Value::as_str) else { continue };
        by_task.entry(task_id).or_default().push(tree::Instance {
            map_index: row
                .get("map_index")
                .and_then(Value::as_i64)
                .and_then(|index| i32::try_from(index).ok())
                .unwrap_or(-1),
            state: row.get("state").and_then(Value::as_str).map(str::to_owned),
            try_number: row.get("try_number").and_then(Value::as_u64).unwrap_or_default(),
            seconds: row.get("duration").and_then(Value::as_f64),
        });
    }
    for node in nodes {
        node.instances = by_task.remove(node.task_id.as_str()).unwrap_or_default();
    }
}

struct Screen {
    terminal: bool,
    colour: bool,
    drawn: usize,
    said: BTreeMap<(String, i32), (String, u64)>,
    run_state: String,
}

impl Screen {
    fn new() -> Self {
        let terminal = std::io::stderr().is_terminal();
        let colour = terminal && std::env::var_os("NO_COLOR").is_none();
        Self { terminal, colour, drawn: 0, said: BTreeMap::new(), run_state: String::new() }
    }

    fn show(&mut self, title: &str, state: &str, nodes: &[tree::Node]) -> Result<()> {
        if self.terminal { self.draw(title, state, nodes) } else { self.tell(title, state, nodes) }
    }

    fn draw(&mut self, title: &str, state: &str, nodes: &[tree::Node]) -> Result<()> {
        let mut lines = vec![format!("{title}  {}", tree::painted(Some(state), self.colour))];
        let tasks = tree::lines(nodes, self.colour);
        lines.extend(tasks.into_iter().take(MOST_LINES));
        if nodes.len() > MOST_LINES {
            lines.push(format!("… and {} more tasks", nodes.len() - MOST_LINES));
        }
        let mut stderr = std::io::stderr().lock();
        if self.drawn > 0 {
            // Up to where the last picture began, and away with it.
            write!(stderr, "\u{1b}[{}A\u{1b}[0J", self.drawn)?;
        }
        for line in &lines {
            writeln!(stderr, "{line}")?;
        }
        self.drawn = lines.len();
        Ok(stderr.flush()?)
    }

    fn tell(&mut self, title: &str, state: &str, nodes: &[tree::Node]) -> Result<()> {
        let now: DateTime<Utc> = Utc::now();
        let mut stderr = std::io::stderr().lock();
        for node in nodes {
            for instance in &node.instances {
                let key = (node.task_id.clone(), instance.map_index);
                let news = (instance.state.clone().unwrap_or_default(), instance.try_number);
                let before = self.said.insert(key, news.clone()).unwrap_or_default();
                if before != news && !news.0.is_empty() {
                    let index =
                        if instance.map_index >= 0 { format!("[{}]", instance.map_index) } else { String::new() };
                    let tries = if news.1 > 1 { format!("  try {}", news.1) } else { String::new() };
                    let state = tree::painted(instance.state.as_deref(), false);
                    writeln!(stderr, "{}  {}{index}  {state}{tries}", now.format("%H:%M:%S%.3f"), node.task_id)?;
                }
            }
        }
        if self.run_state != state {
            state.clone_into(&mut self.run_state);
            writeln!(stderr, "{}  {title}  {}", now.format("%H:%M:%S%.3f"), tree::painted(Some(state), false))?;
        }
        Ok(stderr.flush()?)
    }
}
