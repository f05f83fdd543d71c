//! Dynamic mapping: one task, or one group of tasks, of a document stands for as many instances as there are elements to map over.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The most instances of one task in one run. The lengths of what is mapped over are bounded each by
/// [`crate::limits::Limits::map_length`]; this bounds their product.
pub const MAXIMUM_INSTANCES: u64 = 100_000;

/// What a task or a group is mapped over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mapping {
    pub input: ExpandInput,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExpandInput {
    /// An instance for each combination of the arguments' elements; the last argument changes fastest.
    Expand(Vec<(String, Elements)>),
    /// An instance for each element, which is an object with arguments.
    ExpandKwargs(Elements),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Elements {
    /// Written in the document. For a task, strings may be templates.
    Literal(Vec<Value>),
    /// The elements of what this task returned; of a mapped one, what its instances returned.
    Xcom(String),
}

/// The arguments that mapping gives to one instance.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InstanceArguments {
    /// From the document, to be rendered like all other arguments.
    pub written: Map<String, Value>,
    /// From other tasks. As in Airflow these are values, and never templates.
    pub pulled: Map<String, Value>,
}

/// One of the elements that a mapped instance gets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Element<'a> {
    /// It is in the document.
    Written(&'a Value),
    /// The one at this place of what `source` returned.
    Returned { source: &'a str, place: usize },
}

/// A list's elements; of an object its pairs of name and value. Nothing else can be mapped over.
pub fn elements_of(value: &Value) -> Option<Vec<Value>> {
    match value {
        Value::Array(items) => Some(items.clone()),
        Value::Object(members) => {
            Some(members.iter().map(|(name, member)| Value::from(vec![name.as_str().into(), member.clone()])).collect())
        }
        _ => None,
    }
}

impl Mapping {
    /// The arguments that are mapped, and what over; `None` as the name stands for arguments that only the elements name.
    fn inputs(&self) -> impl Iterator<Item = (Option<&str>, &Elements)> {
        let (named, whole) = match &self.input {
            ExpandInput::Expand(arguments) => (arguments.as_slice(), None),
            ExpandInput::ExpandKwargs(elements) => (&[][..], Some((None, elements))),
        };
        named.iter().map(|(name, elements)| (Some(name.as_str()), elements)).chain(whole)
    }

    /// The ids of the tasks whose results it needs.
    pub fn sources(&self) -> impl Iterator<Item = &str> {
        self.inputs().filter_map(|(_, elements)| match elements {
            Elements::Xcom(task_id) => Some(task_id.as_str()),
            Elements::Literal(_) => None,
        })
    }

    /// How many instances there are, given how many elements each source has.
    ///
    /// # Errors
    ///
    /// The id of a source whose length is not known.
    pub fn count(&self, length_of: impl Fn(&str) -> Option<u64>) -> Result<u64, &str> {
        self.inputs().try_fold(1_u64, |count, (_, elements)| {
            let length = match elements {
                Elements::Literal(items) => items.len() as u64,
                Elements::Xcom(task_id) => length_of(task_id).ok_or(task_id.as_str())?,
            };
            Ok(count.saturating_mul(length))
        })
    }

    /// How many instances there are, if the document alone says so.
    pub fn written_count(&self) -> Option<u64> {
        self.count(|_| None).ok()
    }

    /// Which elements the instance with this map index gets, each with the name of its argument; none as the name stands for arguments
    /// that only the element names.
    ///
    /// # Errors
    ///
    /// Says what does not fit: an index that the elements do not reach.
    pub fn elements(
        &self,
        map_index: u64,
        length_of: impl Fn(&str) -> Option<u64>,
    ) -> Result<Vec<(Option<&str>, Element<'_>)>, String> {
        let mut found = Vec::new();
        let mut index = map_index;
        let mut inputs: Vec<_> = self.inputs().collect();
        inputs.reverse();
        for (name, elements) in inputs {
            let length = match elements {
                Elements::Literal(items) => items.len() as u64,
                Elements::Xcom(task_id) => length_of(task_id).unwrap_or(0),
            };
            let place = index.checked_rem(length).and_then(|place| usize::try_from(place).ok());
            let element = place.and_then(|place| match elements {
                Elements::Literal(items) => items.get(place).map(Element::Written),
                Elements::Xcom(source) => Some(Element::Returned { source, place }),
            });
            found.push((name, element.ok_or_else(|| no_element(map_index, elements))?));
            index /= length.max(1);
        }
        if index > 0 { Err(format!("the map index {map_index} is beyond what is mapped over")) } else { Ok(found) }
    }
}

impl InstanceArguments {
    /// Adds what an element gives to an instance: one argument by its name, or, without a name, those that it names itself.
    ///
    /// # Errors
    ///
    /// Says of an element without a name that it is no object.
    pub fn add(&mut self, name: Option<&str>, value: Value, is_written: bool) -> Result<(), String> {
        let to = if is_written { &mut self.written } else { &mut self.pulled };
        match (name, value) {
            (Some(name), value) => _ = to.insert(name.to_owned(), value),
            (None, Value::Object(members)) => to.extend(members),
            (None, _) => return Err("an element of `expand_kwargs` is no object with arguments".to_owned()),
        }
        Ok(())
    }
}

fn no_element(map_index: u64, elements: &Elements) -> String {
    match elements {
        Elements::Literal(_) => format!("there is nothing to map over for map index {map_index}"),
        Elements::Xcom(task_id) => format!("what `{task_id}` returned has no element for map index {map_index}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn literal(items: &Value) -> Elements {
        Elements::Literal(elements_of(items).unwrap())
    }

    #[test]
    fn the_last_argument_changes_fastest() {
        let input = ExpandInput::Expand(vec![
            ("x".to_owned(), literal(&json!([1, 2]))),
            ("y".to_owned(), Elements::Xcom("s".to_owned())),
        ]);
        let mapping = Mapping { input };
        assert_eq!(mapping.count(|_| Some(3)), Ok(6));
        assert_eq!((mapping.count(|_| None), mapping.written_count()), (Err("s"), None));
        let length = |_: &str| Some(3);
        for index in 0..6 {
            let (first, last) = (json!(1 + index / 3), index as usize % 3);
            let found = mapping.elements(index, length).unwrap();
            let expected =
                [(Some("y"), Element::Returned { source: "s", place: last }), (Some("x"), Element::Written(&first))];
            assert_eq!(found, expected);
        }
        assert!(mapping.elements(6, length).unwrap_err().contains("beyond"));
        assert!(mapping.elements(0, |_| None).unwrap_err().contains("`s` returned has no element"));
        assert_eq!(elements_of(&json!({"a": 1})).unwrap(), [json!(["a", 1])]);
    }

    #[test]
    fn kwargs_give_whole_sets_of_arguments() {
        let mapping = Mapping { input: ExpandInput::ExpandKwargs(literal(&json!([{"x": 1}, {"x": 2, "y": 3}, 4]))) };
        let of = |index: u64| {
            let mut arguments = InstanceArguments::default();
            for (name, element) in mapping.elements(index, |_| None).unwrap() {
                let Element::Written(value) = element else { unreachable!() };
                arguments.add(name, value.clone(), true)?;
            }
            Ok::<_, String>(Value::Object(arguments.written))
        };
        assert_eq!(of(1).unwrap(), json!({"x": 2, "y": 3}));
        assert!(of(2).unwrap_err().contains("no object"));
        assert_eq!(mapping.written_count(), Some(3));
    }
}
