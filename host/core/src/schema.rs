//! JSON Schema, as far as strangers may use it on this host.
//!
//! Schemas come with uploaded operators and with documents, so that checking a value must cost little whatever the schema
//! says. Three things could make it cost much, and are refused: references to elsewhere (a request), patterns that need
//! backtracking (the linear engine is used), and references within a schema that multiply (`oneOf` over a definition that
//! again refers twice to the next one, or to itself). Recursion is refused with the last: its cost has no bound that the
//! schema itself states.

use std::collections::HashMap;

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

/// The most subschemas that a schema may have with every reference written out.
const LARGEST: u64 = 10_000;

/// The most subschemas times values: a second's work.
const MOST_WORK: u64 = 20_000_000;

/// A schema that can be checked against.
#[derive(Debug)]
pub struct Schema {
    validator: Validator,
    /// Subschemas with every reference written out.
    parts: u64,
}

/// One way in which a value does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// A JSON pointer into the value.
    pub pointer: String,
    /// The keyword that is not satisfied, such as `required`.
    pub keyword: String,
    /// A JSON pointer along the evaluated keywords.
    pub path: String,
    pub detail: String,
}

impl Schema {
    /// The error says why the schema cannot be used.
    pub fn compile(schema: &Value) -> Result<Self, String> {
        let parts = Expansion { root: schema, sizes: HashMap::new() }.size(schema)?;
        let validator = jsonschema::options()
            .offline()
            .should_validate_formats(true)
            .with_pattern_options(PatternOptions::regex().size_limit(1 << 20).dfa_size_limit(1 << 20))
            .build(schema)
            .map_err(|error| format!("{}: {}", error.instance_path(), shortened(&error.to_string())))?;
        Ok(Self { validator, parts })
    }

    /// Every way in which `value` does not fit; empty if it fits.
    pub fn misfits(&self, value: &Value) -> Vec<Misfit> {
        const MOST: usize = 100;
        if self.parts.saturating_mul(size(value)) > MOST_WORK {
            let detail = "too large to be checked against its schema".to_owned();
            return vec![Misfit { pointer: String::new(), keyword: String::new(), path: String::new(), detail }];
        }
        self.validator
            .iter_errors(value)
            .take(MOST)
            .map(|error| Misfit {
                pointer: error.instance_path().as_str().to_owned(),
                keyword: error.kind().keyword().to_owned(),
                path: error.evaluation_path().as_str().to_owned(),
                detail: shortened(&error.to_string()),
            })
            .collect()
    }
}

/// Values within a value, itself included.
fn size(value: &Value) -> u64 {
    match value {
        Value::Array(items) => 1 + items.iter().map(size).sum::<u64>(),
        Value::Object(members) => 1 + members.values().map(size).sum::<u64>(),
        _ => 1,
    }
}

/// Messages quote the value, which may be large.
fn shortened(message: &str) -> String {
    const LONGEST: usize = 300;
    if message.chars().count() <= LONGEST {
        return message.to_owned();
    }
    format!("{}...", message.chars().take(LONGEST).collect::<String>())
}

/// Counts subschemas with references written out, each definition once.
struct Expansion<'a> {
    root: &'a Value,
    /// By reference; none while it is being counted, so that recursion shows.
    sizes: HashMap<&'a str, Option<u64>>,
}

impl<'a> Expansion<'a> {
    fn size(&mut self, schema: &'a Value) -> Result<u64, String> {
        let mut size: u64 = 1;
        match schema {
            Value::Object(members) => {
                for (keyword, value) in members {
                    size = size.saturating_add(match keyword.as_str() {
                        // Data, not schemas.
                        "const" | "enum" | "default" | "examples" => 0,
                        // Only what is referred to is ever evaluated.
                        "$defs" | "definitions" => 0,
                        "properties" | "patternProperties" | "dependentSchemas" | "dependencies" => {
                            self.members(value)?
                        }
                        "$ref" => self.reference(value)?,
                        "$dynamicRef" | "$recursiveRef" => return Err(format!("`{keyword}` is not supported")),
                        "$id" | "id" if value.is_string() && !std::ptr::eq(schema, self.root) => {
                            return Err(format!("`{keyword}` is supported only at the top"));
                        }
                        _ => self.size(value)?,
                    });
                }
            }
            Value::Array(items) => {
                for item in items {
                    size = size.saturating_add(self.size(item)?);
                }
            }
            _ => {}
        }
        if size > LARGEST {
            return Err(format!("with its references written out it has more than {LARGEST} parts"));
        }
        Ok(size)
    }

    /// An object whose members are schemas under names of the author's: `default` is no keyword here.
    fn members(&mut self, value: &'a Value) -> Result<u64, String> {
        let schemas = value.as_object().into_iter().flat_map(|members| members.values());
        schemas.map(|schema| self.size(schema)).sum()
    }

    fn reference(&mut self, value: &'a Value) -> Result<u64, String> {
        let reference = value.as_str().ok_or("`$ref` is a string")?;
        match self.sizes.get(reference) {
            Some(Some(size)) => return Ok(*size),
            Some(None) => {
                return Err(format!("the reference `{reference}` leads back to itself, which is not supported"));
            }
            None => {}
        }
        let unknown =
            || format!("`{reference}` refers to nothing in this schema; valid are references such as `#/$defs/name`");
        let pointer = reference.strip_prefix('#').filter(|pointer| !pointer.contains('%')).ok_or_else(unknown)?;
        let target = self.root.pointer(pointer).ok_or_else(unknown)?;
        self.sizes.insert(reference, None);
        let size = self.size(target)?;
        self.sizes.insert(reference, Some(size));
        Ok(size)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn says_what_does_not_fit_and_where() {
        let schema = json!({
            "type": "object",
            "required": ["sql"],
            "properties": { "sql": { "$ref": "#/$defs/text" }, "limit": { "type": "integer", "minimum": 1 } },
            "additionalProperties": false,
            "$defs": { "text": { "type": "string" } },
        });
        let schema = Schema::compile(&schema).unwrap();
        assert_eq!(schema.misfits(&json!({"sql": "select 1"})), []);
        let misfits = schema.misfits(&json!({"limit": 0, "lmit": 1}));
        let found: Vec<_> = misfits.iter().map(|misfit| (misfit.pointer.as_str(), misfit.keyword.as_str())).collect();
        assert!(found.contains(&("", "required")), "{found:?}");
        assert!(found.contains(&("", "additionalProperties")), "{found:?}");
        assert!(found.contains(&("/limit", "minimum")), "{found:?}");
    }

    #[test]
    fn what_could_cost_much_is_refused() {
        let refused = |schema: Value| Schema::compile(&schema).unwrap_err();
        assert!(refused(json!({"$ref": "https://example.com/schema.json"})).contains("refers to nothing"));
        assert!(refused(json!({"properties": {"child": {"$ref": "#"}}})).contains("leads back to itself"));
        assert!(refused(json!({"$ref": "#"})).contains("leads back to itself"));
        assert!(refused(json!({"$dynamicRef": "#node"})).contains("not supported"));
        assert!(refused(json!({"type": "strnig"})).contains("strnig"));
        // Backtracking: the linear engine has no look-around, and says so.
        assert!(Schema::compile(&json!({"pattern": "(?=a)b"})).is_err());
        let mut definitions = serde_json::Map::new();
        definitions.insert("d0".to_owned(), json!({"type": "integer"}));
        for level in 1..40 {
            let below = json!({"$ref": format!("#/$defs/d{}", level - 1)});
            definitions.insert(format!("d{level}"), json!({"oneOf": [below.clone(), below]}));
        }
        assert!(refused(json!({"$ref": "#/$defs/d39", "$defs": definitions})).contains("more than 10000 parts"));
    }

    #[test]
    fn a_large_value_is_not_held_against_a_large_schema() {
        let choices: Vec<Value> = (0..2_000).map(|number| json!({"const": number})).collect();
        let schema = Schema::compile(&json!({"items": {"oneOf": choices}})).unwrap();
        assert_eq!(schema.misfits(&json!([1, 2, 3])), []);
        let misfits = schema.misfits(&Value::from(vec![1; 100_000]));
        assert!(misfits[0].detail.contains("too large"), "{}", misfits[0].detail);
    }

    #[test]
    fn a_property_may_have_the_name_of_a_keyword() {
        let schema = json!({"properties": {"default": {"type": "integer"}, "$ref": {"type": "string"}}});
        let schema = Schema::compile(&schema).unwrap();
        assert_eq!(schema.misfits(&json!({"default": "x"})).len(), 1);
        let hidden = json!({"properties": {"default": {"$ref": "#"}}});
        assert!(Schema::compile(&hidden).unwrap_err().contains("leads back to itself"));
    }
}
