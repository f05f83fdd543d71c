//! Dynamic task mapping, from a document to what each instance did.

use airlock_tests::{Api, Database, Server};
use anyhow::Result;
use reqwest::Method;
use serde_json::{Value, json};

use crate::each::on_each;

on_each!(
    a_task_is_mapped_over_what_others_return,
    combinations_and_sets_of_arguments,
    nothing_to_map_over_and_too_much,
    a_mapped_task_that_is_cleared_is_mapped_anew,
);

/// A server with the operators `bash` and `sql`, and a database `lists` whose queries give lists.
async fn furnished(server: &Server) -> Result<Api> {
    let api = server.api()?;
    api.push("bash").await?;
    api.push("sql").await?;
    api.put("/api/v2/tenants/default/policy", &json!({ "host_folders": [server.home()] })).await?;
    let file = server.home().join("lists.db");
    api.post("/api/v2/connections", &json!({ "connection_id": "lists", "conn_type": "sqlite", "host": file })).await?;
    Ok(api)
}

/// A task that returns the rows of a query, each an object.
fn list(task_id: &str, query: &str) -> Value {
    json!({ "task_id": task_id, "operator": "sql", "args": { "conn_id": "lists", "sql": query, "handler": "dicts" } })
}

fn members<'a>(found: &'a Value, member: &str) -> Vec<&'a Value> {
    found["task_instances"].as_array().into_iter().flatten().map(|one| &one[member]).collect()
}

async fn a_task_is_mapped_over_what_others_return(database: Database) -> Result<()> {
    let server = Server::start(database)?;
    let api = furnished(&server).await?;
    api.apply(&json!({
        "dag_id": "mapped",
        "tasks": [
            list("files", "select 'a {{ 1 + 1 }} {' || '{ 3 }}' as WHAT union all select 'b' union all select 'c'"),
            { "task_id": "say", "operator": "bash", "args": { "bash_command": "echo \"said $WHAT\"" },
              "expand": { "env": { "xcom": "files" } }, "map_index_template": "file {{ task.env['WHAT'] }}" },
            { "task_id": "again", "operator": "bash", "args": { "env": { "N": "{{ ti.map_index }}" } },
              "expand": { "bash_command": { "xcom": "words" } } },
            { "task_id": "words", "operator": "bash", "args": { "bash_command": "echo \"echo ${WHAT}\\$N\"" },
              "expand": { "env": [{ "WHAT": "x{{ 1 + 1 }}" }, { "WHAT": "y" }] } },
            { "task_id": "all", "operator": "bash", "upstream": ["say", "again"], "args": { "bash_command":
              "echo '{{ (ti.xcom_pull(task_ids=\"say\") + ti.xcom_pull(task_ids=\"again\")) | join(\"; \") }}'" } },
        ]
    }))
    .await?;
    let run = api.trigger("mapped", json!({})).await?;
    assert_eq!(api.finished("mapped", &run).await?, "success");

    // What the document says is rendered for each instance; what a task returned is a value and no template.
    let all = api.xcom("mapped", &run, "all", "return_value").await?;
    assert_eq!(all, "said a 2 {{ 3 }}; said b; said c; x20; y1");
    let base = format!("/api/v2/dags/mapped/dagRuns/{run}/taskInstances");
    let mapped = api.get(&format!("{base}/say/listMapped?order_by=map_index")).await?;
    assert_eq!(members(&mapped, "rendered_map_index"), ["file a 2 {{ 3 }}", "file b", "file c"]);
    let two = api.get(&format!("{base}/say/listMapped?map_index=0&map_index=2")).await?;
    assert_eq!(two["total_entries"], 2);
    let second = api.get(&format!("{base}/again/1")).await?;
    assert_eq!((&second["state"], &second["rendered_map_index"]), (&json!("success"), &json!("1")));
    assert_eq!(second["rendered_fields"]["bash_command"], "echo y$N");
    let alone = api.refused(Method::GET, &format!("{base}/say"), None).await?;
    assert!(alone.body["detail"].to_string().contains("add the map_index value"), "{}", alone.body);
    let unmapped = api.refused(Method::GET, &format!("{base}/all/listMapped"), None).await?;
    assert_eq!(unmapped.status.as_u16(), 404);
    assert_eq!(api.get("/api/v2/dags/mapped/tasks/say").await?["is_mapped"], true);
    Ok(())
}

async fn combinations_and_sets_of_arguments(database: Database) -> Result<()> {
    let server = Server::start(database)?;
    let api = server.api()?;
    api.push("bash").await?;
    api.apply(&json!({
        "dag_id": "sets",
        "tasks": [
            { "task_id": "cross", "operator": "bash",
              "expand": { "env": [{ "X": "1" }, { "X": "2" }], "bash_command": ["echo a$X", "echo b$X", "echo c$X"] } },
            { "task_id": "kwargs", "operator": "bash", "upstream": ["cross"], "expand_kwargs": [
                { "bash_command": "echo one" }, { "bash_command": "echo $Y; exit $CODE", "env": { "Y": "two", "CODE": "1" } } ] },
            { "task_id": "after", "operator": "bash", "args": { "bash_command": "echo done" }, "upstream": ["kwargs"],
              "trigger_rule": "all_done" },
        ]
    }))
    .await?;
    let run = api.trigger("sets", json!({})).await?;
    assert_eq!(api.finished("sets", &run).await?, "success");
    let base = format!("/api/v2/dags/sets/dagRuns/{run}/taskInstances");
    let mut crossed = Vec::new();
    for index in 0..6 {
        let path = format!("{base}/cross/xcomEntries/return_value?map_index={index}&deserialize=true");
        crossed.push(api.get(&path).await?["value"].clone());
    }
    assert_eq!(json!(crossed), json!(["a1", "b1", "c1", "a2", "b2", "c2"]));
    let states = api.get(&format!("{base}/kwargs/listMapped?order_by=map_index")).await?;
    assert_eq!(members(&states, "state"), ["success", "failed"]);
    Ok(())
}

async fn nothing_to_map_over_and_too_much(database: Database) -> Result<()> {
    let server = Server::start(database)?;
    let api = furnished(&server).await?;
    let over = |task_id: &str, source: &str| {
        json!({ "task_id": task_id, "operator": "bash", "args": { "bash_command": "echo $N" }, "trigger_rule": "all_done",
            "expand": { "env": { "xcom": source } } })
    };
    let mut many = list("many", "values (1), (2), (3), (4), (5)");
    many["limits"] = json!({ "map_length": 4 });
    let text = json!({ "task_id": "text", "operator": "bash", "args": { "bash_command": "echo text" } });
    api.apply(&json!({
        "dag_id": "edges",
        "tasks": [list("none", "select 1 as n where false"), over("of_none", "none"), text, over("of_text", "text"), many,
            over("of_many", "many")],
    }))
    .await?;
    let run = api.trigger("edges", json!({})).await?;
    assert_eq!(api.finished("edges", &run).await?, "failed");
    let states = api.states("edges", &run).await?;
    let states: Vec<String> = states.iter().map(|(task, state)| format!("{task} {state}")).collect();
    let of_sources = ["many failed", "none success", "of_many upstream_failed", "of_none skipped"];
    assert_eq!(states, [&of_sources[..], &["of_text upstream_failed", "text failed"]].concat());
    assert!(api.log("edges", &run, "many", 1).await?.contains("5 elements are more than the limit `map_length` of 4"));
    assert!(api.log("edges", &run, "text", 1).await?.contains("a list or an object, and is a string"));
    Ok(())
}

async fn a_mapped_task_that_is_cleared_is_mapped_anew(database: Database) -> Result<()> {
    let server = Server::start(database)?;
    let api = furnished(&server).await?;
    api.post("/api/v2/variables", &json!({ "key": "least", "value": "1" })).await?;
    let query =
        "select N from (select '1' as N union all select '2' union all select '3') where N >= '{{ var.value.least }}'";
    api.apply(&json!({
        "dag_id": "anew",
        "tasks": [list("list", query), { "task_id": "each", "operator": "bash", "args": { "bash_command": "echo $N" },
            "expand": { "env": { "xcom": "list" } } }],
    }))
    .await?;
    let run = api.trigger("anew", json!({})).await?;
    assert_eq!(api.finished("anew", &run).await?, "success");
    let each = format!("/api/v2/dags/anew/dagRuns/{run}/taskInstances/each");
    let first = format!("{each}/xcomEntries/return_value?map_index=0&deserialize=true");
    assert_eq!(api.get(&first).await?["value"], "1");

    api.patch("/api/v2/variables/least", &json!({ "key": "least", "value": "3" })).await?;
    let clear = json!({ "dry_run": false, "only_failed": false, "dag_run_id": run });
    api.post("/api/v2/dags/anew/clearTaskInstances", &clear).await?;
    assert_eq!(api.finished("anew", &run).await?, "success");
    let mapped = api.get(&format!("{each}/listMapped?order_by=map_index")).await?;
    assert_eq!(members(&mapped, "state"), ["success", "removed", "removed"]);
    assert_eq!(api.get(&first).await?["value"], "3");
    Ok(())
}
