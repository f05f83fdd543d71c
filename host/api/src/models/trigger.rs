//! What deferred tasks wait for, and events that end waits.

use airlock_core::trigger::Trigger;
use airlock_store::triggers::TriggerRow;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// What a deferred task waits for, in Airflow's shape.
#[derive(Debug, Serialize, ToSchema)]
pub struct TriggerResponse {
    id: i64,
    /// `airlock.triggers.` and the kind: `http`, `objects`, `sql`, `dag_run`, `tasks`, `posted_event`, `at`, `after`.
    classpath: String,
    /// The kind's arguments, as JSON, without what may be secret (header values, bodies and parameters).
    kwargs: String,
    created_date: DateTime<Utc>,
    queue: Option<String>,
    /// Any worker looks at any trigger: none is bound to one.
    triggerer_id: Option<i64>,
}

impl From<&TriggerRow> for TriggerResponse {
    fn from(row: &TriggerRow) -> Self {
        let kind = row.trigger.get("kind").and_then(Value::as_str).unwrap_or("unknown");
        let shown = serde_json::from_value(row.trigger.clone()).ok().and_then(|trigger: Trigger| {
            let shown = serde_json::to_value(trigger.without_secrets()).ok()?;
            shown.get("arguments").map(Value::to_string)
        });
        Self {
            id: row.id,
            classpath: format!("airlock.triggers.{kind}"),
            kwargs: shown.unwrap_or_else(|| "{}".to_owned()),
            created_date: row.created_at,
            queue: None,
            triggerer_id: None,
        }
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TriggerEventBody {
    /// What `resume` of the waiting tasks is given; null if there is nothing to say.
    #[serde(default)]
    pub payload: Value,
    /// For how many seconds the event is kept if nobody waits for it yet, at most a week.
    #[serde(default = "hour")]
    #[schema(minimum = 0, maximum = 604_800)]
    pub keep_for: u32,
}

fn hour() -> u32 {
    3_600
}

#[derive(Debug, Serialize, ToSchema)]
pub struct TriggerEventResponse {
    pub name: String,
    /// Tasks that waited for the event, and go on.
    pub woken: u64,
    /// Until when it is kept for the first task that comes to wait; null if it has woken some.
    pub kept_until: Option<DateTime<Utc>>,
}
