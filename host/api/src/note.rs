//! Notes that people leave on runs and task instances.

use airlock_core::dag::LONGEST_NOTE;

use crate::problem::{Answer, Problem};

/// # Errors
/// 422 if the note is too long.
pub fn check_note(note: Option<&str>) -> Answer<()> {
    if note.is_some_and(|note| note.chars().count() > LONGEST_NOTE) {
        return Err(Problem::invalid("/note", format!("a note has at most {LONGEST_NOTE} characters")));
    }
    Ok(())
}
