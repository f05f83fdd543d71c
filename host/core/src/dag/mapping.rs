//! Dynamic mapping: one task of a document stands for as many instances as there are elements to map over.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The most instances of one task in one run. The lengths of what is mapped over are bounded each by
/// [`crate::limits::Limits::map_length`]; this bounds their product.
pub const MAXIMUM_INSTANCES: u64 = 100_000;

/// What a mapped task is mapped over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mapping {
    pub input: ExpandInput,
    /// A template; rendered, it is what people call an instance.
    pub map_index_template: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExpandInput {
    /// An instance for each combination of the arguments' elements; the last argument changes fastest.
    Expand(Vec<(String, Elements)>),
    /// An instance for each element, which is an object with arguments.
    ExpandKwargs(Elements),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Elements {
    /// Written in the document. Strings may be templates.
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

    /// What the instance with this map index is called with. `pulled` are the elements of each source.
    ///
    /// # Errors
    ///
    /// Says what does not fit: an index that the elements do not reach, or an element that holds no arguments.
    pub fn arguments(&self, map_index: u64, pulled: &HashMap<String, Vec<Value>>) -> Result<InstanceArguments, String> {
        let mut arguments = InstanceArguments::default();
        let mut index = map_index;
        let mut inputs: Vec<_> = self.inputs().collect();
        inputs.reverse();
        for (name, elements) in inputs {
            let (items, to) = match elements {
                Elements::Literal(items) => (items.as_slice(), &mut arguments.written),
                Elements::Xcom(task_id) => {
                    (pulled.get(task_id).map(Vec::as_slice).unwrap_or_default(), &mut arguments.pulled)
                }
            };
            let length = items.len() as u64;
            let place = index.checked_rem(length).and_then(|place| usize::try_from(place).ok());
            let element = place.and_then(|place| items.get(place)).ok_or_else(|| no_element(map_index, elements))?;
            index /= length.max(1);
            match (name, element) {
                (Some(name), element) => _ = to.insert(name.to_owned(), element.clone()),
                (None, Value::Object(members)) => to.extend(members.clone()),
                (None, _) => {
                    return Err(format!("element {map_index} of `expand_kwargs` is no object with arguments"));
                }
            }
        }
        if index > 0 { Err(format!("the map index {map_index} is beyond what is mapped over")) } else { Ok(arguments) }
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
        let mapping = Mapping { input, map_index_template: None };
        let pulled = HashMap::from([("s".to_owned(), elements_of(&json!({"a": 1, "b": 2, "c": 3})).unwrap())]);
        assert_eq!(mapping.count(|_| Some(3)), Ok(6));
        assert_eq!((mapping.count(|_| None), mapping.written_count()), (Err("s"), None));
        let pairs: Vec<Value> = (0..6)
            .map(|index| mapping.arguments(index, &pulled).unwrap())
            .map(|both| json!([both.written["x"], both.pulled["y"][0]]))
            .collect();
        assert_eq!(json!(pairs), json!([[1, "a"], [1, "b"], [1, "c"], [2, "a"], [2, "b"], [2, "c"]]));
        assert!(mapping.arguments(6, &pulled).unwrap_err().contains("beyond"));
        assert!(mapping.arguments(0, &HashMap::new()).unwrap_err().contains("`s` returned has no element"));
    }

    #[test]
    fn kwargs_give_whole_sets_of_arguments() {
        let mapping = Mapping {
            input: ExpandInput::ExpandKwargs(literal(&json!([{"x": 1}, {"x": 2, "y": 3}, 4]))),
            map_index_template: None,
        };
        let second = mapping.arguments(1, &HashMap::new()).unwrap();
        assert_eq!(Value::Object(second.written), json!({"x": 2, "y": 3}));
        assert!(mapping.arguments(2, &HashMap::new()).unwrap_err().contains("element 2"));
        assert_eq!(mapping.written_count(), Some(3));
    }
}
