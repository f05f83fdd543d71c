//! The rule for ids, which is Airflow's.

use super::fields::Found;
use crate::id::MAXIMUM_ID_LENGTH;

/// What `[\w.-]` matches in Python: letters and digits of every script, and the underscore.
pub(super) fn is_id_character(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '.' | '-')
}

/// An id of a DAG or a task. `what` names it in the message.
pub(super) fn read<'a>(found: &Found<'a>, what: &str) -> Option<&'a str> {
    let id = found.text()?;
    let length = id.chars().count();
    if id.is_empty() {
        found.fault(format!("a {what} is 1 to {MAXIMUM_ID_LENGTH} characters long, this one is empty"));
    } else if length > MAXIMUM_ID_LENGTH {
        found.fault(format!("a {what} is 1 to {MAXIMUM_ID_LENGTH} characters long, this one has {length}"));
    } else if let Some(character) = id.chars().find(|character| !is_id_character(*character)) {
        found.fault(format!(
            "a {what} is made of letters, digits, `_`, `-` and `.`, this one has `{}`",
            character.escape_debug()
        ));
    } else {
        return Some(id);
    }
    None
}
