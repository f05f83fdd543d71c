//! How large a value of a template may be, and the operators that keep to it.

use minijinja::value::{Rest, Tuple, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, Value};

use super::dates::{self, invalid};
use super::python::to_str;

/// Bytes of a value when written out, with what is shared counted as often as it shows.
pub(super) const MAXIMUM_SIZE: u64 = 8 << 20;

/// Lists in lists: deep enough for any JSON document, and far from the end of a thread's stack.
const DEEPEST: usize = 150;

/// What a number, or the frame of a list, counts for.
const NODE: u64 = 16;

/// Bytes that one unit of fuel pays for. Measuring and comparing are quicker than creating.
const BYTES_PER_FUEL: u64 = 512;

/// `value`, if it is not too large; pays for having looked.
pub(super) fn bounded(state: &State<'_, '_>, value: Value) -> Result<Value, Error> {
    charge(state, &value)?;
    Ok(value)
}

/// Pays for an operation that walks through `value`.
pub(super) fn charge(state: &State<'_, '_>, value: &Value) -> Result<(), Error> {
    let mut left = MAXIMUM_SIZE;
    measure(value, 0, &mut left)?;
    state.consume_fuel((MAXIMUM_SIZE - left) / BYTES_PER_FUEL)
}

/// Takes a value's size off `left`. Stops as soon as nothing is left, so that it is never slower than the limit.
fn measure(value: &Value, depth: usize, left: &mut u64) -> Result<(), Error> {
    if depth > DEEPEST {
        return Err(invalid(format!("lists and dictionaries can be nested {DEEPEST} deep")));
    }
    let size = NODE + value.as_str().map_or(0, |text| text.len() as u64);
    *left = left
        .checked_sub(size)
        .ok_or_else(|| invalid(format!("a value is larger than {MAXIMUM_SIZE} bytes when written out")))?;
    match value.kind() {
        ValueKind::Map => {
            for key in value.try_iter()? {
                measure(&key, depth + 1, left)?;
                measure(&value.get_item(&key)?, depth + 1, left)?;
            }
        }
        ValueKind::Seq | ValueKind::Iterable => {
            for item in value.try_iter()? {
                measure(&item, depth + 1, left)?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// Names of the functions that stand for operators. None is a name that a template can write or set.
pub(super) mod operator {
    pub const ADD: &str = "+";
    pub const SUBTRACT: &str = "-";
    pub const MULTIPLY: &str = "*";
    pub const CONCATENATE: &str = "~";
    pub const LIST: &str = "[]";
    pub const TUPLE: &str = "()";
    pub const MAP: &str = "{}";
    pub const EQUAL: &str = "==";
    pub const NOT_EQUAL: &str = "!=";
    pub const LESS: &str = "<";
    pub const LESS_OR_EQUAL: &str = "<=";
    pub const GREATER: &str = ">";
    pub const GREATER_OR_EQUAL: &str = ">=";
    pub const IN: &str = "in";
}

pub(super) fn add_operators(environment: &mut Environment<'_>) {
    environment.add_function(operator::ADD, |state: &State<'_, '_>, left: Value, right: Value| {
        match dates::add(&left, &right) {
            Some(sum) => sum,
            None => bounded(state, native(state, "left + right", left, right)?),
        }
    });
    environment.add_function(operator::SUBTRACT, |state: &State<'_, '_>, left: Value, right: Value| {
        dates::subtract(&left, &right).unwrap_or_else(|| native(state, "left - right", left, right))
    });
    environment.add_function(operator::MULTIPLY, |state: &State<'_, '_>, left: Value, right: Value| {
        bounded(state, native(state, "left * right", left, right)?)
    });
    environment.add_function(operator::CONCATENATE, |state: &State<'_, '_>, left: Value, right: Value| {
        defined(&left).and(defined(&right))?;
        bounded(state, Value::from(to_str(&left) + &to_str(&right)))
    });
    environment
        .add_function(operator::LIST, |state: &State<'_, '_>, items: Rest<Value>| bounded(state, Value::from(items.0)));
    environment.add_function(operator::TUPLE, |state: &State<'_, '_>, items: Rest<Value>| {
        bounded(state, Value::from(Tuple::from(items.0)))
    });
    environment.add_function(operator::MAP, |state: &State<'_, '_>, items: Rest<Value>| {
        let pairs = items.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone()));
        bounded(state, Value::from_pairs(pairs))
    });
    add_comparisons(environment);
}

fn add_comparisons(environment: &mut Environment<'_>) {
    type Compare = fn(&Value, &Value) -> bool;
    let comparisons: [(&'static str, Compare); 6] = [
        (operator::EQUAL, |left, right| left == right),
        (operator::NOT_EQUAL, |left, right| left != right),
        (operator::LESS, |left, right| left < right),
        (operator::LESS_OR_EQUAL, |left, right| left <= right),
        (operator::GREATER, |left, right| left > right),
        (operator::GREATER_OR_EQUAL, |left, right| left >= right),
    ];
    for (name, compare) in comparisons {
        environment.add_function(name, move |state: &State<'_, '_>, left: Value, right: Value| {
            defined(&left).and(defined(&right))?;
            charge(state, &left)?;
            charge(state, &right)?;
            Ok(compare(&left, &right))
        });
    }
    environment.add_function(operator::IN, |state: &State<'_, '_>, left: Value, right: Value| {
        charge(state, &right)?;
        native(state, "left in right", left, right)
    });
}

/// What minijinja's own operator says: the function that stands for it is the only caller.
fn native(state: &State<'_, '_>, expression: &'static str, left: Value, right: Value) -> Result<Value, Error> {
    defined(&left).and(defined(&right))?;
    let expression = state.env().compile_expression(expression)?;
    expression.eval(minijinja::context! { left, right }).map_err(|error| {
        // Without the place in an expression that nobody wrote.
        Error::new(error.kind(), error.detail().unwrap_or_default().to_owned())
    })
}

fn defined(value: &Value) -> Result<(), Error> {
    if value.is_undefined() {
        return Err(Error::new(ErrorKind::UndefinedError, "an operand of an operator is undefined"));
    }
    Ok(())
}
