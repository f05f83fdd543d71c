//! Templates.
use serde_json::Value;

/// Whether any string in `value`, at any depth, has to be rendered.
pub fn contains_template(value: &Value) -> bool {
    match value {
        Value::String(text) => ["{{", "{%", "{#"].iter().any(|mark| text.contains(mark)),
        Value::Array(items) => items.iter().any(contains_template),
        Value::Object(members) => members.values().any(contains_template),
        _ => false,
    }
}
