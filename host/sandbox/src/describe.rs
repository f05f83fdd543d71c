//! Whether a module's description of itself can be relied on.

use airlock_core::dag::OperatorKind;
use airlock_core::schema::Schema;
use serde_json::{Map, Value};

use crate::bindings::exports::airlock::operator::task;

/// Bytes of the longer texts.
const DOCUMENTATION_BYTES: usize = 256 << 10;
const SUMMARY_BYTES: usize = 1_000;

/// A description that was checked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Description {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) summary: String,
    pub(crate) documentation: Option<String>,
    pub(crate) kind: OperatorKind,
    pub(crate) arguments_schema: Value,
    pub(crate) template_fields: Vec<String>,
}

/// Answers every fault at once.
pub(crate) fn check(description: task::Description) -> Result<Description, Vec<String>> {
    let mut faults = Vec::new();
    if let Err(fault) = check_name(&description.name) {
        faults.push(fault);
    }
    if let Err(error) = semver::Version::parse(&description.version) {
        let version = &description.version;
        faults.push(format!("`version` is `{version}`, and must be a semantic version such as `1.2.0`: {error}"));
    }
    if description.summary.trim().is_empty() || description.summary.len() > SUMMARY_BYTES {
        faults.push(format!("`summary` must be one sentence of 1 to {SUMMARY_BYTES} bytes"));
    }
    if description.documentation.as_ref().is_some_and(|text| text.len() > DOCUMENTATION_BYTES) {
        faults.push(format!("`documentation` is longer than {DOCUMENTATION_BYTES} bytes"));
    }
    let schema = match check_schema(&description.arguments_schema) {
        Ok(schema) => Some(schema),
        Err(fault) => {
            faults.push(fault);
            None
        }
    };
    if let Some(schema) = &schema {
        faults.extend(description.template_fields.iter().filter_map(|field| check_template_field(field, schema)));
    }
    match schema {
        Some(schema) if faults.is_empty() => Ok(Description {
            name: description.name,
            version: description.version,
            summary: description.summary,
            documentation: description.documentation,
            kind: match description.kind {
                task::OperatorKind::Action => OperatorKind::Action,
                task::OperatorKind::Sensor => OperatorKind::Sensor,
                task::OperatorKind::Branch => OperatorKind::Branch,
                task::OperatorKind::ShortCircuit => OperatorKind::ShortCircuit,
            },
            arguments_schema: Value::Object(schema),
            template_fields: description.template_fields,
        }),
        _ => Err(faults),
    }
}

fn check_name(name: &str) -> Result<(), String> {
    let valid = (1..=64).contains(&name.len())
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if valid {
        Ok(())
    } else {
        Err(format!("`name` is `{name}`, and must be 1 to 64 of `a-z 0-9 -`, starting with a letter"))
    }
}

fn check_schema(text: &str) -> Result<Map<String, Value>, String> {
    let schema: Value =
        serde_json::from_str(text).map_err(|error| format!("`arguments-schema` is no JSON: {error}"))?;
    let Value::Object(schema) = schema else {
        return Err("`arguments-schema` must be a JSON object: the JSON Schema of an object".to_owned());
    };
    if schema.get("type").is_some_and(|kind| kind != "object") {
        let kind = &schema["type"];
        return Err(format!("`arguments-schema` has the type {kind}: arguments are an object"));
    }
    let schema = Value::Object(schema);
    // By the same rules by which documents are checked: a schema that only the upload accepts would be of no use.
    Schema::compile(&schema).map_err(|reason| format!("`arguments-schema` cannot be used: {reason}"))?;
    match schema {
        Value::Object(schema) => Ok(schema),
        _ => Err("`arguments-schema` must be a JSON object".to_owned()),
    }
}

/// A field that the schema does not name is a slip of the pen, unless the schema admits any.
fn check_template_field(field: &str, schema: &Map<String, Value>) -> Option<String> {
    let properties = schema.get("properties").and_then(Value::as_object);
    let open = schema.contains_key("patternProperties")
        || schema.contains_key("$ref")
        || schema.contains_key("allOf")
        || schema.contains_key("anyOf")
        || schema.contains_key("oneOf");
    match properties {
        Some(properties) if !properties.contains_key(field) && !open => {
            let known: Vec<_> = properties.keys().map(|key| format!("`{key}`")).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            Some(format!(
                "`template-fields` names `{field}`, which `arguments-schema` has no property for (it has {known})"
            ))
        }
        _ => None,
    }
}
