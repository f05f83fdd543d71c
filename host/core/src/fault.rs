//! What is wrong with a document, and where.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;

use serde::{Deserialize, Serialize};

/// One fault in a JSON document.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fault {
    /// A JSON pointer (RFC 6901) to the faulty value; empty for the whole document.
    pub pointer: String,
    /// What was found, and what would be valid.
    pub detail: String,
}

impl Fault {
    pub fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), detail: detail.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pointer.is_empty() {
            formatter.write_str(&self.detail)
        } else {
            write!(formatter, "{}: {}", self.pointer, self.detail)
        }
    }
}

/// Every fault of a document at once; never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct Faults(pub Vec<Fault>);

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        Self(vec![fault])
    }
}

/// A JSON pointer one step further down.
pub fn pointer_to(parent: &str, step: impl fmt::Display) -> String {
    let step = step.to_string();
    if step.contains(['~', '/']) {
        format!("{parent}/{}", step.replace('~', "~0").replace('/', "~1"))
    } else {
        format!("{parent}/{step}")
    }
}

/// A value as a message shows it: short, and never the inside of a container.
pub fn describe(value: &serde_json::Value) -> String {
    use serde_json::Value;
    const LONGEST: usize = 60;
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(truth) => format!("the boolean {truth}"),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) if text.chars().count() > LONGEST => {
            format!("the string \"{}...\"", text.chars().take(LONGEST).collect::<String>().escape_debug())
        }
        Value::String(text) => format!("the string \"{}\"", text.escape_debug()),
        Value::Array(_) => "an array".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

/// Where the faults of one document are gathered while reading goes on.
///
/// A fault that is found again (a default under ten thousand tasks) is kept once, and a document that is wrong throughout is
/// not told every one of a million faults.
#[derive(Debug, Default)]
pub(crate) struct FaultSink(RefCell<Gathered>);

#[derive(Debug, Default)]
struct Gathered {
    order: Vec<Fault>,
    seen: HashSet<Fault>,
    more: bool,
}

impl FaultSink {
    const MOST: usize = 1_000;
    /// Suggestions cost a search each.
    const MOST_WITH_SUGGESTION: usize = 25;

    pub fn push(&self, pointer: impl Into<String>, detail: impl Into<String>) {
        let fault = Fault::new(pointer, detail);
        let mut gathered = self.0.borrow_mut();
        if gathered.seen.contains(&fault) {
            return;
        }
        if gathered.order.len() >= Self::MOST {
            gathered.more = true;
            return;
        }
        gathered.seen.insert(fault.clone());
        gathered.order.push(fault);
    }

    /// Whether it is still worth looking for names that may have been meant.
    pub fn wants_suggestions(&self) -> bool {
        self.0.borrow().order.len() < Self::MOST_WITH_SUGGESTION
    }

    /// `value`, if nothing was wrong.
    pub fn finish<T>(self, value: T) -> Result<T, Faults> {
        let mut gathered = self.0.into_inner();
        if gathered.more {
            let detail = format!("more than {} faults; these are the first", Self::MOST);
            gathered.order.push(Fault::new("", detail));
        }
        if gathered.order.is_empty() { Ok(value) } else { Err(Faults(gathered.order)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_escape_what_rfc_6901_reserves() {
        assert_eq!(pointer_to("/tasks", 3), "/tasks/3");
        assert_eq!(pointer_to("", "a/b~c"), "/a~1b~0c");
    }

    #[test]
    fn a_fault_is_kept_once_and_too_many_are_said_to_be_more() {
        let sink = FaultSink::default();
        for number in 0..2_000 {
            sink.push(format!("/tasks/{number}"), "wrong");
            sink.push("/default_args/retries", "wrong");
        }
        let faults = sink.finish(()).unwrap_err().0;
        assert_eq!(faults.len(), FaultSink::MOST + 1);
        assert_eq!(faults.iter().filter(|fault| fault.pointer == "/default_args/retries").count(), 1);
        assert!(faults[FaultSink::MOST].detail.contains("more than"));
    }
}
