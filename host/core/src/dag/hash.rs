//! What makes two DAGs the same version.

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::Dag;

/// SHA-256, in hexadecimal, over the DAG as validated: with every default applied and every operator's digest, and with the
/// members of all objects sorted. How a document was laid out and what it left to defaults makes no difference; what an
/// operator's name stands for does.
///
/// The order of tasks counts: it is what people see, and what breaks ties.
pub fn canonical_hash(dag: &Dag) -> String {
    let mut hasher = Sha256::new();
    // A `Dag` holds maps with string keys and finite numbers only, so that it is always representable.
    let value = serde_json::to_value(dag).unwrap_or(Value::Null);
    write(&value, &mut hasher);
    hex::encode(hasher.finalize())
}

fn write(value: &Value, hasher: &mut Sha256) {
    match value {
        Value::Object(members) => {
            let mut names: Vec<&String> = members.keys().collect();
            names.sort();
            hasher.update(b"{");
            for name in names {
                hasher.update(Value::String(name.clone()).to_string());
                hasher.update(b":");
                write(members.get(name).unwrap_or(&Value::Null), hasher);
                hasher.update(b",");
            }
            hasher.update(b"}");
        }
        Value::Array(items) => {
            hasher.update(b"[");
            for item in items {
                write(item, hasher);
                hasher.update(b",");
            }
            hasher.update(b"]");
        }
        scalar => hasher.update(scalar.to_string()),
    }
}
