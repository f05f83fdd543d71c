//! Cases of Airflow's behaviour, for the tests that judge them.
//!
//! The cases lie in files of JSON, `KIND.json` or `KIND_more.json`. A top-level list of objects is a list of cases; so is the object
//! `enumerations`, a case for each list in it. A test takes the cases of one kind and list, as many as it knows the shape of, and
//! [`judge`] fails it with all that differ at once. `cargo xtask conformance` runs those tests over any folder, and counts:
//! what no test has taken has failed.
#![expect(clippy::panic, reason = "a test's way to fail")]

mod file;
mod verdict;

use std::any::Any;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;

pub use file::{CaseFile, Place, files};
pub use verdict::{Verdict, verdicts};

/// Names a folder of cases to judge instead of the project's own.
pub const FOLDER: &str = "AIRLOCK_CONFORMANCE";

/// Names a file to which every verdict is added, one JSON object a line.
pub const VERDICTS: &str = "AIRLOCK_CONFORMANCE_VERDICTS";

/// The folder whose cases are judged.
pub fn folder() -> PathBuf {
    std::env::var_os(FOLDER).map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from)
}

/// A case: the value itself, and where it stands.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// Its place in the list, or its name among the members.
    pub name: &'a str,
    value: &'a Value,
    /// The whole file, for what its cases have in common.
    pub document: &'a Value,
}

impl Deref for Case<'_> {
    type Target = Value;

    fn deref(&self) -> &Value {
        self.value
    }
}

/// Runs `case` on every case of `KIND/list` that the test `takes`. A case that panics is a case that failed.
///
/// # Panics
/// Where cases differ, with all of them; and where the project's own folder has no such case.
pub fn judge(
    kind: &str,
    list: &str,
    takes: impl Fn(&Case<'_>) -> bool,
    case: impl Fn(&Case<'_>) -> Result<(), String>,
) {
    let files = files(&folder()).unwrap_or_else(|error| panic!("{error}"));
    let mut verdicts = Vec::new();
    for file in files.iter().filter(|file| file.is_of(kind)) {
        for place in file.cases().iter().filter(|place| place.list == list) {
            let (name, value) = (place.name.as_str(), place.value);
            let one = Case { name, value, document: &file.document };
            if takes(&one) {
                let result = catch_unwind(AssertUnwindSafe(|| case(&one)));
                let fault = result.unwrap_or_else(|payload| Err(format!("it panics: {}", said(&*payload))));
                verdicts.push(Verdict { file: file.name.clone(), case: place.to_string(), fault: fault.err() });
            }
        }
    }
    if let Some(path) = std::env::var_os(VERDICTS) {
        verdict::add(&PathBuf::from(path), &verdicts).unwrap_or_else(|error| panic!("{error}"));
    }
    assert!(!verdicts.is_empty() || std::env::var_os(FOLDER).is_some(), "there is no such case of {kind}");
    let faults: Vec<String> = verdicts.iter().filter_map(Verdict::fault).collect();
    assert!(faults.is_empty(), "{} of {} cases failed:\n{}", faults.len(), verdicts.len(), faults.join("\n"));
}

/// What a panic said, where it said so in words.
fn said(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("without a word")
}

/// A part of a case has no members but these: what its judge does not know of might change what is right.
///
/// # Panics
/// Where there is another: the case has failed.
pub fn only(value: &Value, members: &[&str]) {
    for name in value.as_object().into_iter().flatten().map(|(name, _)| name) {
        assert!(members.contains(&name.as_str()), "nobody knows what `{name}` means in {value}");
    }
}

/// # Errors
/// Says what was found where it is not what was expected.
pub fn equal<T: PartialEq + std::fmt::Debug>(found: T, expected: T) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("found {found:?}, expected {expected:?}")) }
}

/// A member of a case, read as what it is to be. A member that is not there reads as null.
///
/// # Panics
/// Where it cannot be read so: the case has failed.
pub fn field<T: for<'a> Deserialize<'a>>(value: &Value, key: &str) -> T {
    T::deserialize(&value[key]).unwrap_or_else(|error| panic!("`{key}` of {value}: {error}"))
}
