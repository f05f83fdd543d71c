//! Notes that people leave on runs and task instances.

use crate::problem::{Answer, Problem};

/// Characters, as in Airflow.
const LONGEST: usize = 1000;

/// # Errors
/// 422 if the note is too long.
pub fn check_note(note: Option<&str>) -> Answer<()> {
    if note.is_some_and(|note| note.chars().count() > LONGEST) {
        return Err(Problem::invalid("/note", format!("a note has at most {LONGEST} characters")));
    }
    Ok(())
}
