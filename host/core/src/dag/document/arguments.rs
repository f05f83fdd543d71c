//! `args` against the operator's schema, before templates are rendered.
//!
//! A string with a template may become anything, so that what is found wrong with it now may be right later. The check is
//! therefore three-valued: a misfit is a fault only if no rendering could mend it. The rest is checked again before each try.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::fields::{Fields, Found};
use crate::dag::CatalogueEntry;
use crate::fault::pointer_to;
use crate::near::{nearest, suggestion};
use crate::schema::{Misfit, Schema};
use crate::template::contains_template;

/// Compiled schemas by digest: a DAG of a thousand tasks has a handful of operators.
#[derive(Default)]
pub(super) struct Schemas(HashMap<String, Result<Arc<Schema>, String>>);

impl Schemas {
    fn of(&mut self, entry: &CatalogueEntry) -> Result<Arc<Schema>, String> {
        let compile = || Schema::compile(&entry.arguments_schema).map(Arc::new);
        self.0.entry(entry.operator.digest.clone()).or_insert_with(compile).clone()
    }

    /// `args` is what the task passes; its pointer is used for faults.
    pub fn check(&mut self, args: &Found<'_>, entry: &CatalogueEntry) {
        let schema = match self.of(entry) {
            Ok(schema) => schema,
            Err(reason) => {
                args.fault(format!("the arguments' schema of `{}` cannot be used: {reason}", entry.operator.name));
                return;
            }
        };
        let known = entry.arguments_schema.pointer("/properties").and_then(Value::as_object);
        for misfit in schema.misfits(args.value) {
            if is_certain(&misfit, args.value, &entry.operator.template_fields) {
                let hint = if misfit.keyword == "additionalProperties" && misfit.pointer.is_empty() {
                    hint(args, known)
                } else {
                    String::new()
                };
                args.sink.push(format!("{}{}", args.pointer, misfit.pointer), format!("{}{hint}", misfit.detail));
            }
        }
    }
}

impl Schemas {
    /// The arguments that are the same for all instances of a mapped task; `mapped` are to come.
    pub fn check_partial(
        &mut self,
        own: &Fields<'_>,
        args: &Map<String, Value>,
        mapped: &[&str],
        entry: &CatalogueEntry,
    ) {
        let pointer = pointer_to(own.pointer(), "args");
        let whole = with_unknown(args, mapped);
        for misfit in self.certain_misfits(&whole, mapped, entry) {
            own.sink.push(format!("{pointer}{}", misfit.pointer), misfit.detail);
        }
    }

    /// The arguments that one element of a mapped task gives, together with those that are the same for all. `unknown` come from
    /// elsewhere. Faults of the arguments in common are not said again; `place` says of the rest where it is, or leaves it out.
    pub fn check_members(
        &mut self,
        own: &Fields<'_>,
        args: &Map<String, Value>,
        members: &Map<String, Value>,
        unknown: &[&str],
        entry: &CatalogueEntry,
        place: impl Fn(&str) -> Option<String>,
    ) {
        let mut whole = with_unknown(args, unknown);
        if let Some(whole) = whole.as_object_mut() {
            whole.extend(members.clone());
        }
        for misfit in self.certain_misfits(&whole, unknown, entry) {
            let first = misfit.pointer.split('/').nth(1).map(|name| name.replace("~1", "/").replace("~0", "~"));
            let concerns = first.as_ref().is_none_or(|name| members.contains_key(name));
            if let Some(pointer) = place(&misfit.pointer).filter(|_| concerns) {
                own.sink.push(pointer, misfit.detail);
            }
        }
    }

    fn certain_misfits(&mut self, whole: &Value, unknown: &[&str], entry: &CatalogueEntry) -> Vec<Misfit> {
        // A schema that cannot be used is said of tasks that are not mapped, and when an operator is uploaded.
        let Ok(schema) = self.of(entry) else { return Vec::new() };
        let mut open = entry.operator.template_fields.clone();
        open.extend(unknown.iter().map(|name| (*name).to_owned()));
        schema.misfits(whole).into_iter().filter(|misfit| is_certain(misfit, whole, &open)).collect()
    }
}

/// These arguments, and something in the place of those that nothing is known of: a template that may become anything.
fn with_unknown(args: &Map<String, Value>, unknown: &[&str]) -> Value {
    let mut whole = args.clone();
    whole.extend(unknown.iter().map(|name| ((*name).to_owned(), Value::from("{{ }}"))));
    Value::Object(whole)
}

/// What a wrong argument's name may have been meant for.
fn hint(args: &Found<'_>, known: Option<&Map<String, Value>>) -> String {
    let (Some(known), Some(given)) = (known, args.value.as_object()) else { return String::new() };
    let unknown = given.keys().filter(|name| !known.contains_key(*name));
    let near: Vec<String> =
        unknown.take(3).flat_map(|name| nearest(name, known.keys().map(String::as_str))).take(3).collect();
    suggestion(&near)
}

/// Keywords that say something of a container whatever its strings become.
const OF_THE_CONTAINER: &[&str] = &[
    "type",
    "required",
    "additionalProperties",
    "additionalItems",
    "minProperties",
    "maxProperties",
    "propertyNames",
    "dependentRequired",
    "minItems",
    "maxItems",
    "items",
    "falseSchema",
];

/// Keywords whose outcome decides which other keywords apply. A misfit below them says little once any template is about.
const CONDITIONAL: &[&str] =
    &["then", "else", "dependentSchemas", "dependencies", "unevaluatedProperties", "unevaluatedItems"];

fn is_certain(misfit: &Misfit, args: &Value, template_fields: &[String]) -> bool {
    let templated = |pointer: &str| is_templated(args, pointer, template_fields);
    let conditional = misfit.path.split('/').any(|step| CONDITIONAL.contains(&step));
    if conditional {
        return !templated("");
    }
    if !templated(&misfit.pointer) {
        return true;
    }
    let container = args.pointer(&misfit.pointer).is_some_and(|value| value.is_object() || value.is_array());
    container && OF_THE_CONTAINER.contains(&misfit.keyword.as_str())
}

/// Whether the value at `pointer` holds a string that will be rendered. Only template fields are.
fn is_templated(args: &Value, pointer: &str, template_fields: &[String]) -> bool {
    let Some(value) = args.pointer(pointer) else { return false };
    match pointer.split('/').nth(1) {
        Some(field) => {
            let field = field.replace("~1", "/").replace("~0", "~");
            template_fields.contains(&field) && contains_template(value)
        }
        None => template_fields.iter().filter_map(|field| value.get(field)).any(contains_template),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn certain(schema: Value, args: Value) -> Vec<String> {
        let schema = Schema::compile(&schema).unwrap();
        let misfits = schema.misfits(&args).into_iter();
        let fields = ["sql".to_owned(), "parameters".to_owned()];
        misfits.filter(|misfit| is_certain(misfit, &args, &fields)).map(|misfit| misfit.keyword).collect()
    }

    #[test]
    fn what_a_template_may_become_is_no_fault() {
        let schema = json!({
            "properties": {
                "sql": { "type": "integer", "enum": [1, 2] },
                "parameters": { "type": "array", "items": { "format": "date" }, "maxItems": 2, "uniqueItems": true },
                "other": { "type": "integer" },
            },
            "required": ["sql"],
        });
        let none: [&str; 0] = [];
        assert_eq!(certain(schema.clone(), json!({"sql": "{{ params.n }}"})), none);
        assert_eq!(certain(schema.clone(), json!({"sql": 1, "parameters": ["{{ ds }}", "{{ ds }}"]})), none);
        assert_eq!(certain(schema.clone(), json!({"sql": 1, "parameters": ["{{ ds }}", "x"]})), ["format"]);
        assert_eq!(
            certain(schema.clone(), json!({"sql": 1, "parameters": ["{{ ds }}", "{{ ds }}", "{{ ds }}"]})),
            ["maxItems"]
        );
        assert_eq!(certain(schema.clone(), json!({"sql": 1, "parameters": {"a": "{{ ds }}"}})), ["type"]);
        assert_eq!(certain(schema, json!({"other": "{{ ds }}"})), ["required", "type"], "`other` is not rendered");
    }

    #[test]
    fn a_condition_on_a_template_decides_nothing() {
        let schema = json!({
            "if": { "properties": { "sql": { "const": "x" } } },
            "then": { "required": ["a"] },
            "else": { "required": ["b"] },
            "anyOf": [{ "properties": { "sql": { "const": "x" } } }, { "required": ["c"] }],
        });
        let none: [&str; 0] = [];
        assert_eq!(certain(schema.clone(), json!({"sql": "{{ ds }}"})), none);
        assert_eq!(certain(schema, json!({"sql": "y"})), ["anyOf", "required"]);
    }
}
