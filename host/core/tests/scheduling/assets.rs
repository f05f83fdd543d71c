use airlock_core::asset::{
    Asset, AssetAlias, AssetCondition, AssetOrAlias, AssetRole, DagLinks, LinkTarget, OutletEvent, add_events,
    dependencies,
};
use airlock_core::run::{Move, RunChange, Settles};
use airlock_core::state::TaskState;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::cases::{Moment, equal, field, judge, task};

fn condition(expression: &Value) -> AssetCondition {
    if let Some(name) = expression.as_str() {
        let (name, uri) = (name.to_owned(), name.to_owned());
        return Asset { name, uri, group: Asset::GROUP.to_owned(), extra: Map::new() }.into();
    }
    let parts = expression[1].as_array().unwrap().iter().map(condition).collect();
    match expression[0].as_str() {
        Some("all") => AssetCondition::All { all: parts },
        Some("any") => AssetCondition::Any { any: parts },
        _ => panic!("{expression} is no expression"),
    }
}

#[test]
fn conformance_of_asset_conditions() {
    judge(
        "assets",
        "cases",
        |_| true,
        |case| {
            let events: Vec<String> = field(case, "assets_with_new_events");
            let has_event = |leaf: &AssetOrAlias| leaf.asset().is_some_and(|asset| events.contains(&asset.name));
            equal(condition(&case["schedule"]).holds(&has_event), field(case, "expect_triggered"))
        },
    );
}

#[test]
fn a_condition_is_stored_as_it_is_written() {
    let nested = condition(&json!(["all", [["any", ["x", "y"]], "z"]]));
    let stored = serde_json::to_value(&nested).unwrap();
    assert_eq!(stored["all"][0]["any"][1]["uri"], "y");
    assert_eq!(serde_json::from_value::<AssetCondition>(stored).unwrap(), nested);
}

#[test]
fn dags_depend_on_each_other_by_assets() {
    let link = |dag_id: &str, role, id, name: &str| DagLinks {
        dag_id: dag_id.to_owned(),
        role,
        target: if name == "alias" { LinkTarget::Alias } else { LinkTarget::Asset },
        id,
        name: name.to_owned(),
    };
    let links = [
        link("load", AssetRole::Outlet, 1, "raw"),
        link("report", AssetRole::Schedule, 1, "raw"),
        link("report", AssetRole::Inlet, 2, "other"),
        link("else", AssetRole::Outlet, 2, "other"),
        link("follower", AssetRole::Schedule, 1, "alias"),
    ];
    let all = dependencies(&links, None).unwrap();
    let edges: Vec<_> = all.edges.iter().map(|edge| (edge.source.as_str(), edge.target.as_str())).collect();
    let expected = [
        ("asset-alias:1", "dag:follower"),
        ("asset:1", "dag:report"),
        ("dag:else", "asset:2"),
        ("dag:load", "asset:1"),
    ];
    assert_eq!(edges, expected);
    assert_eq!(all.nodes.len(), 7);
    let part = dependencies(&links, Some("dag:report")).unwrap();
    let ids: Vec<_> = part.nodes.iter().map(|node| node.id.as_str()).collect();
    assert_eq!(ids, ["asset:1", "dag:load", "dag:report"]);
    assert_eq!(part.edges.len(), 2);
    assert_eq!(dependencies(&links, Some("dag:nothing")), None);
}

fn asset(name: &str) -> Asset {
    Asset { name: name.to_owned(), uri: format!("s3://{name}"), group: Asset::GROUP.to_owned(), extra: Map::new() }
}

fn extra(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

/// The end of a try of the only instance, with what it has said.
fn end(to: TaskState, final_state: TaskState, outlet_events: Vec<OutletEvent>) -> Move {
    let at: Moment = "2026-01-01T00:00:00Z".parse().unwrap();
    Move {
        instance: Uuid::from_u128(1),
        from_states: vec![Some(TaskState::Running)],
        from_try: 1,
        to: Some(to),
        to_try: 1,
        max_tries: 1,
        at,
        wake_at: None,
        reschedules: 0,
        resume_state: None,
        message: None,
        settles: Some(Settles {
            lease_token: Some(Uuid::from_u128(2)),
            started_at: None,
            ended_at: at,
            hostname: None,
            final_state: Some(final_state),
            cause: None,
            message: None,
            rendered_fields: None,
            skips: Vec::new(),
            map_length: None,
            outlet_events,
        }),
    }
}

#[test]
fn what_a_task_has_said_becomes_true_with_its_success() {
    let alias = |name: &str| AssetAlias { name: name.to_owned(), group: Asset::GROUP.to_owned() };
    let mut load = task("load");
    load.outlets = vec![asset("a").into(), asset("b").into(), alias("exports").into(), alias("regions").into()];
    let of_a = |value| OutletEvent::Extra { name: "a".to_owned(), uri: "s3://a".to_owned(), extra: extra(value) };
    let by = |alias: &str, name: &str, value| OutletEvent::ByAlias {
        alias: alias.to_owned(),
        asset: asset(name),
        extra: extra(value),
    };
    let said = vec![
        of_a(json!({ "rows": 1 })),
        of_a(json!({ "rows": 2 })),
        by("exports", "eu", json!({ "rows": 3 })),
        by("regions", "eu", json!({ "rows": 3 })),
        by("exports", "eu", json!({ "rows": 4 })),
        by("exports", "a", json!({})),
        by("undeclared", "us", json!({})),
    ];
    let events_of = |to, final_state| {
        let mut change = RunChange { moves: vec![end(to, final_state, said.clone())], ..RunChange::default() };
        add_events(&mut change, |_| Some((&load, 7)));
        change.asset_events
    };
    let events = events_of(TaskState::Success, TaskState::Success);
    let shown: Vec<_> = events
        .iter()
        .map(|event| (event.asset.name.as_str(), event.extra.get("rows").cloned(), event.source_aliases.join(" ")))
        .collect();
    let rows = |number: u32| Some(json!(number));
    let expected = [
        ("a", rows(2), ""),
        ("b", None, ""),
        ("eu", rows(3), "exports regions"),
        ("eu", rows(4), "exports"),
        ("a", None, "exports"),
    ];
    assert_eq!(shown, expected.map(|(name, rows, aliases)| (name, rows, aliases.to_owned())));
    assert!(events.iter().all(|event| event.task_id == "load" && event.map_index == 7));
    assert!(events_of(TaskState::UpForRetry, TaskState::Failed).is_empty());
    assert!(events_of(TaskState::Skipped, TaskState::Skipped).is_empty());
    assert!(events_of(TaskState::Failed, TaskState::Failed).is_empty());
}
