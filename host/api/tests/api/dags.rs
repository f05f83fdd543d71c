//! DAGs: sent, checked, read, paused, removed.

use axum::http::{Method, header};
use serde_json::{Value, json};

use crate::support::{Answered, Client, Contract, Server, dag, module};

async fn put_if_match(client: &Client<'_>, dag_id: &str, body: &Value, version: &str) -> Answered {
    let request = client.request(Method::PUT, &format!("/api/v2/dags/{dag_id}"));
    let request = request.header(header::CONTENT_TYPE, "application/json").header(header::IF_MATCH, version);
    client.server.ask(request.body(body.to_string().into()).unwrap()).await
}

#[tokio::test]
async fn a_document_becomes_a_dag_and_a_changed_one_a_version() {
    let server = Server::start().await;
    let user = server.login("admin").await;
    user.upload("echo", "1.0.0", module("echo", "1.0.0")).await.expect(201);

    let would = user.put("/dags/talk?dry_run=true", dag("talk")).await.expect(200);
    assert_eq!((would["result"].as_str(), would["dry_run"].as_bool()), (Some("created"), Some(true)));
    user.get("/dags/talk").await.expect(404);

    let created = user.put("/dags/talk", dag("talk")).await;
    assert_eq!(created.headers[header::ETAG], "\"1\"");
    let created = created.expect(201);
    assert_eq!((created["result"].as_str(), created["version_number"].as_u64()), (Some("created"), Some(1)));
    // Without catch-up, the newest tick that has been is the first run: six in Berlin is five in UTC.
    assert_eq!(created["next_dagrun_run_after"], "2027-01-15T05:00:00Z");

    let same = user.put("/dags/talk", dag("talk")).await.expect(200);
    assert_eq!((same["result"].as_str(), same["version_number"].as_u64()), (Some("unchanged"), Some(1)));

    let mut changed = dag("talk");
    changed["description"] = json!("Says two other things");
    let refused = put_if_match(&user, "talk", &changed, "\"7\"").await.expect(412);
    assert_eq!(refused["type"], "urn:airlock:problem:version-mismatch");
    let changed = put_if_match(&user, "talk", &changed, "\"1\"").await.expect(200);
    assert_eq!((changed["result"].as_str(), changed["version_number"].as_u64()), (Some("changed"), Some(2)));

    let source = user.get("/dags/talk/source?version_number=1").await;
    assert_eq!(source.headers[header::ETAG], "\"1\"");
    assert_eq!(source.expect(200), dag("talk"));
    let versions = user.get("/dags/talk/dagVersions").await.expect(200);
    Contract::get().check("get_dag_versions", 200, &versions);
    assert_eq!(versions["total_entries"], 2);
    assert_eq!(versions["dag_versions"][0]["version_number"], 2);
    Contract::get().check("get_dag_version", 200, &user.get("/dags/talk/dagVersions/1").await.expect(200));
    user.get("/dags/talk/dagVersions/3").await.expect(404);
}

#[tokio::test]
async fn answers_are_airflows() {
    let server = Server::start().await;
    let user = server.login("admin").await;
    user.add_dag("talk").await;
    user.add_dag_again("walk").await;
    let contract = Contract::get();

    let list = user.get("/dags?order_by=-dag_id&limit=1").await.expect(200);
    contract.check("get_dags", 200, &list);
    assert_eq!((list["total_entries"].as_u64(), list["dags"][0]["dag_id"].as_str()), (Some(2), Some("walk")));
    let one = user.get("/dags/talk").await.expect(200);
    contract.check("get_dag", 200, &one);
    assert_eq!(one["timetable_summary"], "0 6 * * *");
    assert_eq!(one["tags"][0]["name"], "demo");
    assert_eq!(one["owners"], json!(["data"]));
    assert_eq!(one["next_dagrun_run_after"], "2027-01-15T05:00:00Z");

    let details = user.get("/dags/talk/details").await.expect(200);
    contract.check("get_dag_details", 200, &details);
    assert_eq!(details["dag_run_timeout"], "PT1H");
    assert_eq!(details["default_args"], json!({ "owner": "data", "retries": 1 }));
    assert_eq!(details["params"]["region"]["value"], "eu");
    assert_eq!(details["params"]["region"]["schema"]["type"], "string");

    let tasks = user.get("/dags/talk/tasks").await.expect(200);
    contract.check("get_tasks", 200, &tasks);
    assert_eq!(tasks["tasks"][0]["downstream_task_ids"], json!(["second"]));
    let second = user.get("/dags/talk/tasks/second").await.expect(200);
    contract.check("get_task", 200, &second);
    assert_eq!(second["execution_timeout"]["seconds"], 90);
    user.get("/dags/talk/tasks/third").await.expect(404);

    contract.check("get_dag_tags", 200, &user.get("/dagTags").await.expect(200));
    contract.check("get_dag_stats", 200, &user.get("/dagStats?dag_ids=talk").await.expect(200));
    let source = user.get("/dagSources/talk").await.expect(200);
    contract.check("get_dag_source", 200, &source);
    assert_eq!(serde_json::from_str::<Value>(source["content"].as_str().unwrap()).unwrap(), dag("talk"));
    assert_eq!(user.get_as("/dagSources/talk", "text/plain").await.text(), dag("talk").to_string());
    user.get_as("/dagSources/talk", "image/png").await.expect(406);
}

#[tokio::test]
async fn filters_choose() {
    let server = Server::start().await;
    let user = server.login("admin").await;
    user.add_dag("talk").await;
    user.add_dag_again("walk").await;
    user.patch("/dags/walk", json!({ "is_paused": true })).await.expect(200);
    for (query, expected) in [
        ("dag_id_pattern=tal", vec!["talk"]),
        ("dag_id_pattern=~", vec!["talk", "walk"]),
        ("dag_id_pattern=_alk", vec!["talk", "walk"]),
        ("tags=talk&tags=nothing", vec!["talk", "walk"]),
        ("tags=talk&tags=nothing&tags_match_mode=all", vec![]),
        ("owners=data&paused=true", vec!["walk"]),
        ("owners=nobody", vec![]),
        ("exclude_stale=true&offset=1", vec!["walk"]),
    ] {
        let list = user.get(&format!("/dags?{query}")).await.expect(200);
        let ids: Vec<&str> =
            list["dags"].as_array().unwrap().iter().map(|dag| dag["dag_id"].as_str().unwrap()).collect();
        assert_eq!(ids, expected, "{query}");
    }
    for (query, status) in
        [("order_by=color", 400), ("limit=-1", 422), ("bundle_name=x", 400), ("tags_match_mode=some", 422)]
    {
        user.get(&format!("/dags?{query}")).await.expect(status);
    }
}

#[tokio::test]
async fn every_fault_of_a_document_comes_at_once() {
    let server = Server::start().await;
    let user = server.login("user").await;
    let admin = server.login("admin").await;
    admin.upload("echo", "1.0.0", module("echo", "1.0.0")).await.expect(201);
    let document = json!({
        "dag_id": "talk",
        "colour": "green",
        "tasks": [
            { "task_id": "a", "operator": "ecko", "args": { "text": "x" }, "upstream": ["b"] },
            { "task_id": "b", "operator": "echo", "args": { "tekst": "x" }, "upstream": ["a"], "pool": "defualt_pool" }
        ]
    });
    let answers = [
        user.post("/dags/validate", document.clone()).await.expect(422),
        user.put("/dags/talk", document).await.expect(422),
    ];
    for problem in answers {
        assert_eq!(problem["type"], "urn:airlock:problem:invalid");
        let pointers: Vec<&str> =
            problem["errors"].as_array().unwrap().iter().map(|fault| fault["pointer"].as_str().unwrap()).collect();
        for expected in ["/colour", "/tasks/0/operator", "/tasks/1/pool"] {
            assert!(pointers.contains(&expected), "{expected} is not among {pointers:?}");
        }
        assert!(problem["detail"].as_str().unwrap().contains("default_pool"), "the nearest pool is named: {problem}");
    }
    let valid = user.post("/dags/validate", dag("talk")).await.expect(200);
    assert_eq!((valid["valid"].as_bool(), valid["tasks"].as_u64()), (Some(true), Some(2)));
    assert_eq!(valid["operators"][1]["reference"], "echo@1");
    assert_eq!(valid["operators"][1]["version"], "1.0.0");
    user.get("/dags/talk").await.expect(404);
    let renamed = user.put("/dags/other_name", dag("talk")).await.expect(422);
    assert_eq!(renamed["errors"][0]["pointer"], "/dag_id");
}

#[tokio::test]
async fn pausing_and_removing() {
    let server = Server::start().await;
    let user = server.login("admin").await;
    user.add_dag("talk").await;
    user.add_dag_again("walk").await;
    let paused = user.patch("/dags/talk", json!({ "is_paused": true })).await.expect(200);
    Contract::get().check("patch_dag", 200, &paused);
    assert_eq!(paused["is_paused"], true);
    user.patch("/dags/talk?update_mask=description", json!({ "is_paused": false })).await.expect(400);
    let none = user.patch("/dags", json!({ "is_paused": true })).await.expect(200);
    assert_eq!(none["total_entries"], 0, "without a pattern nothing is changed, as in Airflow");
    let all = user.patch("/dags?dag_id_pattern=~", json!({ "is_paused": false })).await.expect(200);
    Contract::get().check("patch_dags", 200, &all);
    assert_eq!(user.get("/dags?paused=false").await.expect(200)["total_entries"], 2);

    user.post("/dags/talk/dagRuns", json!({ "logical_date": null })).await.expect(200);
    user.delete("/dags/talk").await.expect(409);
    assert!(user.delete("/dags/walk").await.expect(204).is_null());
    user.delete("/dags/walk").await.expect(404);
}

#[tokio::test]
async fn the_next_runs_are_told_in_both_times() {
    let server = Server::start().await;
    let user = server.login("admin").await;
    user.add_dag("talk").await;
    let next = user.get("/dags/talk/nextRuns?count=2").await.expect(200);
    assert_eq!(next["timezone"], "Europe/Berlin");
    let runs = next["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 2);
    assert_eq!(runs[0]["run_after"], "2027-01-15T05:00:00Z");
    assert_eq!(runs[0]["run_after_local"], "2027-01-15T06:00:00+01:00");
    assert_eq!(runs[1]["run_after"], "2027-01-16T05:00:00Z");
}

impl Client<'_> {
    /// Another DAG, of the operator that is there already.
    async fn add_dag_again(&self, dag_id: &str) {
        self.put(&format!("/dags/{dag_id}"), dag(dag_id)).await.expect(201);
    }
}

#[tokio::test]
async fn versions_are_compared() {
    let server = Server::start().await;
    let user = server.login("admin").await;
    user.add_dag("talk").await;
    let path = "/dags/talk/dagVersions/1/difference";
    user.get(path).await.expect(400);
    let mut newer = dag("talk");
    newer["description"] = json!("Says three things");
    newer["tasks"][1]["args"]["text"] = json!("deux");
    newer["tasks"]
        .as_array_mut()
        .unwrap()
        .push(json!({ "task_id": "third", "operator": "echo", "args": { "text": "3" } }));
    user.put("/dags/talk", newer).await.expect(200);

    let found = user.get("/dags/talk/dagVersions/2/difference").await.expect(200);
    assert_eq!((&found["from"], &found["to"]), (&json!(1), &json!(2)));
    assert_eq!(
        found["settings"],
        json!([{ "pointer": "/description", "before": "Says two things", "after": "Says three things" }])
    );
    assert_eq!((&found["tasks"]["added"], &found["tasks"]["removed"]), (&json!(["third"]), &json!([])));
    assert_eq!(
        found["tasks"]["changed"],
        json!([{ "id": "second", "changes": [{ "pointer": "/args/text", "before": "two", "after": "deux" }] }])
    );
    let back = user.get(&format!("{path}?from=2")).await.expect(200);
    assert_eq!(back["tasks"]["removed"], json!(["third"]));
    user.get("/dags/talk/dagVersions/3/difference").await.expect(404);
    user.get("/dags/talk/dagVersions/2/difference?from=7").await.expect(404);
}
