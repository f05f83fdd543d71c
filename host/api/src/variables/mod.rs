//! `/variables`.

pub mod bulk;
pub mod create;
pub mod delete;
pub mod get;
pub mod list;
pub mod patch;

use airlock_core::fault::{Fault, Faults};
use airlock_core::id::MAXIMUM_ID_LENGTH;
use airlock_store::settings::VariableRow;

use crate::extract::Patch;
use crate::models::VariableBody;
use crate::pools::refuse_team;
use crate::problem::{Answer, Problem};
use crate::secret::Secrets;

fn absent(key: &str) -> Problem {
    Problem::not_found(format!("The Variable with key: `{key}` was not found"))
}

fn row(secrets: Secrets<'_>, body: VariableBody) -> Answer<VariableRow> {
    let mut faults = Vec::new();
    if body.key.is_empty() || body.key.chars().count() > MAXIMUM_ID_LENGTH {
        faults.push(Fault::new("/key", format!("a variable's key has 1 to {MAXIMUM_ID_LENGTH} characters")));
    }
    faults.extend(refuse_team(body.team_name.as_ref()).err());
    if !faults.is_empty() {
        return Err(Problem::faulty(Faults(faults)));
    }
    Ok(VariableRow {
        value: secrets.seal_variable(&body.key, &body.text()?)?,
        key: body.key,
        description: body.description,
    })
}

/// The row with what the patch changes.
fn patched(
    secrets: Secrets<'_>,
    stored: VariableRow,
    patch: &Patch<VariableBody>,
    mask: &[String],
) -> Answer<VariableRow> {
    if mask.iter().any(|member| member == "key") {
        return Err(Problem::bad_request("a variable's key cannot be changed: make another variable"));
    }
    let mut changed = stored;
    if patch.changes("value", mask) {
        changed.value = secrets.seal_variable(&changed.key, &patch.body.text()?)?;
    }
    if patch.changes("description", mask) {
        changed.description.clone_from(&patch.body.description);
    }
    Ok(changed)
}
