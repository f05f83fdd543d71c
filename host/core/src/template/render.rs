//! Rendering a task's arguments.

use std::sync::Arc;

use minijinja::Value as TemplateValue;
use minijinja::value::ValueKind;
use serde_json::{Map, Number, Value};

use super::context::{Root, Source};
use super::dates::iso_format;
use super::engine::{Engine, Rendered, compile, plain_text};
use super::{Lookup, Scope, is_template, python};
use crate::fault::{Fault, pointer_to};

/// How to render.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RenderOptions {
    /// `render_template_as_native_obj`: a template gives a value and not only a text.
    pub native: bool,
    /// The most bytes that all rendered texts of a task may have together.
    pub maximum_bytes: usize,
}

impl Default for RenderOptions {
    fn default() -> Self {
        Self { native: false, maximum_bytes: 16 << 20 }
    }
}

/// `args` with the strings of the named fields rendered, at any depth. Names of members are not rendered, as in Airflow.
///
/// The fault names the string by a pointer into `args`, and the line in it. May block in `lookup`.
pub fn render_fields(
    args: &Map<String, Value>,
    fields: &[String],
    scope: &Scope,
    lookup: Arc<dyn Lookup>,
    options: RenderOptions,
) -> Result<Map<String, Value>, Fault> {
    let mut rendered = args.clone();
    let mut renderer = Renderer { scope, lookup, machine: None, options, left: options.maximum_bytes };
    for field in fields {
        if let Some(value) = rendered.get_mut(field) {
            renderer.render(value, &pointer_to("", field))?;
        }
    }
    Ok(rendered)
}

/// What is wrong with the templates of the named fields before anything is rendered: pointers into `args`, and messages.
pub(crate) fn syntax_faults(args: &Map<String, Value>, fields: &[String]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for field in fields {
        if let Some(value) = args.get(field) {
            collect_syntax_faults(value, pointer_to("", field), &mut faults);
        }
    }
    faults
}

fn collect_syntax_faults(value: &Value, pointer: String, faults: &mut Vec<Fault>) {
    match value {
        Value::String(text) if is_template(text) => {
            if let Err(error) = compile(text) {
                faults.push(Fault::new(pointer, format!("a template that cannot be read: {}", explain(&error))));
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                collect_syntax_faults(item, pointer_to(&pointer, index), faults);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                collect_syntax_faults(member, pointer_to(&pointer, name), faults);
            }
        }
        _ => {}
    }
}

struct Renderer<'a> {
    scope: &'a Scope,
    lookup: Arc<dyn Lookup>,
    /// The engine and the outermost names; not made where no argument is a template.
    machine: Option<(Engine, TemplateValue)>,
    options: RenderOptions,
    left: usize,
}

impl Renderer<'_> {
    /// In place. Arguments are as deep as a document may be, which its parser bounds.
    fn render(&mut self, value: &mut Value, pointer: &str) -> Result<(), Fault> {
        match value {
            Value::String(text) => {
                *value = self.text(text, pointer)?;
            }
            Value::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.render(item, &pointer_to(pointer, index))?;
                }
            }
            Value::Object(members) => {
                for (name, member) in members {
                    self.render(member, &pointer_to(pointer, name))?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn text(&mut self, text: &str, pointer: &str) -> Result<Value, Fault> {
        let rendered = if is_template(text) {
            let (engine, root) = self.machine.get_or_insert_with(|| {
                let source = Source::new(self.scope.clone(), self.lookup.clone());
                (Engine::new(self.options.native), TemplateValue::from_object(Root(Arc::new(source))))
            });
            engine.render(text, root).map_err(|error| Fault::new(pointer, explain(&error)))?
        } else {
            plain_text(text, self.options.native)
        };
        let value = match rendered {
            Rendered::Text(text) => Value::String(text),
            Rendered::Literal(value) => value,
            Rendered::Value(value) => to_json(&value).map_err(|detail| Fault::new(pointer, detail))?,
        };
        let size = if let Value::String(text) = &value { text.len() } else { value.to_string().len() };
        self.left = self.left.checked_sub(size).ok_or_else(|| {
            Fault::new(pointer, format!("the rendered arguments are larger than {} bytes", self.options.maximum_bytes))
        })?;
        Ok(value)
    }
}

/// The line in the template, and the engine's words.
fn explain(error: &minijinja::Error) -> String {
    let line = error.line().map(|line| format!("line {line}: ")).unwrap_or_default();
    match error.detail() {
        Some(detail) => format!("{line}{}: {detail}", error.kind()),
        None => format!("{line}{}", error.kind()),
    }
}

/// A native value as JSON: dates in their ISO form, tuples as arrays, and numbers that JSON cannot hold as their text.
fn to_json(value: &TemplateValue) -> Result<Value, String> {
    if let Some(text) = value.as_str() {
        return Ok(Value::from(text));
    }
    if let Some(iso) = iso_format(value) {
        return Ok(Value::from(iso));
    }
    Ok(match value.kind() {
        ValueKind::None => Value::Null,
        ValueKind::Bool => Value::from(value.is_true()),
        ValueKind::Number => number(value),
        ValueKind::Seq | ValueKind::Iterable => {
            let items = value.try_iter().map_err(|error| error.to_string())?;
            Value::Array(items.map(|item| to_json(&item)).collect::<Result<_, _>>()?)
        }
        ValueKind::Map => {
            let mut members = Map::new();
            for key in value.try_iter().map_err(|error| error.to_string())? {
                let member = value.get_item(&key).map_err(|error| error.to_string())?;
                members.insert(python::to_str(&key), to_json(&member)?);
            }
            Value::Object(members)
        }
        kind => return Err(format!("a value of type {kind} has no form in JSON")),
    })
}

fn number(value: &TemplateValue) -> Value {
    if value.is_integer() {
        let whole =
            i64::try_from(value.clone()).map(Number::from).or_else(|_| u64::try_from(value.clone()).map(Number::from));
        return whole.map_or_else(|_| Value::from(value.to_string()), Value::Number);
    }
    let float = f64::try_from(value.clone()).ok().and_then(Number::from_f64);
    float.map_or_else(|| Value::from(python::to_str(value)), Value::Number)
}
