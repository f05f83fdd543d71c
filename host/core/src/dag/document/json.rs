//! JSON text, read more strictly than `serde_json::Value` does: a member that is given twice is a fault, since one of the two
//! would be lost without a word.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::fault::{Fault, FaultSink, Faults, pointer_to};

/// Reads one JSON value. Nesting is bounded by the parser (128 levels).
pub(super) fn read(text: &str) -> Result<Value, Faults> {
    let sink = FaultSink::default();
    let pointer = RefCell::new(String::new());
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let read = Strict { pointer: &pointer, sink: &sink }
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value));
    match read {
        Ok(value) => sink.finish(value),
        Err(error) => Err(Faults::from(Fault::new("", format!("the document is not JSON: {error}")))),
    }
}

#[derive(Clone, Copy)]
struct Strict<'a> {
    pointer: &'a RefCell<String>,
    sink: &'a FaultSink,
}

impl Strict<'_> {
    /// Does `read` with the pointer one step further down.
    fn inside<T>(self, step: impl fmt::Display, read: impl FnOnce() -> T) -> T {
        let outside = self.pointer.borrow().clone();
        let inside = pointer_to(&outside, step);
        self.pointer.replace(inside);
        let value = read();
        self.pointer.replace(outside);
        value
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = self.inside(items.len(), || access.next_element_seed(self))? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(name) = access.next_key::<String>()? {
            let value = self.inside(&name, || access.next_value_seed(self))?;
            if members.contains_key(&name) {
                let pointer = pointer_to(&self.pointer.borrow(), &name);
                self.sink.push(pointer, format!("`{name}` is given more than once"));
            }
            members.insert(name, value);
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_what_serde_json_reads() {
        let text = r#"{"a": [1, -2, 1.5, "x", null, true], "b": {}}"#;
        assert_eq!(read(text).unwrap(), json!({"a": [1, -2, 1.5, "x", null, true], "b": {}}));
    }

    #[test]
    fn a_member_given_twice_is_a_fault_with_its_place() {
        let faults = read(r#"{"tasks": [{"pool": "a", "pool": "b"}], "tasks": []}"#).unwrap_err().0;
        assert_eq!(faults.iter().map(|fault| fault.pointer.as_str()).collect::<Vec<_>>(), ["/tasks/0/pool", "/tasks"]);
    }

    #[test]
    fn what_is_no_json_is_refused_with_its_line() {
        assert!(read("{\n  \"a\": }").unwrap_err().0[0].detail.contains("line 2"));
        assert!(read("{} {}").is_err());
        assert!(read(&"[".repeat(1_000)).unwrap_err().0[0].detail.contains("recursion limit"));
    }
}
