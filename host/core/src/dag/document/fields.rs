//! Reading the members of JSON objects: each is found, typed and bounded here, and what is wrong goes to the fault sink.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::duration;
use crate::dag::Seconds;
use crate::fault::{FaultSink, describe, pointer_to};
use crate::near::{nearest, suggestion};

/// One object of a document, with the objects whose members stand in for those that it lacks (`default_args`).
#[derive(Clone)]
pub(super) struct Fields<'a> {
    layers: Vec<(&'a Map<String, Value>, String)>,
    pub sink: &'a FaultSink,
}

impl<'a> Fields<'a> {
    pub fn new(object: &'a Map<String, Value>, pointer: impl Into<String>, sink: &'a FaultSink) -> Self {
        Self { layers: vec![(object, pointer.into())], sink }
    }

    /// Looks into `defaults` for what is in none of the objects so far.
    #[must_use]
    pub fn over(mut self, defaults: &Fields<'a>) -> Self {
        self.layers.extend(defaults.layers.iter().cloned());
        self
    }

    /// Where the object itself is.
    pub fn pointer(&self) -> &str {
        self.layers.first().map_or("", |(_, pointer)| pointer)
    }

    pub fn fault(&self, detail: impl Into<String>) {
        self.sink.push(self.pointer(), detail);
    }

    /// The member, from the first object that has it. `null` stands for "not given", as `None` does in Airflow.
    pub fn get(&self, name: &str) -> Option<Found<'a>> {
        self.layers.iter().find_map(|(object, pointer)| {
            let value = object.get(name).filter(|value| !value.is_null())?;
            Some(Found { value, pointer: pointer_to(pointer, name), sink: self.sink })
        })
    }

    /// The names of the object's own members.
    pub fn names(&self) -> impl Iterator<Item = &'a str> {
        self.layers.first().into_iter().flat_map(|(object, _)| object.keys().map(String::as_str))
    }

    /// The member, from the object itself only.
    pub fn own(&self, name: &str) -> Option<Found<'a>> {
        let (object, pointer) = self.layers.first()?;
        let value = object.get(name).filter(|value| !value.is_null())?;
        Some(Found { value, pointer: pointer_to(pointer, name), sink: self.sink })
    }

    pub fn required(&self, name: &str) -> Option<Found<'a>> {
        let found = self.own(name);
        if found.is_none() {
            self.fault(format!("`{name}` is missing"));
        }
        found
    }

    /// Every member that is in none of the lists is a fault. `what` names the object in the message.
    pub fn refuse_unknown(&self, what: &str, known: &[&[&str]]) {
        let Some((object, pointer)) = self.layers.first() else { return };
        for name in object.keys() {
            if known.iter().any(|list| list.contains(&name.as_str())) {
                continue;
            }
            let near = if self.sink.wants_suggestions() {
                nearest(name, known.iter().flat_map(|list| list.iter().copied()))
            } else {
                Vec::new()
            };
            self.sink.push(pointer_to(pointer, name), format!("{what} has no field `{name}`{}", suggestion(&near)));
        }
    }

    /// The members of an object that is a member of the objects: each from the first that has it.
    pub fn inner(&self, name: &str) -> Option<Fields<'a>> {
        let here = |(object, pointer): &(&'a Map<String, Value>, String)| {
            let value = object.get(name).filter(|value| !value.is_null())?;
            Found { value, pointer: pointer_to(pointer, name), sink: self.sink }.fields()
        };
        self.layers.iter().filter_map(here).reduce(|above, below| above.over(&below))
    }

    pub fn text(&self, name: &str) -> Option<String> {
        self.get(name)?.text().map(str::to_owned)
    }

    pub fn boolean(&self, name: &str) -> Option<bool> {
        self.get(name)?.boolean()
    }

    pub fn whole<T: TryFrom<i64> + Copy + Display + Into<i64>>(
        &self,
        name: &str,
        range: RangeInclusive<T>,
    ) -> Option<T> {
        self.get(name)?.whole(range)
    }

    pub fn seconds(&self, name: &str) -> Option<Seconds> {
        self.get(name)?.seconds()
    }

    pub fn instant(&self, name: &str) -> Option<DateTime<Utc>> {
        self.get(name)?.instant()
    }

    pub fn named<T: FromStr<Err: Display> + Copy>(&self, name: &str) -> Option<T> {
        self.get(name)?.named()
    }
}

/// A value and where it is.
#[derive(Clone)]
pub(super) struct Found<'a> {
    pub value: &'a Value,
    pub pointer: String,
    pub sink: &'a FaultSink,
}

impl<'a> Found<'a> {
    pub fn fault(&self, detail: impl Into<String>) {
        self.sink.push(&self.pointer, detail);
    }

    /// A fault of the form "expected A, found B".
    pub fn expected(&self, expected: impl Display) {
        self.fault(format!("expected {expected}, found {}", describe(self.value)));
    }

    fn typed<T>(&self, read: Option<T>, expected: impl Display) -> Option<T> {
        if read.is_none() {
            self.expected(expected);
        }
        read
    }

    pub fn text(&self) -> Option<&'a str> {
        self.typed(self.value.as_str(), "a string")
    }

    pub fn boolean(&self) -> Option<bool> {
        self.typed(self.value.as_bool(), "true or false")
    }

    pub fn object(&self) -> Option<&'a Map<String, Value>> {
        self.typed(self.value.as_object(), "an object")
    }

    /// The members of an object, to be read one by one.
    pub fn fields(&self) -> Option<Fields<'a>> {
        self.object().map(|object| Fields::new(object, self.pointer.clone(), self.sink))
    }

    pub fn items(&self) -> Option<impl Iterator<Item = Found<'a>> + use<'a>> {
        let items = self.typed(self.value.as_array(), "an array")?;
        let (pointer, sink) = (self.pointer.clone(), self.sink);
        Some(items.iter().enumerate().map(move |(index, value)| Found {
            value,
            pointer: pointer_to(&pointer, index),
            sink,
        }))
    }

    /// Strings of an array; what is no string is a fault and left out.
    pub fn texts(&self) -> Option<Vec<Found<'a>>> {
        Some(self.items()?.filter(|item| item.text().is_some()).collect())
    }

    pub fn whole<T: TryFrom<i64> + Copy + Display + Into<i64>>(&self, range: RangeInclusive<T>) -> Option<T> {
        let bounds = (*range.start()).into()..=(*range.end()).into();
        let number = self.value.as_i64().filter(|number| bounds.contains(number));
        let number = number.and_then(|number| T::try_from(number).ok());
        self.typed(number, format_args!("a whole number from {} to {}", range.start(), range.end()))
    }

    pub fn seconds(&self) -> Option<Seconds> {
        match duration::read(self.value) {
            Ok(seconds) => Some(seconds),
            Err(reason) => {
                self.fault(reason);
                None
            }
        }
    }

    pub fn instant(&self) -> Option<DateTime<Utc>> {
        let text = self.text()?;
        match DateTime::parse_from_rfc3339(text) {
            Ok(instant) => Some(instant.to_utc()),
            Err(_) => {
                self.expected("an instant such as \"2026-01-31T06:00:00Z\" (RFC 3339, with an offset)");
                None
            }
        }
    }

    /// A member of an enumeration, by its name.
    pub fn named<T: FromStr<Err: Display> + Copy>(&self) -> Option<T> {
        match self.text()?.parse() {
            Ok(member) => Some(member),
            Err(unknown) => {
                self.fault(unknown.to_string());
                None
            }
        }
    }
}
