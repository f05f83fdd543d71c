use airlock_core::asset::{Asset, AssetCondition, AssetKey, AssetRole, DagLinks, dependencies};
use serde_json::{Map, Value};

use crate::cases::{equal, field, judge};

fn condition(expression: &Value) -> AssetCondition {
    if let Some(name) = expression.as_str() {
        let (name, uri) = (name.to_owned(), name.to_owned());
        return AssetCondition::Asset(Asset { name, uri, group: Asset::GROUP.to_owned(), extra: Map::new() });
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
            let has_event = |asset: AssetKey<'_>| events.iter().any(|name| name == asset.name);
            equal(condition(&case["schedule"]).holds(&has_event), field(case, "expect_triggered"))
        },
    );
}

#[test]
fn a_condition_is_stored_as_it_is_written() {
    let nested = condition(&serde_json::json!(["all", [["any", ["x", "y"]], "z"]]));
    let stored = serde_json::to_value(&nested).unwrap();
    assert_eq!(stored["all"][0]["any"][1]["uri"], "y");
    assert_eq!(serde_json::from_value::<AssetCondition>(stored).unwrap(), nested);
}

#[test]
fn dags_depend_on_each_other_by_assets() {
    let link = |dag_id: &str, role, asset_id, asset_name: &str| DagLinks {
        dag_id: dag_id.to_owned(),
        role,
        asset_id,
        asset_name: asset_name.to_owned(),
    };
    let links = [
        link("load", AssetRole::Outlet, 1, "raw"),
        link("report", AssetRole::Schedule, 1, "raw"),
        link("report", AssetRole::Inlet, 2, "other"),
        link("else", AssetRole::Outlet, 2, "other"),
    ];
    let all = dependencies(&links, None).unwrap();
    let edges: Vec<_> = all.edges.iter().map(|edge| (edge.source.as_str(), edge.target.as_str())).collect();
    assert_eq!(edges, [("asset:1", "dag:report"), ("dag:else", "asset:2"), ("dag:load", "asset:1")]);
    assert_eq!(all.nodes.len(), 5);
    let part = dependencies(&links, Some("dag:report")).unwrap();
    let ids: Vec<_> = part.nodes.iter().map(|node| node.id.as_str()).collect();
    assert_eq!(ids, ["asset:1", "dag:load", "dag:report"]);
    assert_eq!(part.edges.len(), 2);
    assert_eq!(dependencies(&links, Some("dag:nothing")), None);
}
