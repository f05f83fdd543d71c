//! From layers to one value for each setting.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::keys::{self, KEYS, Key};
use crate::failure::Failure;

/// Names in the environment that start like a setting and are none: flags of the command line read them. What tests use
/// among themselves starts with `AIRLOCK_TEST_`.
const NOT_SETTINGS: &[&str] = &["AIRLOCK_CONFIG", "AIRLOCK_SDK"];

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    Default,
    File(PathBuf),
    Environment(String),
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => formatter.write_str("default"),
            Self::File(path) => write!(formatter, "file {}", path.display()),
            Self::Environment(name) => write!(formatter, "environment {name}"),
            Self::Flag(name) => write!(formatter, "flag {name}"),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    pub text: String,
    pub origin: Origin,
}

/// Where settings come from, lowest first.
#[derive(Debug, Default)]
pub struct Sources {
    pub file: Option<PathBuf>,
    pub environment: BTreeMap<String, String>,
    pub flags: Vec<(&'static str, String)>,
}

pub fn merge(sources: &Sources) -> Result<Vec<(&'static Key, Option<Value>)>> {
    let mut found: BTreeMap<&'static str, Value> = KEYS
        .iter()
        .filter_map(|key| Some((key.name, Value { text: key.default?.to_owned(), origin: Origin::Default })))
        .collect();
    let mut faults = Vec::new();
    if let Some(path) = &sources.file {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the configuration file {}", path.display()))?;
        let table: toml::Table = toml::from_str(&text).map_err(|error| {
            Failure::usage(format!("the configuration file {} is not TOML: {error}", path.display()))
        })?;
        for (name, value) in table {
            match (keys::find(&name), plain(&value)) {
                (Some(key), Some(text)) => {
                    found.insert(key.name, Value { text, origin: Origin::File(path.clone()) });
                }
                (Some(_), None) => faults.push(format!(
                    "`{name}` in {} is {}, not a text, number or list of texts",
                    path.display(),
                    value.type_str()
                )),
                (None, _) => faults.push(format!("`{name}` in {} is no setting{}", path.display(), nearest(&name))),
            }
        }
    }
    for (variable, text) in &sources.environment {
        let Some(rest) = variable.strip_prefix("AIRLOCK_") else { continue };
        if NOT_SETTINGS.contains(&variable.as_str()) || rest.starts_with("TEST_") {
            continue;
        }
        let name = rest.to_lowercase();
        match keys::find(&name) {
            Some(key) => {
                found.insert(key.name, Value { text: text.clone(), origin: Origin::Environment(variable.clone()) });
            }
            None => faults.push(format!("{variable} in the environment is no setting{}", nearest(&name))),
        }
    }
    for (name, text) in &sources.flags {
        let origin = Origin::Flag(format!("--{}", name.replace('_', "-")));
        found.insert(name, Value { text: text.clone(), origin });
    }
    if !faults.is_empty() {
        return Err(Failure::usage(faults.join("\n")).hint("`airlock config show` lists every setting").into());
    }
    Ok(KEYS.iter().map(|key| (key, found.remove(key.name))).collect())
}

/// A value of the file as the text that the environment would carry.
fn plain(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(truth) => Some(truth.to_string()),
        toml::Value::Array(items) => items
            .iter()
            .map(|item| item.as_str().map(str::to_owned))
            .collect::<Option<Vec<_>>>()
            .map(|texts| texts.join(",")),
        _ => None,
    }
}

/// `; did you mean ...`, where a setting's name is near.
fn nearest(name: &str) -> String {
    KEYS.iter()
        .map(|key| (distance(name, key.name), key.name))
        .min()
        .filter(|(distance, known)| *distance <= known.len() / 3)
        .map(|(_, known)| format!("; did you mean `{known}`?"))
        .unwrap_or_default()
}

/// How many letters must be put in, taken out or replaced (Levenshtein).
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (position, letter) in left.chars().enumerate() {
        let mut diagonal = position;
        let mut before = position + 1;
        if let Some(first) = row.first_mut() {
            *first = before;
        }
        for (cell, other) in row.iter_mut().skip(1).zip(&right) {
            let cost = (diagonal + usize::from(letter != *other)).min(*cell + 1).min(before + 1);
            diagonal = *cell;
            *cell = cost;
            before = cost;
        }
    }
    row.last().copied().unwrap_or_default()
}
