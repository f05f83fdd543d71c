//! How cases went, told to whoever started the tests.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// How one case went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    pub file: String,
    /// [`crate::Place`] as a text.
    pub case: String,
    /// What was wrong; none if the case passed.
    pub fault: Option<String>,
}

impl Verdict {
    pub(crate) fn fault(&self) -> Option<String> {
        self.fault.as_ref().map(|fault| format!("{} {}: {fault}", self.file, self.case))
    }
}

/// Adds verdicts to a file. Tests run side by side: what one of them has to say is one write.
pub(crate) fn add(path: &Path, verdicts: &[Verdict]) -> Result<(), String> {
    let told = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let mut lines = String::new();
    for verdict in verdicts {
        lines.push_str(&serde_json::to_string(verdict).map_err(|error| told(&error))?);
        lines.push('\n');
    }
    let mut file = OpenOptions::new().create(true).append(true).open(path).map_err(|error| told(&error))?;
    file.write_all(lines.as_bytes()).map_err(|error| told(&error))
}

/// The verdicts that tests have added to a file; none if no test got that far.
///
/// # Errors
/// What cannot be read, and why.
pub fn verdicts(path: &Path) -> Result<Vec<Verdict>, String> {
    let told = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        other => other.map_err(|error| told(&error))?,
    };
    text.lines().map(|line| serde_json::from_str(line).map_err(|error| told(&error))).collect()
}
