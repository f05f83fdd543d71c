//! `airlock dags diff`.

use anyhow::Result;
use serde_json::{Value, json};

use super::{Session, path};
use crate::failure::Failure;
use crate::output::{self, Column, Format};

const COLUMNS: &[Column] = &[("WHERE", "/where"), ("WHAT", "/what"), ("BEFORE", "/before"), ("AFTER", "/after")];
const LISTS: &[(&str, &str)] = &[("tasks", "task"), ("task_groups", "group"), ("edge_labels", "edge")];

pub async fn run(dag_id: &str, from: Option<u32>, to: Option<u32>, session: &Session) -> Result<()> {
    let client = session.client()?;
    let to = match to {
        Some(to) => to.into(),
        None => newest(&client.get(&format!("{}/details", path(dag_id))).await?)?,
    };
    let against = from.map_or_else(String::new, |from| format!("?from={from}"));
    let difference = client.get(&format!("{}/dagVersions/{to}/difference{against}", path(dag_id))).await?;
    if matches!(session.output, Format::Json | Format::Yaml) {
        return output::record(session.output, COLUMNS, &difference);
    }
    let rows = rows(&difference);
    if rows.is_empty() {
        eprintln!("these versions of `{dag_id}` do the same");
    }
    output::rows(session.output, COLUMNS, &rows)
}

fn newest(dag: &Value) -> Result<u64> {
    let number = dag.pointer("/latest_dag_version/version_number").and_then(Value::as_u64);
    number.ok_or_else(|| Failure::new("the server did not say which version is the newest").into())
}

/// A row for each change.
fn rows(difference: &Value) -> Vec<Value> {
    let list = |pointer: &str| difference.pointer(pointer).and_then(Value::as_array).cloned().unwrap_or_default();
    let mut rows: Vec<Value> = list("/settings").iter().map(|change| row("DAG", change)).collect();
    for (member, word) in LISTS {
        for (kind, what) in [("added", "added"), ("removed", "removed")] {
            let items = list(&format!("/{member}/{kind}"));
            rows.extend(items.iter().map(|id| json!({ "where": format!("{word} {}", text(id)), "what": what })));
        }
        for item in list(&format!("/{member}/changed")) {
            let changes = item.get("changes").and_then(Value::as_array).cloned().unwrap_or_default();
            let place = format!("{word} {}", text(item.get("id").unwrap_or(&Value::Null)));
            rows.extend(changes.iter().map(|change| row(&place, change)));
        }
    }
    rows
}

fn row(place: &str, change: &Value) -> Value {
    json!({ "where": place, "what": change["pointer"], "before": change["before"], "after": change["after"] })
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
