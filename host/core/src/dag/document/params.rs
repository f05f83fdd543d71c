//! `params`: a JSON Schema per name, with the default in it. A value that is no object is the default itself, as in Airflow's
//! short form.

use serde_json::{Map, Value, json};

use super::fields::Found;
use crate::dag::params::misfits;
use crate::fault::pointer_to;
use crate::schema::Schema;

/// `scheduled`: nobody is there to fill in a value, so that every param needs a default that fits.
pub(super) fn read(found: Option<Found<'_>>, scheduled: bool) -> Map<String, Value> {
    let mut params = Map::new();
    let Some(found) = found else { return params };
    for (name, value) in found.object().into_iter().flatten() {
        let param = Found { value, pointer: pointer_to(&found.pointer, name), sink: found.sink };
        let schema = if value.is_object() { value.clone() } else { json!({ "default": value }) };
        check(&param, &schema, scheduled);
        params.insert(name.clone(), schema);
    }
    params
}

fn check(param: &Found<'_>, schema: &Value, scheduled: bool) {
    if let Err(reason) = Schema::compile(schema) {
        param.fault(format!("is no JSON Schema that can be used: {reason}"));
        return;
    }
    match schema.get("default") {
        // Airflow's way to say "to be given when a run is triggered".
        None | Some(Value::Null) if !scheduled => {}
        None => param.fault("a DAG with a schedule needs a `default` here: a scheduled run has nobody to ask"),
        Some(default) => {
            for (pointer, detail) in misfits(schema, default) {
                param.sink.push(
                    format!("{}/default{pointer}", param.pointer),
                    format!("the default does not fit its own schema: {detail}"),
                );
            }
        }
    }
}
