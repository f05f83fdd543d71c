//! Mapped task groups, from a document to what each instance did.

use airlock_tests::{Database, Server};
use anyhow::Result;
use reqwest::Method;
use serde_json::{Value, json};

use crate::each::on_each;

on_each!(each_instance_of_a_group_goes_its_own_way, one_instance_is_cleared_by_itself);

fn bash(task_id: &str, command: &str) -> Value {
    json!({ "task_id": task_id, "operator": "bash", "task_group": "group", "args": { "bash_command": command } })
}

async fn each_instance_of_a_group_goes_its_own_way(database: Database) -> Result<()> {
    let server = Server::start(database)?;
    let api = server.api()?;
    for operator in ["bash", "sql", "branch"] {
        api.push(operator).await?;
    }
    api.put("/api/v2/tenants/default/policy", &json!({ "host_folders": [server.home()] })).await?;
    let file = server.home().join("lists.db");
    api.post("/api/v2/connections", &json!({ "connection_id": "lists", "conn_type": "sqlite", "host": file })).await?;
    let mut load = bash("load", "echo '{{ expanded.row.WHAT }} {{ expanded.mark }}'");
    load["map_index_template"] = json!("{{ expanded.row.WHAT }}");
    let mut choose = json!({ "task_id": "choose", "operator": "branch", "task_group": "group", "upstream": ["load"],
        "args": { "follow_task_ids": "{{ 'group.big' if expanded.row.WHAT == 'a' else 'group.small' }}" } });
    choose["retries"] = json!(0);
    let (mut big, mut small) =
        (bash("big", "echo 'big {{ ti.xcom_pull(task_ids=\"group.load\") }}'"), bash("small", "exit 1"));
    (big["upstream"], small["upstream"]) = (json!(["choose"]), json!(["choose"]));
    let query = "select 'a' as WHAT union all select 'b {' || '{ 3 }}' union all select 'c'";
    let list = json!({ "task_id": "list", "operator": "sql", "args": { "conn_id": "lists", "sql": query, "handler": "dicts" } });
    let all = json!({ "task_id": "all", "operator": "bash", "upstream": ["group"], "trigger_rule": "all_done",
        "args": { "bash_command": "echo '{{ ti.xcom_pull(task_ids=\"group.load\") | join(\"; \") }}'" } });
    api.apply(&json!({
        "dag_id": "grouped",
        "task_groups": [{ "group_id": "group", "expand": { "row": { "xcom": "list" }, "mark": ["!"] } }],
        "tasks": [list, load, choose, big, small, all],
    }))
    .await?;
    let run = api.trigger("grouped", json!({})).await?;
    assert_eq!(api.finished("grouped", &run).await?, "success");

    let base = format!("/api/v2/dags/grouped/dagRuns/{run}/taskInstances");
    let mapped = async |task: &str, member: &str| -> Result<Value> {
        let found = api.get(&format!("{base}/group.{task}/listMapped?order_by=map_index")).await?;
        Ok(found["task_instances"].as_array().into_iter().flatten().map(|one| one[member].clone()).collect())
    };
    assert_eq!(mapped("load", "rendered_map_index").await?, json!(["a", "b {{ 3 }}", "c"]));
    assert_eq!(mapped("choose", "state").await?, json!(["success", "success", "success"]));
    assert_eq!(mapped("big", "state").await?, json!(["success", "skipped", "skipped"]));
    assert_eq!(mapped("small", "state").await?, json!(["skipped", "failed", "failed"]));
    let own = api.get(&format!("{base}/group.big/xcomEntries/return_value?map_index=0&deserialize=true")).await?;
    assert_eq!(own["value"], "big a !", "inside the group a task has one value");
    assert_eq!(api.xcom("grouped", &run, "all", "return_value").await?, "a !; b {{ 3 }} !; c !");

    let nested = json!({ "dag_id": "nested", "task_groups": [{ "group_id": "group", "expand": { "x": [1] } }],
        "tasks": [{ "task_id": "t", "operator": "bash", "task_group": "group", "expand": { "bash_command": ["a"] } }] });
    let refused = api.refused(Method::PUT, "/api/v2/dags/nested", Some(&nested)).await?;
    assert_eq!(refused.status.as_u16(), 422);
    assert!(refused.body.to_string().contains("a task in a mapped group cannot be mapped itself"), "{}", refused.body);
    Ok(())
}

async fn one_instance_is_cleared_by_itself(database: Database) -> Result<()> {
    let server = Server::start(database)?;
    let api = server.api()?;
    api.push("bash").await?;
    let mut second = bash("second", "echo done");
    second["upstream"] = json!(["first"]);
    let first = bash("first", "test {{ expanded.n }} = 1 || exit {{ var.value.code }}");
    api.post("/api/v2/variables", &json!({ "key": "code", "value": "1" })).await?;
    api.apply(&json!({
        "dag_id": "again",
        "task_groups": [{ "group_id": "group", "expand_kwargs": [{ "n": 1 }, { "n": 2 }] }],
        "tasks": [first, second],
    }))
    .await?;
    let run = api.trigger("again", json!({})).await?;
    assert_eq!(api.finished("again", &run).await?, "failed");
    let of = |index: u32| format!("/api/v2/dags/again/dagRuns/{run}/taskInstances/group.second/{index}");
    assert_eq!(api.get(&of(0)).await?["state"], "success");
    let failed = api.get(&of(1)).await?;
    assert_eq!(failed["state"], "upstream_failed");

    api.patch("/api/v2/variables/code", &json!({ "key": "code", "value": "0" })).await?;
    let clear = json!({ "dry_run": false, "only_failed": false, "dag_run_id": run, "include_downstream": true,
        "task_ids": [["group.first", 1]] });
    let cleared = api.post("/api/v2/dags/again/clearTaskInstances", &clear).await?;
    assert_eq!(cleared["total_entries"], 2, "{cleared:#}");
    assert_eq!(api.finished("again", &run).await?, "success");
    assert_eq!(api.get(&of(1)).await?["state"], "success");
    assert_eq!(api.get(&of(0)).await?["try_number"], 1, "the other index was left alone");
    Ok(())
}
