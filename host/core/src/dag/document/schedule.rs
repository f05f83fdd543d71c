//! `schedule`: null, a cron expression, a preset, or an object with a `type`.

use chrono::{DateTime, Utc};

use super::asset;
use super::fields::{Fields, Found};
use crate::dag::{RunImmediately, Schedule, Seconds};
use crate::fault::describe;
use crate::near::{nearest, suggestion};
use crate::timetable::{check_cron, check_key_format};

const TYPES: &[&str] = &[
    "cron_trigger",
    "cron_data_interval",
    "cron_partition",
    "delta_trigger",
    "delta_data_interval",
    "events",
    "assets",
];

/// As Airflow writes a partition's key unless it is told otherwise.
const KEY_FORMAT: &str = "%Y-%m-%dT%H:%M:%S";

/// The most ticks between a run and the partition that it is about.
const FARTHEST: i32 = 1_000;

/// Airflow's presets, each with the cron expression that it stands for, in either case. `@once` and `@continuous` stand for none.
const PRESETS: &[(&str, &str)] = &[
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@quarterly", "0 0 1 */3 *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

/// The most cron expressions or dates that one schedule may have.
const MOST: usize = 1_000;

pub(super) fn read(found: Option<Found<'_>>) -> Schedule {
    let Some(found) = found else { return Schedule::None };
    if found.value.is_string() {
        from_text(&found)
    } else if let Some(fields) = found.value.is_object().then(|| found.fields()).flatten() {
        from_object(&fields).unwrap_or(Schedule::None)
    } else {
        found.expected("null, a cron expression, a preset such as \"@daily\", or an object with a `type`");
        Schedule::None
    }
}

fn from_text(found: &Found<'_>) -> Schedule {
    match found.value.as_str() {
        Some("@once") => Schedule::Once,
        Some("@continuous") => Schedule::Continuous,
        _ => cron(found).map_or(Schedule::None, |cron| trigger(vec![cron])),
    }
}

/// A cron expression, or the one that a preset stands for.
fn cron(found: &Found<'_>) -> Option<String> {
    let text = found.text()?.trim();
    if !text.starts_with('@') {
        return match check_cron(text) {
            Ok(()) => Some(text.to_owned()),
            Err(reason) => {
                found.fault(format!("\"{text}\" is no cron expression: {reason}"));
                None
            }
        };
    }
    let preset = PRESETS.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
    if preset.is_none() {
        let names = || PRESETS.iter().map(|(name, _)| *name).chain(["@once", "@continuous"]);
        let near = nearest(text, names());
        let valid = names().collect::<Vec<_>>().join(", ");
        found.fault(format!("{} is no preset{}; valid are {valid}", describe(found.value), suggestion(&near)));
    }
    preset.map(|(_, cron)| (*cron).to_owned())
}

fn trigger(cron: Vec<String>) -> Schedule {
    Schedule::CronTrigger { cron, interval: Seconds::default(), run_immediately: RunImmediately::default() }
}

fn from_object(fields: &Fields<'_>) -> Option<Schedule> {
    let kind_found = fields.required("type")?;
    let kind = kind_found.text()?;
    let known: &[&str] = match kind {
        "cron_trigger" => &["type", "cron", "interval", "run_immediately"],
        "cron_data_interval" => &["type", "cron"],
        "cron_partition" => &["type", "cron", "run_offset", "key_format", "run_immediately"],
        "delta_trigger" => &["type", "delta", "interval"],
        "delta_data_interval" => &["type", "delta"],
        "events" => &["type", "dates"],
        "assets" => &["type", "condition"],
        _ => {
            let near = nearest(kind, TYPES.iter().copied());
            let valid = TYPES.join(", ");
            kind_found.fault(format!("`{kind}` is no type of schedule{}; valid are {valid}", suggestion(&near)));
            return None;
        }
    };
    fields.refuse_unknown(&format!("a schedule of type `{kind}`"), &[known]);
    let interval = || fields.seconds("interval").unwrap_or_default();
    let immediately = || fields.get("run_immediately").and_then(|found| run_immediately(&found)).unwrap_or_default();
    match kind {
        "cron_trigger" => Some(Schedule::CronTrigger {
            cron: crons(&fields.required("cron")?)?,
            interval: interval(),
            run_immediately: immediately(),
        }),
        "cron_partition" => Some(Schedule::CronPartition {
            cron: cron(&fields.required("cron")?)?,
            run_offset: fields.whole("run_offset", -FARTHEST..=FARTHEST).unwrap_or_default(),
            key_format: fields
                .get("key_format")
                .map_or_else(|| Some(KEY_FORMAT.to_owned()), |found| key_format(&found))?,
            run_immediately: immediately(),
        }),
        "cron_data_interval" => Some(Schedule::CronDataInterval { cron: cron(&fields.required("cron")?)? }),
        "delta_trigger" => {
            Some(Schedule::DeltaTrigger { delta: delta(&fields.required("delta")?)?, interval: interval() })
        }
        "delta_data_interval" => Some(Schedule::DeltaDataInterval { delta: delta(&fields.required("delta")?)? }),
        "assets" => Some(Schedule::Assets { condition: asset::condition(&fields.required("condition")?)? }),
        _ => Some(Schedule::Events { dates: dates(&fields.required("dates")?)? }),
    }
}

/// `true`, `false`, or within which time a tick still counts.
fn run_immediately(found: &Found<'_>) -> Option<RunImmediately> {
    Some(match found.value.as_bool() {
        Some(true) => RunImmediately::Always,
        Some(false) => RunImmediately::Never,
        None => RunImmediately::Within(found.seconds()?),
    })
}

fn key_format(found: &Found<'_>) -> Option<String> {
    let format = found.text()?;
    if let Err(fault) = check_key_format(format) {
        found.fault(fault);
        return None;
    }
    Some(format.to_owned())
}

/// One expression or several.
fn crons(found: &Found<'_>) -> Option<Vec<String>> {
    if found.value.is_string() {
        return Some(vec![cron(found)?]);
    }
    let Some(items) = found.value.is_array().then(|| found.items()).flatten() else {
        found.expected("a cron expression or an array of them");
        return None;
    };
    let crons: Vec<String> = items.take(MOST + 1).filter_map(|item| cron(&item)).collect();
    bounded(found, crons)
}

fn dates(found: &Found<'_>) -> Option<Vec<DateTime<Utc>>> {
    let mut dates: Vec<_> = found.items()?.take(MOST + 1).filter_map(|item| item.instant()).collect();
    dates.sort();
    dates.dedup();
    bounded(found, dates)
}

fn bounded<T>(found: &Found<'_>, items: Vec<T>) -> Option<Vec<T>> {
    if items.is_empty() || items.len() > MOST {
        found.fault(format!("expected an array of 1 to {MOST} items"));
        return None;
    }
    Some(items)
}

fn delta(found: &Found<'_>) -> Option<Seconds> {
    let delta = found.seconds()?;
    if delta.0 < 1.0 {
        found.expected("a duration of at least one second");
        return None;
    }
    Some(delta)
}
