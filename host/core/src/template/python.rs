//! How Python writes values: `str`, `repr` and `json.dumps`.

use std::fmt::{self, Write};

use minijinja::Value;
use minijinja::value::ValueKind;

use super::dates::{Moment, Span};

/// `str(value)`.
pub(super) fn write_str(out: &mut dyn Write, value: &Value) -> fmt::Result {
    match value.as_str() {
        Some(text) => out.write_str(text),
        None => write_repr(out, value, false),
    }
}

/// `str(value)` as a text of its own. [`super::bounds`] keeps it small.
pub(super) fn to_str(value: &Value) -> String {
    let mut text = String::new();
    // Writing to a `String` does not fail.
    let _ = write_str(&mut text, value);
    text
}

/// `repr(value)`; `inner` tells the date that stands in a list from the one that stands alone.
fn write_repr(out: &mut dyn Write, value: &Value, inner: bool) -> fmt::Result {
    if let Some(text) = value.as_str() {
        return write_quoted(out, text);
    }
    if let Some(moment) = value.downcast_object_ref::<Moment>().filter(|_| inner) {
        return moment.write_repr(out);
    }
    if let Some(span) = value.downcast_object_ref::<Span>().filter(|_| inner) {
        return span.write_repr(out);
    }
    match value.kind() {
        ValueKind::None => out.write_str("None"),
        ValueKind::Bool => out.write_str(if value.is_true() { "True" } else { "False" }),
        ValueKind::Number if !value.is_integer() => write_float(out, f64::try_from(value.clone()).unwrap_or(f64::NAN)),
        ValueKind::Map => write_items(out, value, '{', '}', |out, key| {
            write_repr(out, key, true)?;
            out.write_str(": ")?;
            write_repr(out, &value.get_item(key).unwrap_or_default(), true)
        }),
        ValueKind::Seq | ValueKind::Iterable if value.is_tuple() => {
            let single = value.len() == Some(1);
            let close = if single { ",)" } else { ")" };
            out.write_char('(')?;
            write_members(out, value, |out, item| write_repr(out, item, true))?;
            out.write_str(close)
        }
        ValueKind::Seq | ValueKind::Iterable => {
            write_items(out, value, '[', ']', |out, item| write_repr(out, item, true))
        }
        _ => write!(out, "{value}"),
    }
}

fn write_items(
    out: &mut dyn Write,
    value: &Value,
    open: char,
    close: char,
    write: impl FnMut(&mut dyn Write, &Value) -> fmt::Result,
) -> fmt::Result {
    out.write_char(open)?;
    write_members(out, value, write)?;
    out.write_char(close)
}

fn write_members(
    out: &mut dyn Write,
    value: &Value,
    mut write: impl FnMut(&mut dyn Write, &Value) -> fmt::Result,
) -> fmt::Result {
    for (index, item) in value.try_iter().into_iter().flatten().enumerate() {
        if index > 0 {
            out.write_str(", ")?;
        }
        write(out, &item)?;
    }
    Ok(())
}

/// The shortest digits that read back as the same number, which Rust and Python agree on, with Python's exponent: `1e+20`,
/// `1e-07`.
fn write_float(out: &mut dyn Write, float: f64) -> fmt::Result {
    if float.is_nan() {
        return out.write_str("nan");
    }
    if float.is_infinite() {
        return out.write_str(if float > 0.0 { "inf" } else { "-inf" });
    }
    let text = format!("{float:?}");
    match text.split_once('e') {
        None => out.write_str(&text),
        Some((digits, exponent)) => {
            let (sign, exponent) = match exponent.strip_prefix('-') {
                Some(exponent) => ('-', exponent),
                None => ('+', exponent),
            };
            write!(out, "{digits}e{sign}{exponent:0>2}")
        }
    }
}

/// A string literal: in single quotes, unless only double quotes need no escaping.
pub(super) fn write_quoted(out: &mut dyn Write, text: &str) -> fmt::Result {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.write_char(quote)?;
    for character in text.chars() {
        match character {
            '\\' => out.write_str("\\\\")?,
            '\n' => out.write_str("\\n")?,
            '\r' => out.write_str("\\r")?,
            '\t' => out.write_str("\\t")?,
            _ if character == quote => write!(out, "\\{quote}")?,
            _ if is_printable(character) => out.write_char(character)?,
            _ => match character as u32 {
                code @ ..0x100 => write!(out, "\\x{code:02x}")?,
                code @ ..0x1_0000 => write!(out, "\\u{code:04x}")?,
                code => write!(out, "\\U{code:08x}")?,
            },
        }
    }
    out.write_char(quote)
}

/// Python escapes control and format characters, and every blank but the space.
fn is_printable(character: char) -> bool {
    let format = matches!(character, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{feff}');
    character == ' ' || !(character.is_control() || character.is_whitespace() || format)
}

/// How `json.dumps` is to write.
#[derive(Clone, Copy, Default)]
pub(super) struct JsonStyle {
    pub sort_keys: bool,
    /// Spaces per level; none for one line.
    pub indent: Option<usize>,
    /// With `<`, `>`, `&` and `'` escaped, as Jinja's `tojson` does.
    pub html_safe: bool,
}

/// `json.dumps(value)`. Dates become their ISO form, as in Airflow's serializer.
pub(super) fn dumps(value: &Value, style: JsonStyle) -> Result<String, String> {
    let mut text = String::new();
    write_json(&mut text, value, style, 0)?;
    Ok(text)
}

fn write_json(out: &mut String, value: &Value, style: JsonStyle, level: usize) -> Result<(), String> {
    if let Some(text) = value.as_str() {
        write_json_string(out, text, style.html_safe);
        return Ok(());
    }
    if value.downcast_object_ref::<Moment>().is_some() {
        write_json_string(out, &super::dates::iso_format(value).unwrap_or_default(), style.html_safe);
        return Ok(());
    }
    match value.kind() {
        ValueKind::None => out.push_str("null"),
        ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
        ValueKind::Number => out.push_str(&to_str(value)),
        ValueKind::Map => {
            let mut keys: Vec<Value> = value.try_iter().map_err(|error| error.to_string())?.collect();
            if style.sort_keys {
                keys.sort();
            }
            let items = keys.into_iter().map(|key| {
                let item = value.get_item(&key).unwrap_or_default();
                (Some(key), item)
            });
            write_json_items(out, '{', '}', items, style, level)?;
        }
        ValueKind::Seq | ValueKind::Iterable => {
            let items = value.try_iter().map_err(|error| error.to_string())?.map(|item| (None, item));
            write_json_items(out, '[', ']', items, style, level)?;
        }
        kind => return Err(format!("a value of type {kind} has no form in JSON")),
    }
    Ok(())
}

fn write_json_items(
    out: &mut String,
    open: char,
    close: char,
    items: impl Iterator<Item = (Option<Value>, Value)>,
    style: JsonStyle,
    level: usize,
) -> Result<(), String> {
    let new_line = |out: &mut String, level: usize| {
        if let Some(indent) = style.indent {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent * level));
        }
    };
    out.push(open);
    let mut empty = true;
    for (key, item) in items {
        if !empty {
            out.push_str(if style.indent.is_some() { "," } else { ", " });
        }
        empty = false;
        new_line(out, level + 1);
        if let Some(key) = key {
            let name = match key.kind() {
                ValueKind::None => "null".to_owned(),
                ValueKind::Bool => key.is_true().to_string(),
                _ => to_str(&key),
            };
            write_json_string(out, &name, style.html_safe);
            out.push_str(": ");
        }
        write_json(out, &item, style, level + 1)?;
    }
    if !empty {
        new_line(out, level);
    }
    out.push(close);
    Ok(())
}

/// With everything but ASCII escaped, which is Python's default.
fn write_json_string(out: &mut String, text: &str, html_safe: bool) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '<' | '>' | '&' | '\'' if html_safe => escape_unit(out, character as u16),
            ' '..='~' => out.push(character),
            _ => {
                let mut units = [0; 2];
                for unit in character.encode_utf16(&mut units) {
                    escape_unit(out, *unit);
                }
            }
        }
    }
    out.push('"');
}

fn escape_unit(out: &mut String, unit: u16) {
    let _ = write!(out, "\\u{unit:04x}");
}
