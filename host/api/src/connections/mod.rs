//! `/connections`.

pub mod bulk;
pub mod create;
pub mod delete;
pub mod get;
pub mod list;
pub mod patch;
pub mod test;

use airlock_core::fault::{Fault, Faults};
use airlock_core::mask::MASK;
use airlock_store::settings::ConnectionRow;
use serde_json::{Map, Value};

use crate::extract::Patch;
use crate::models::ConnectionBody;
use crate::pools::refuse_team;
use crate::problem::{Answer, Problem};
use crate::secret::{Secrets, merged};

const LONGEST_ID: usize = 200;

fn absent(conn_id: &str) -> Problem {
    Problem::not_found(format!("The Connection with connection_id: `{conn_id}` was not found"))
}

/// Airflow's `^[\w.-]+$`.
fn is_id(text: &str) -> bool {
    let allowed = |letter: char| letter.is_alphanumeric() || "_.-".contains(letter);
    !text.is_empty() && text.chars().count() <= LONGEST_ID && text.chars().all(allowed)
}

fn check(body: &ConnectionBody) -> Result<(), Faults> {
    let mut faults = Vec::new();
    if !is_id(&body.connection_id) {
        let detail = format!("a connection's id has 1 to {LONGEST_ID} letters, digits, `_`, `.` or `-`");
        faults.push(Fault::new("/connection_id", detail));
    }
    if body.conn_type.is_empty() {
        faults.push(Fault::new("/conn_type", "a connection has a type, such as `postgres`, `http` or `aws`"));
    }
    faults.extend(extra(body).err());
    faults.extend(refuse_team(body.team_name.as_ref()).err());
    if faults.is_empty() { Ok(()) } else { Err(Faults(faults)) }
}

/// The object that `extra` holds as a text; an empty text is an empty object, as in Airflow.
fn extra(body: &ConnectionBody) -> Result<Option<Map<String, Value>>, Fault> {
    match body.extra.as_deref() {
        None => Ok(None),
        Some("") => Ok(Some(Map::new())),
        Some(text) => serde_json::from_str(text).map(Some).map_err(|error| {
            Fault::new("/extra", format!("the text must be a JSON object such as `{{\"key\": \"value\"}}`: {error}"))
        }),
    }
}

fn row(secrets: Secrets<'_>, body: ConnectionBody) -> Answer<ConnectionRow> {
    check(&body).map_err(Problem::faulty)?;
    let extra = extra(&body).map_err(|fault| Problem::faulty(Faults(vec![fault])))?;
    Ok(ConnectionRow {
        password: secrets.seal_password(&body.connection_id, body.password.as_deref())?,
        extra: secrets.seal_extra(&body.connection_id, extra.as_ref())?,
        conn_id: body.connection_id,
        conn_type: body.conn_type,
        description: body.description,
        host: body.host,
        login: body.login,
        schema: body.schema,
        port: body.port,
    })
}

/// The row with what the patch changes. A mask sent back leaves the secret as it is.
fn patched(
    secrets: Secrets<'_>,
    stored: ConnectionRow,
    patch: &Patch<ConnectionBody>,
    mask: &[String],
) -> Answer<ConnectionRow> {
    let body = &patch.body;
    check(body).map_err(Problem::faulty)?;
    let mut changed = stored;
    if patch.changes("extra", mask) {
        let sent = extra(body).map_err(|fault| Problem::faulty(Faults(vec![fault])))?;
        let old = secrets.extra(&changed)?.map(Value::Object);
        let extra = match sent.map(|sent| merged("", Value::Object(sent), old.as_ref())) {
            Some(Value::Object(extra)) => Some(extra),
            _ => None,
        };
        changed.extra = secrets.seal_extra(&changed.conn_id, extra.as_ref())?;
    }
    if patch.changes("password", mask) && body.password.as_deref() != Some(MASK) {
        changed.password = secrets.seal_password(&changed.conn_id, body.password.as_deref())?;
    }
    if patch.changes("conn_type", mask) {
        changed.conn_type.clone_from(&body.conn_type);
    }
    if patch.changes("port", mask) {
        changed.port = body.port;
    }
    for (member, field, value) in [
        ("description", &mut changed.description, &body.description),
        ("host", &mut changed.host, &body.host),
        ("login", &mut changed.login, &body.login),
        ("schema", &mut changed.schema, &body.schema),
    ] {
        if patch.changes(member, mask) {
            field.clone_from(value);
        }
    }
    Ok(changed)
}
