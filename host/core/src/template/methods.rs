//! Methods of Python's strings, lists and dictionaries.
//!
//! Most are `minijinja-contrib`'s. Those that can make much of little are here, with bounds, and those that it lacks.

use minijinja::value::{ValueKind, from_args};
use minijinja::{Error, ErrorKind, State, Value};

use super::bounds::{MAXIMUM_SIZE, bounded};
use super::dates::invalid;
use super::filters::join_texts;

pub(super) fn call(state: &mut State<'_, '_>, value: &Value, method: &str, args: &[Value]) -> Result<Value, Error> {
    let found = match (value.as_str(), value.kind()) {
        (Some(text), _) => of_text(state, value, text, method, args)?,
        (None, ValueKind::Seq) if method == "index" => Some(index_of(value, args)?),
        _ => None,
    };
    match found {
        Some(value) => bounded(state, value),
        None => minijinja_contrib::pycompat::unknown_method_callback(state, value, method, args),
    }
}

fn of_text(
    state: &mut State<'_, '_>,
    value: &Value,
    text: &str,
    method: &str,
    args: &[Value],
) -> Result<Option<Value>, Error> {
    let found = match method {
        "join" => {
            let (items,): (&Value,) = from_args(args)?;
            join_texts(state, items, text, None)?
        }
        "replace" => {
            let (old, new, count): (&Value, &Value, Option<i64>) = from_args(args)?;
            let mut arguments = vec![value.clone(), old.clone(), new.clone()];
            arguments.extend(count.filter(|count| *count >= 0).map(Value::from));
            state.apply_filter("replace", &arguments)?
        }
        "format" => {
            refuse_large_format(text, args)?;
            return Ok(None);
        }
        "ljust" | "rjust" | "center" => {
            let (width, fill): (usize, Option<char>) = from_args(args)?;
            Value::from(pad(text, width, fill.unwrap_or(' '), method)?)
        }
        "zfill" => {
            let (width,): (usize,) = from_args(args)?;
            let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
            let sign = text.get(..text.len() - digits.len()).unwrap_or_default();
            Value::from(format!("{sign}{}", pad(digits, width.saturating_sub(sign.len()), '0', "rjust")?))
        }
        "removeprefix" => {
            let (prefix,): (&str,) = from_args(args)?;
            Value::from(text.strip_prefix(prefix).unwrap_or(text))
        }
        "removesuffix" => {
            let (suffix,): (&str,) = from_args(args)?;
            Value::from(text.strip_suffix(suffix).unwrap_or(text))
        }
        "partition" => {
            let (separator,): (&str,) = from_args(args)?;
            match text.split_once(separator) {
                Some((before, after)) => Value::from((before, separator, after)),
                None => Value::from((text, "", "")),
            }
        }
        "rsplit" => {
            let (separator, most): (&str, Option<usize>) = from_args(args)?;
            let mut parts: Vec<&str> = match most {
                Some(most) => text.rsplitn(most.saturating_add(1), separator).collect(),
                None => text.rsplit(separator).collect(),
            };
            parts.reverse();
            parts.into_iter().map(Value::from).collect()
        }
        "isdecimal" => {
            let () = from_args(args)?;
            Value::from(!text.is_empty() && text.chars().all(|letter| letter.is_ascii_digit()))
        }
        _ => return Ok(None),
    };
    Ok(Some(found))
}

fn pad(text: &str, width: usize, fill: char, method: &str) -> Result<String, Error> {
    if width as u64 > MAXIMUM_SIZE {
        return Err(invalid(format!("a text can be padded to {MAXIMUM_SIZE} characters")));
    }
    let missing = width.saturating_sub(text.chars().count());
    let left = match method {
        "ljust" => 0,
        "rjust" => missing,
        // Python puts the odd one on the left only where the width is odd.
        _ => missing / 2 + (missing & width & 1),
    };
    let blanks = |count: usize| std::iter::repeat_n(fill, count);
    Ok(blanks(left).chain(text.chars()).chain(blanks(missing - left)).collect())
}

/// `str.format` writes each argument as often as its template asks, to whatever width.
fn refuse_large_format(template: &str, args: &[Value]) -> Result<(), Error> {
    let wide = template.split(|letter: char| !letter.is_ascii_digit()).any(|digits| digits.len() > 4);
    let places = template.matches('{').count() as u64;
    let largest = args.iter().map(|value| super::python::to_str(value).len() as u64).max().unwrap_or(0);
    let size = places.saturating_mul(largest.saturating_add(if wide { MAXIMUM_SIZE } else { 9_999 }));
    if size > MAXIMUM_SIZE {
        return Err(invalid("the formatted text could become too large"));
    }
    Ok(())
}

fn index_of(list: &Value, args: &[Value]) -> Result<Value, Error> {
    let (wanted,): (&Value,) = from_args(args)?;
    let place = list.try_iter()?.position(|item| item == *wanted);
    place.map(Value::from).ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "the list has no such item"))
}
