//! Rows of JSON as columns of text.

use serde_json::Value;

/// A column: its head, and a JSON pointer to what stands in it.
pub type Column = (&'static str, &'static str);

/// Columns as wide as their widest cell, two spaces apart.
pub fn aligned(columns: &[Column], rows: &[Value]) -> String {
    let mut lines = vec![columns.iter().map(|(head, _)| (*head).to_owned()).collect::<Vec<_>>()];
    lines.extend(rows.iter().map(|row| columns.iter().map(|(_, pointer)| cell(row.pointer(pointer))).collect()));
    let widths: Vec<usize> = (0..columns.len())
        .map(|column| {
            lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    lines.iter().map(|line| padded(line, &widths)).collect()
}

fn padded(line: &[String], widths: &[usize]) -> String {
    let text = line.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect::<Vec<_>>().join("  ");
    format!("{}\n", text.trim_end())
}

/// Columns separated by tabs, without a head.
pub fn separated(columns: &[Column], rows: &[Value]) -> String {
    rows.iter()
        .map(|row| {
            let cells: Vec<String> = columns.iter().map(|(_, pointer)| cell(row.pointer(pointer))).collect();
            format!("{}\n", cells.join("\t"))
        })
        .collect()
}

/// Heads on the left, cells on the right.
pub fn stacked(columns: &[Column], value: &Value) -> String {
    let width = columns.iter().map(|(head, _)| head.chars().count()).max().unwrap_or(0);
    columns
        .iter()
        .map(|(head, pointer)| format!("{head:width$}  {}", cell(value.pointer(pointer))).trim_end().to_owned() + "\n")
        .collect()
}

/// Nothing for null, texts without quotes, lists of texts with commas, everything else as JSON; always one line.
fn cell(value: Option<&Value>) -> String {
    let text = match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) if items.iter().all(|item| item.is_string() || item.get("name").is_some()) => items
            .iter()
            .filter_map(|item| item.as_str().or_else(|| item.get("name").and_then(Value::as_str)))
            .collect::<Vec<_>>()
            .join(", "),
        Some(other) => other.to_string(),
    };
    text.replace(['\n', '\r', '\t'], " ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const COLUMNS: &[Column] = &[("NAME", "/name"), ("TAGS", "/tags"), ("N", "/n")];

    #[test]
    fn columns_are_as_wide_as_they_must_be() {
        let rows = [
            json!({ "name": "grüße", "tags": [{ "name": "a" }, { "name": "b" }], "n": 1 }),
            json!({ "name": "x", "n": null }),
        ];
        assert_eq!(aligned(COLUMNS, &rows), "NAME   TAGS  N\ngrüße  a, b  1\nx\n");
        assert_eq!(separated(COLUMNS, &rows), "grüße\ta, b\t1\nx\t\t\n");
        assert_eq!(stacked(COLUMNS, &rows[0]), "NAME  grüße\nTAGS  a, b\nN     1\n");
    }
}
