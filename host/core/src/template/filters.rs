//! Airflow's filters, and those of minijinja's that print or multiply values.

use minijinja::value::{Kwargs, Rest, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, State, Value, filters, functions};

use super::bounds::{MAXIMUM_SIZE, bounded};
use super::dates::{Moment, invalid, iso_format, strftime};
use super::python::{JsonStyle, dumps, to_str};

pub(super) fn add(environment: &mut Environment<'_>) {
    for (name, format) in [("ds", "%Y-%m-%d"), ("ds_nodash", "%Y%m%d"), ("ts_nodash", "%Y%m%dT%H%M%S")] {
        environment.add_filter(name, move |value: &Value| of_date(value, name, |moment, _| strftime(moment, format)));
    }
    environment.add_filter("ts", |value: &Value| of_date(value, "ts", |_, iso| Ok(iso)));
    environment.add_filter("ts_nodash_with_tz", |value: &Value| {
        of_date(value, "ts_nodash_with_tz", |_, iso| Ok(iso.replace(['-', ':'], "")))
    });
    environment.add_filter("string", |value: &Value| to_str(value));
    environment.add_filter("tojson", to_json);
    environment.add_filter("join", join);
    environment.remove_filter("pprint");
    // What may put one value into another, or the same one in many times.
    for (name, filter) in [
        ("batch", Value::from_function(filters::batch)),
        ("slice", Value::from_function(filters::slice)),
        ("map", Value::from_function(filters::map)),
        ("groupby", Value::from_function(filters::groupby)),
        ("chain", Value::from_function(filters::chain)),
        ("zip", Value::from_function(filters::zip)),
        ("sum", Value::from_function(filters::sum)),
    ] {
        environment.add_filter(name, move |state: &mut State<'_, '_>, arguments: Rest<ValueOrKwargs>| {
            let value = filter.call(state, &arguments.into_values())?;
            bounded(state, value)
        });
    }
    let dict = Value::from_function(functions::dict);
    environment.add_function("dict", move |state: &mut State<'_, '_>, arguments: Rest<ValueOrKwargs>| {
        let value = dict.call(state, &arguments.into_values())?;
        bounded(state, value)
    });
}

/// One of Airflow's date filters: none stays none.
fn of_date(
    value: &Value,
    name: &str,
    write: impl FnOnce(&Moment, String) -> Result<String, Error>,
) -> Result<Value, Error> {
    if value.is_none() {
        return Ok(Value::from(()));
    }
    match (value.downcast_object_ref::<Moment>(), iso_format(value)) {
        (Some(moment), Some(iso)) => write(moment, iso).map(Value::from),
        _ => Err(invalid(format!("the filter `{name}` takes a date, found a value of type {}", value.kind()))),
    }
}

/// Jinja's `tojson`: keys sorted, and safe inside HTML.
fn to_json(value: &Value, kwargs: Kwargs) -> Result<Value, Error> {
    let indent: Option<usize> = kwargs.get("indent")?;
    kwargs.assert_all_used()?;
    if indent.is_some_and(|indent| indent > 16) {
        return Err(invalid("`indent` is at most 16"));
    }
    let style = JsonStyle { sort_keys: true, indent, html_safe: true };
    dumps(value, style).map(Value::from_safe_string).map_err(invalid)
}

/// `value|join(separator, attribute)`.
fn join(
    state: &mut State<'_, '_>,
    value: &Value,
    separator: Option<&str>,
    attribute: Option<&str>,
    kwargs: Kwargs,
) -> Result<Value, Error> {
    let separator = separator.or(kwargs.get("d")?).unwrap_or_default();
    let attribute = attribute.or(kwargs.get("attribute")?);
    kwargs.assert_all_used()?;
    join_texts(state, value, separator, attribute)
}

pub(super) fn join_texts(
    state: &State<'_, '_>,
    value: &Value,
    separator: &str,
    attribute: Option<&str>,
) -> Result<Value, Error> {
    if !matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable | ValueKind::Map | ValueKind::String) {
        return Err(invalid(format!("only lists can be joined, found a value of type {}", value.kind())));
    }
    let mut text = String::new();
    let items: Vec<Value> = match value.as_str() {
        Some(letters) => letters.chars().map(|letter| Value::from(letter.to_string())).collect(),
        None => value.try_iter()?.collect(),
    };
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            text.push_str(separator);
        }
        let item = match attribute {
            Some(attribute) => item.get_attr(attribute)?,
            None => item.clone(),
        };
        if item.is_undefined() {
            return Err(minijinja::Error::new(
                minijinja::ErrorKind::UndefinedError,
                "an item of a joined list is undefined",
            ));
        }
        text.push_str(&to_str(&item));
        if text.len() as u64 > MAXIMUM_SIZE {
            return Err(invalid(format!("a joined text is larger than {MAXIMUM_SIZE} bytes")));
        }
    }
    bounded(state, Value::from(text))
}
