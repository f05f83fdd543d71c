//! What can be said of a task and also, as a default, of every task: the members of `default_args`.

use serde_json::{Map, Value};

use super::asset;
use super::fields::{Fields, Found};
use crate::asset::AssetOrAlias;
use crate::dag::{Seconds, Sensor, SensorMode};
use crate::limits::{GRANT_KINDS, Grants, LimitOverrides, Limits};
use crate::near::{nearest, suggestion};
use crate::state::{TriggerRule, WeightRule};

/// Fields of a task that `default_args` may give for all.
pub(super) const SETTINGS: &[&str] = &[
    "owner",
    "trigger_rule",
    "retries",
    "retry_delay",
    "retry_exponential_backoff",
    "max_retry_delay",
    "execution_timeout",
    "depends_on_past",
    "wait_for_downstream",
    "ignore_first_depends_on_past",
    "pool",
    "pool_slots",
    "priority_weight",
    "weight_rule",
    "queue",
    "max_active_tis_per_dag",
    "max_active_tis_per_dagrun",
    "do_xcom_push",
    "multiple_outputs",
    "grants",
    "limits",
    "outlets",
    "inlets",
    "callbacks",
];

/// Those of them that only a sensor has. Among defaults they pass over other tasks.
pub(super) const SENSOR_SETTINGS: &[&str] =
    &["poke_interval", "timeout", "mode", "soft_fail", "never_fail", "silent_fail", "exponential_backoff", "max_wait"];

/// The settings of one task, each with its default where neither the task nor `default_args` says anything.
pub(super) struct Settings {
    pub owner: Option<String>,
    pub trigger_rule: TriggerRule,
    pub retries: u32,
    pub retry_delay: Seconds,
    pub retry_exponential_backoff: f64,
    pub max_retry_delay: Option<Seconds>,
    pub execution_timeout: Option<Seconds>,
    pub depends_on_past: bool,
    pub wait_for_downstream: bool,
    pub ignore_first_depends_on_past: bool,
    pub pool: String,
    pub pool_slots: u32,
    pub priority_weight: i32,
    pub weight_rule: WeightRule,
    pub queue: String,
    pub max_active_tis_per_dag: Option<u32>,
    pub max_active_tis_per_dagrun: Option<u32>,
    pub do_xcom_push: bool,
    pub multiple_outputs: bool,
    pub grants: Option<Grants>,
    pub limits: LimitOverrides,
    pub outlets: Vec<AssetOrAlias>,
    pub inlets: Vec<AssetOrAlias>,
    pub sensor: Sensor,
}

/// The queue of what names none.
pub(super) const DEFAULT_QUEUE: &str = "default";

/// The largest whole number that every database column and client can hold.
pub(super) const LARGEST: u32 = i32::MAX as u32;

impl Settings {
    pub fn read(fields: &Fields<'_>) -> Self {
        Self {
            owner: fields.text("owner"),
            trigger_rule: fields.named("trigger_rule").unwrap_or(TriggerRule::AllSuccess),
            retries: fields.whole("retries", 0..=LARGEST).unwrap_or(0),
            retry_delay: fields.seconds("retry_delay").unwrap_or(Seconds(300.0)),
            retry_exponential_backoff: fields
                .get("retry_exponential_backoff")
                .and_then(|found| backoff(&found))
                .unwrap_or(0.0),
            max_retry_delay: fields.seconds("max_retry_delay"),
            execution_timeout: fields.get("execution_timeout").and_then(|found| positive(&found)),
            depends_on_past: fields.boolean("depends_on_past").unwrap_or(false),
            wait_for_downstream: fields.boolean("wait_for_downstream").unwrap_or(false),
            ignore_first_depends_on_past: fields.boolean("ignore_first_depends_on_past").unwrap_or(true),
            pool: fields.text("pool").unwrap_or_else(|| "default_pool".to_owned()),
            pool_slots: fields.whole("pool_slots", 1..=LARGEST).unwrap_or(1),
            priority_weight: fields.whole("priority_weight", i32::MIN..=i32::MAX).unwrap_or(1),
            weight_rule: fields.named("weight_rule").unwrap_or(WeightRule::Downstream),
            queue: fields.get("queue").and_then(|found| queue(&found)).unwrap_or_else(|| DEFAULT_QUEUE.to_owned()),
            max_active_tis_per_dag: fields.whole("max_active_tis_per_dag", 1..=LARGEST),
            max_active_tis_per_dagrun: fields.whole("max_active_tis_per_dagrun", 1..=LARGEST),
            do_xcom_push: fields.boolean("do_xcom_push").unwrap_or(true),
            multiple_outputs: fields.boolean("multiple_outputs").unwrap_or(false),
            grants: fields.get("grants").and_then(|found| grants(&found)),
            limits: fields.get("limits").and_then(|found| limits(&found)).unwrap_or_default(),
            outlets: fields.get("outlets").map(|found| asset::list(&found)).unwrap_or_default(),
            inlets: fields.get("inlets").map(|found| asset::list(&found)).unwrap_or_default(),
            sensor: sensor(fields),
        }
    }
}

/// `false` and 0: constant; `true`: 2; any other number from 1: the factor.
fn backoff(found: &Found<'_>) -> Option<f64> {
    let factor = match found.value {
        Value::Bool(doubles) => Some(if *doubles { 2.0 } else { 0.0 }),
        value => value.as_f64().filter(|factor| *factor == 0.0 || (1.0..=1_000.0).contains(factor)),
    };
    if factor.is_none() {
        found.expected("true, false, or a factor from 1 to 1000 (0: no backoff)");
    }
    factor
}

pub(super) fn positive(found: &Found<'_>) -> Option<Seconds> {
    let seconds = found.seconds()?;
    if seconds.0 <= 0.0 {
        found.expected("a duration longer than 0");
        return None;
    }
    Some(seconds)
}

pub(super) fn queue(found: &Found<'_>) -> Option<String> {
    let name = found.text()?;
    if name.is_empty() || name.chars().count() > 256 {
        found.fault("a queue's name is 1 to 256 characters long");
        return None;
    }
    Some(name.to_owned())
}

fn sensor_mode(found: &Found<'_>) -> Option<SensorMode> {
    let mode = found.text()?.parse().ok();
    if mode.is_none() {
        found.expected("\"reschedule\" or \"poke\"");
    }
    mode
}

fn sensor(fields: &Fields<'_>) -> Sensor {
    let (soft_fail, never_fail) = (fields.boolean("soft_fail"), fields.boolean("never_fail"));
    if let (Some(true), Some(true), Some(found)) = (soft_fail, never_fail, fields.get("never_fail")) {
        found.fault("a sensor has either `soft_fail` or `never_fail`, not both");
    }
    Sensor {
        mode: fields.get("mode").and_then(|found| sensor_mode(&found)).unwrap_or_default(),
        poke_interval: fields.seconds("poke_interval").unwrap_or(Seconds(60.0)),
        timeout: fields.seconds("timeout").unwrap_or(Seconds(7.0 * 86_400.0)),
        soft_fail: soft_fail.unwrap_or(false),
        never_fail: never_fail.unwrap_or(false),
        silent_fail: fields.boolean("silent_fail").unwrap_or(false),
        exponential_backoff: fields.boolean("exponential_backoff").unwrap_or(false),
        max_wait: fields.seconds("max_wait"),
    }
}

pub(super) fn grants(found: &Found<'_>) -> Option<Grants> {
    let mut grants = Grants([].into());
    for item in found.texts()? {
        let Some(grant) = item.text() else { continue };
        let known = grant == "*" || GRANT_KINDS.iter().any(|kind| grant.starts_with(&format!("{kind}:")));
        if known {
            grants.0.insert(grant.to_owned());
        } else {
            let valid = GRANT_KINDS.iter().map(|kind| format!("`{kind}:...`")).collect::<Vec<_>>().join(", ");
            item.fault(format!("`{grant}` is no grant; valid are {valid}, with a name or `*` at the end"));
        }
    }
    Some(grants)
}

/// Limits that are counts, 32 bits wide.
const NARROW: &[&str] = &["instances", "handles", "xcom_count", "asset_event_count", "map_length"];

pub(super) fn limits(found: &Found<'_>) -> Option<LimitOverrides> {
    // The names are those of the structure itself, so that a new limit is known here without a word.
    let known = serde_json::to_value(Limits::default()).ok()?;
    let names: Vec<&str> = known.as_object()?.keys().map(String::as_str).collect();
    let fields = found.fields()?;
    fields.refuse_unknown("`limits`", &[&names]);
    let mut valid = Map::new();
    for name in names {
        let Some(limit) = fields.get(name) else { continue };
        let whole = match known.get(name) {
            Some(_) if NARROW.contains(&name) => limit.whole(0..=LARGEST).map(i64::from),
            _ => limit.whole(0..=i64::MAX),
        };
        if let Some(whole) = whole {
            valid.insert(name.to_owned(), Value::from(whole));
        }
    }
    serde_json::from_value(Value::Object(valid)).ok()
}

/// A sensor's field on a task that is none.
pub(super) fn refuse_sensor_settings(own: &Fields<'_>, operator: &str) {
    for name in SENSOR_SETTINGS {
        if let Some(found) = own.own(name) {
            found.fault(format!("`{name}` is a field of sensors, and `{operator}` is none; remove it"));
        }
    }
}

/// `pool` against the pools that there are.
pub(super) fn check_pool(fields: &Fields<'_>, pool: &str, catalogue: &dyn crate::dag::Catalogue) {
    if catalogue.pool_exists(pool) {
        return;
    }
    let detail = |near: Vec<String>| format!("there is no pool `{pool}`{}", suggestion(&near));
    let near = || {
        let names = catalogue.pool_names();
        nearest(pool, names.iter().map(String::as_str))
    };
    let near = if fields.sink.wants_suggestions() { near() } else { Vec::new() };
    match fields.get("pool") {
        Some(found) => found.fault(detail(near)),
        None => fields.fault(detail(near)),
    }
}
