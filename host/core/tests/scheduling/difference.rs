use airlock_core::dag::{Change, Dag, EdgeLabel, Task, TaskGroup, difference};
use serde_json::json;

use crate::cases::{dag, task};

fn with_group(dag: Dag, group_id: &str, tooltip: &str) -> Dag {
    let group = TaskGroup {
        group_id: group_id.to_owned(),
        group_display_name: None,
        parent: None,
        tooltip: Some(tooltip.to_owned()),
        prefix_group_id: true,
        mapping: None,
    };
    Dag { task_groups: vec![group], ..dag }
}

#[test]
fn a_difference_names_what_was_added_removed_and_changed() {
    let mut load = task("load");
    load.args.insert("sql".to_owned(), json!({ "text": "select 1", "conn_id": "warehouse" }));
    let before = with_group(dag(vec![task("gone"), load.clone(), task("same")]), "g", "old");
    load.args.insert("sql".to_owned(), json!({ "text": "select 2", "conn_id": "warehouse", "commit": true }));
    let load = Task { upstream: vec!["new".to_owned()], retries: 3, ..load };
    let label = EdgeLabel { from: "new".to_owned(), to: "load".to_owned(), label: "then".to_owned() };
    let after = with_group(dag(vec![task("same"), task("new"), load]), "g", "new");
    let after = Dag { max_active_runs: 2, tags: vec!["sales".to_owned()], edge_labels: vec![label], ..after };

    let found = difference(&before, &after);

    let change = |pointer: &str, before, after| Change { pointer: pointer.to_owned(), before, after };
    assert_eq!(
        found.settings,
        [change("/max_active_runs", json!(16), json!(2)), change("/tags", json!([]), json!(["sales"]))]
    );
    assert_eq!((found.tasks.added, found.tasks.removed), (vec!["new".to_owned()], vec!["gone".to_owned()]));
    assert_eq!(found.tasks.changed.len(), 1, "the order of tasks is no difference");
    assert_eq!(
        found.tasks.changed[0].changes,
        [
            change("/args/sql/commit", json!(null), json!(true)),
            change("/args/sql/text", json!("select 1"), json!("select 2")),
            change("/retries", json!(0), json!(3)),
            change("/upstream", json!([]), json!(["new"])),
        ]
    );
    assert_eq!(found.task_groups.changed[0].changes, [change("/tooltip", json!("old"), json!("new"))]);
    assert_eq!(found.edge_labels.added, ["new -> load"]);
    assert_eq!(difference(&before, &before), Default::default());
}
