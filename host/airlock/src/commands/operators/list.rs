//! `airlock operators list`.

use anyhow::Result;
use serde_json::Value;

use super::Session;
use crate::output::{self, Column};

pub const VERSIONS: &[Column] = &[
    ("OPERATOR", "/name"),
    ("VERSION", "/version"),
    ("KIND", "/kind"),
    ("YANKED", "/yanked"),
    ("DIGEST", "/digest"),
    ("SUMMARY", "/summary"),
];

pub async fn run(session: &Session) -> Result<()> {
    let mut operators = session.client()?.get("/api/v2/operators").await?;
    let mut rows: Vec<Value> = Vec::new();
    for operator in operators.get_mut("operators").and_then(Value::as_array_mut).into_iter().flatten() {
        rows.extend(operator.get_mut("versions").and_then(Value::as_array_mut).into_iter().flatten().map(Value::take));
    }
    output::rows(session.output, VERSIONS, &rows)
}
