use airlock_core::asset::{AssetOrAlias, AssetRole, References, references};
use airlock_core::dag::{Dag, Schedule};
use serde_json::{Value, json};

use crate::{assert_fault, read, with, with_task};

#[test]
fn assets_are_uris_or_objects() {
    let outlets = json!(["s3://a", {"name": "b", "uri": "s3://b", "group": "g", "extra": {"k": 1}}, {"name": "c"}]);
    let dag = read(with_task(json!({"outlets": outlets, "inlets": ["s3://d"]})));
    let named: Vec<_> = dag.tasks[0].outlets.iter().filter_map(AssetOrAlias::asset).collect();
    let keys: Vec<_> = named.iter().map(|asset| (asset.name.as_str(), asset.uri.as_str())).collect();
    assert_eq!(keys, [("s3://a", "s3://a"), ("b", "s3://b"), ("c", "c")]);
    assert_eq!((named[0].group.as_str(), dag.tasks[0].inlets.len()), ("asset", 1));

    let scheduled = |condition: Value| with(json!({"schedule": {"type": "assets", "condition": condition}}));
    let nested = json!({"all": ["s3://a", {"any": [{"uri": "s3://b"}, "s3://c"]}]});
    let Schedule::Assets { condition } = read(scheduled(nested)).schedule else { panic!("no schedule on assets") };
    assert_eq!(condition.leaves().len(), 3);
    let mut deep = json!("s3://a");
    for _ in 0..40 {
        deep = json!({"all": [deep]});
    }
    for (condition, pointer, part) in [
        (json!(5), "/schedule/condition", "expected an asset's URI"),
        (json!({"all": []}), "/schedule/condition/all", "at least one"),
        (json!({"all": ["a"], "any": ["b"]}), "/schedule/condition/any", "has no field"),
        (json!({"any": ["a", ""]}), "/schedule/condition/any/1", "printable"),
        (json!({"group": "g"}), "/schedule/condition", "needs a `uri` or a `name`"),
        (json!({"alias": ""}), "/schedule/condition/alias", "printable"),
        (json!({"any": [{"alias": "a", "uri": "s3://a"}]}), "/schedule/condition/any/0/uri", "has no field"),
    ] {
        assert_fault(scheduled(condition), pointer, part);
    }
    let at = format!("/schedule/condition{}", "/all/0".repeat(16));
    assert_fault(scheduled(deep), &at, "at most 16 deep");
    assert_fault(with_task(json!({"outlets": "s3://a"})), "/tasks/0/outlets", "an array");
}

#[test]
fn an_alias_can_stand_where_an_asset_can() {
    let condition = json!({"all": ["s3://a", {"alias": "exports", "group": "g"}]});
    let mut document =
        with_task(json!({"outlets": [{"alias": "exports"}, "s3://a"], "inlets": [{"alias": "imports"}]}));
    document["schedule"] = json!({"type": "assets", "condition": condition});
    let dag = read(document);
    let References { assets, aliases } = references(&dag);
    let named: Vec<_> = aliases.iter().map(|one| (one.role, one.to.name.as_str(), one.task_id)).collect();
    let expected =
        [(AssetRole::Schedule, "exports", ""), (AssetRole::Outlet, "exports", "a"), (AssetRole::Inlet, "imports", "a")];
    assert_eq!(named, expected);
    assert_eq!(assets.len(), 2, "scheduled on, and produced");
    let Schedule::Assets { condition } = &dag.schedule else { panic!("no schedule on assets") };
    assert_eq!(condition.expression()["all"][1], json!({"alias": {"name": "exports", "group": "g"}}));
    let stored = serde_json::to_value(&dag).unwrap();
    assert_eq!(serde_json::from_value::<Dag>(stored).unwrap(), dag);
}
