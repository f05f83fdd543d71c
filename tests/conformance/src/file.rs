//! Files of cases.

use std::fmt;
use std::path::Path;

use serde_json::Value;

/// A file of cases.
#[derive(Clone, Debug)]
pub struct CaseFile {
    /// With its ending.
    pub name: String,
    pub document: Value,
}

/// Where a case stands in its file.
#[derive(Clone, Debug)]
pub struct Place<'a> {
    pub list: &'a str,
    /// The case's `id`, or its place in the list, or the member's name.
    pub name: String,
    pub value: &'a Value,
    index: usize,
}

impl fmt::Display for Place<'_> {
    /// One of a kind in its file, whatever the ids are.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{} {}", self.list, self.index, self.name)
    }
}

impl CaseFile {
    /// Whether this is `KIND.json` or begins with `KIND_`.
    pub fn is_of(&self, kind: &str) -> bool {
        self.name.strip_prefix(kind).is_some_and(|rest| rest == ".json" || rest.starts_with('_'))
    }

    /// Every case, in the order of the file. What else a file says, texts and what its cases have in common, is no case.
    pub fn cases(&self) -> Vec<Place<'_>> {
        let Some(members) = self.document.as_object() else { return Vec::new() };
        let mut places = Vec::new();
        for (list, value) in members {
            match value {
                Value::Array(items) => {
                    for (index, value) in items.iter().enumerate() {
                        let name = value["id"].as_str().map_or_else(|| index.to_string(), str::to_owned);
                        places.push(Place { list, name, value, index });
                    }
                }
                Value::Object(members) if list == "enumerations" => {
                    let lists = members.iter().enumerate().filter(|(_, (_, value))| value.is_array());
                    for (index, (name, value)) in lists {
                        places.push(Place { list, name: name.clone(), value, index });
                    }
                }
                _ => {}
            }
        }
        places
    }
}

/// The files of a folder, by name.
///
/// # Errors
/// What cannot be read, and why.
pub fn files(folder: &Path) -> Result<Vec<CaseFile>, String> {
    let told = |path: &Path, error: &dyn fmt::Display| format!("{}: {error}", path.display());
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|error| told(folder, &error))? {
        let path = entry.map_err(|error| told(folder, &error))?.path();
        if path.extension().is_none_or(|ending| ending != "json") {
            continue;
        }
        let text = std::fs::read_to_string(&path).map_err(|error| told(&path, &error))?;
        let document = serde_json::from_str(&text).map_err(|error| told(&path, &error))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        found.push(CaseFile { name, document });
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(found)
}
