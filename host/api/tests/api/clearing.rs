//! Clearing runs and task instances, and what is done to several of them at once.

use airlock_core::state::RunState;
use serde_json::{Value, json};

use crate::support::{Client, Contract, Played, Server, dag};

const RUN: &str = "/dags/talk/dagRuns/mine";
const CLEAR: &str = "/dags/talk/clearTaskInstances";

/// A run that has ended well, with both its tasks.
async fn with_ended_run(server: &Server) -> Client<'_> {
    let user = server.login("admin").await;
    user.add_dag("talk").await;
    let body = json!({ "logical_date": "2027-01-14T05:00:00Z", "dag_run_id": "mine" });
    user.post("/dags/talk/dagRuns", body).await.expect(200);
    Played::start(server).await.to_the_end().await;
    user
}

async fn states(user: &Client<'_>) -> Vec<Value> {
    let list = user.get(&format!("{RUN}/taskInstances?order_by=task_id")).await.expect(200);
    list["task_instances"].as_array().unwrap().iter().map(|instance| instance["state"].clone()).collect()
}

fn task_ids(answer: &Value) -> Vec<&str> {
    answer["task_instances"].as_array().unwrap().iter().map(|task| task["task_id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn task_instances_are_cleared() {
    let server = Server::start().await;
    let user = with_ended_run(&server).await;
    let contract = Contract::get();

    let unasked = user.post(CLEAR, json!({})).await.expect(200);
    contract.check("post_clear_task_instances", 200, &unasked);
    assert_eq!(unasked["total_entries"], 0, "only what has failed, by default");
    for (body, expected) in [
        (json!({ "only_failed": false }), vec!["first", "second"]),
        (json!({ "only_failed": false, "task_ids": ["first"] }), vec!["first"]),
        (json!({ "only_failed": false, "task_ids": [["second", -1]] }), vec!["second"]),
        (json!({ "only_failed": false, "task_ids": [["second", 3]] }), vec![]),
        (json!({ "only_failed": false, "task_ids": ["first"], "include_downstream": true }), vec!["first", "second"]),
        (json!({ "only_failed": false, "task_ids": ["second"], "include_upstream": true }), vec!["first", "second"]),
        (json!({ "only_failed": false, "only_running": true }), vec![]),
        (json!({ "only_failed": false, "dag_run_id": "mine", "include_past": true }), vec!["first", "second"]),
        (json!({ "only_failed": false, "start_date": "2027-01-15T00:00:00Z" }), vec![]),
        (json!({ "only_failed": false, "end_date": "2027-01-14T05:00:00Z" }), vec!["first", "second"]),
    ] {
        let found = user.post(CLEAR, body.clone()).await.expect(200);
        contract.check("post_clear_task_instances", 200, &found);
        assert_eq!(task_ids(&found), expected, "{body}");
    }
    assert_eq!(states(&user).await, [json!("success"), json!("success")], "so far it was only said");

    let body = json!({ "only_failed": false, "dry_run": false, "dag_run_id": "mine", "task_ids": ["second"], "note": "again" });
    let cleared = user.post(CLEAR, body).await.expect(200);
    contract.check("post_clear_task_instances", 200, &cleared);
    let second = &cleared["task_instances"][0];
    assert_eq!((&second["state"], &second["max_tries"], &second["note"]), (&Value::Null, &json!(2), &json!("again")));
    assert_eq!(states(&user).await, [json!("success"), Value::Null]);
    assert_eq!(user.get(RUN).await.expect(200)["state"], "queued");
    let tries = user.get(&format!("{RUN}/taskInstances/second/tries")).await.expect(200);
    assert_eq!((&tries["total_entries"], &tries["task_instances"][0]["state"]), (&json!(1), &json!("success")));
}

#[tokio::test]
async fn a_cleared_run_may_be_left_as_it_is() {
    let server = Server::start().await;
    let user = with_ended_run(&server).await;
    let body = json!({ "only_failed": false, "dry_run": false, "reset_dag_runs": false });
    assert_eq!(user.post(CLEAR, body).await.expect(200)["total_entries"], 2);
    assert_eq!(states(&user).await, [Value::Null, Value::Null]);
    assert_eq!(user.get(RUN).await.expect(200)["state"], "success");
}

#[tokio::test]
async fn what_makes_no_sense_is_not_cleared() {
    let server = Server::start().await;
    let user = with_ended_run(&server).await;
    user.post("/dags/talk/dagRuns", json!({ "logical_date": null, "dag_run_id": "dateless" })).await.expect(200);
    let problem = user.post(CLEAR, json!({ "dag_run_id": "yours" })).await.expect(404);
    assert_eq!(problem["detail"], "Dag Run id yours not found in dag talk");
    let problem = user.post(CLEAR, json!({ "task_ids": ["frist"] })).await.expect(404);
    assert_eq!(problem["detail"], "the DAG `talk` has no task `frist`; did you mean `first`?");
    user.post(CLEAR, json!({ "dag_run_id": "dateless", "include_future": true })).await.expect(400);
    user.post(CLEAR, json!({ "task_ids": [["first"]] })).await.expect(422);
    user.post(CLEAR, json!({ "only_faild": true })).await.expect(422);
    user.post("/dags/walk/clearTaskInstances", json!({})).await.expect(404);
    user.post(&format!("{RUN}/clear"), json!({ "only_failed": true, "only_new": true })).await.expect(422);
    user.post("/dags/talk/dagRuns/yours/clear", json!({})).await.expect(404);
    user.post("/dags/talk/clearDagRuns", json!({})).await.expect(422);
    user.post("/dags/~/clearDagRuns", json!({ "dag_runs": [{ "dag_run_id": "mine" }] })).await.expect(400);
    let viewer = server.login("viewer").await;
    viewer.post(CLEAR, json!({})).await.expect(403);
    viewer.post(&format!("{RUN}/clear"), json!({})).await.expect(403);
    let stranger = server.login("other/admin").await;
    stranger.post(CLEAR, json!({})).await.expect(404);
    stranger.post(&format!("{RUN}/clear"), json!({})).await.expect(404);
    assert_eq!(states(&user).await, [json!("success"), json!("success")]);
}

#[tokio::test]
async fn what_runs_can_be_protected_or_restarted() {
    let server = Server::start().await;
    let user = server.login("admin").await;
    user.add_dag("talk").await;
    user.post("/dags/talk/dagRuns", json!({ "logical_date": null, "dag_run_id": "mine" })).await.expect(200);
    let played = Played::start(&server).await;
    played.begin("first", 2).await;
    let body = |prevent| json!({ "only_failed": false, "dry_run": false, "prevent_running_task": prevent });
    let problem = user.post(CLEAR, body(true)).await.expect(409);
    assert!(problem["detail"].as_str().unwrap().contains("`first`"), "{problem}");
    assert_eq!(states(&user).await, [json!("running"), json!("scheduled")]);
    let asked = json!({ "only_failed": false, "prevent_running_task": true });
    assert_eq!(user.post(CLEAR, asked).await.expect(200)["total_entries"], 2, "asking is free");

    let cleared = user.post(CLEAR, body(false)).await.expect(200);
    assert_eq!(cleared["total_entries"], 2);
    assert_eq!(states(&user).await, [json!("restarting"), Value::Null]);
    assert_eq!(user.get(RUN).await.expect(200)["state"], "running");
    let tries = user.get(&format!("{RUN}/taskInstances/first/tries")).await.expect(200);
    assert_eq!((&tries["total_entries"], &tries["task_instances"][0]["state"]), (&json!(1), &json!("failed")));
}

#[tokio::test]
async fn runs_are_cleared() {
    let server = Server::start().await;
    let user = with_ended_run(&server).await;
    let contract = Contract::get();
    let path = format!("{RUN}/clear");

    let dry = user.post(&path, json!({})).await.expect(200);
    contract.check("clear_dag_run", 200, &dry);
    assert_eq!(task_ids(&dry), ["first", "second"]);
    let failed = user.post(&path, json!({ "only_failed": true })).await.expect(200);
    assert_eq!(failed["total_entries"], 0);
    let run = user.post(&path, json!({ "dry_run": false, "note": "once more" })).await.expect(200);
    contract.check("clear_dag_run", 200, &run);
    assert_eq!(
        (&run["state"], &run["note"], &run["start_date"]),
        (&json!("queued"), &json!("once more"), &Value::Null)
    );
    assert_eq!(states(&user).await, [Value::Null, Value::Null]);

    let body =
        |dry_run| json!({ "dry_run": dry_run, "dag_runs": [{ "dag_run_id": "mine" }, { "dag_run_id": "mine" }] });
    let dry = user.post("/dags/talk/clearDagRuns", body(true)).await.expect(200);
    contract.check("clear_dag_runs", 200, &dry);
    assert_eq!(dry["total_entries"], 2, "a run that is named twice is one run");
    let runs = user.post("/dags/talk/clearDagRuns", body(false)).await.expect(200);
    contract.check("clear_dag_runs", 200, &runs);
    assert_eq!((&runs["total_entries"], &runs["dag_runs"][0]["dag_run_id"]), (&json!(1), &json!("mine")));
    let body = json!({ "dag_runs": [{ "dag_run_id": "mine", "dag_id": "talk" }, { "dag_run_id": "yours", "dag_id": "talk" }] });
    user.post("/dags/~/clearDagRuns", body).await.expect(404);
}

#[tokio::test]
async fn a_run_can_go_on_with_the_newest_version() {
    let server = Server::start().await;
    let user = with_ended_run(&server).await;
    let mut newer = dag("talk");
    newer["tasks"][0] =
        json!({ "task_id": "third", "operator": "echo", "args": { "text": "3" }, "task_display_name": "Last" });
    newer["tasks"][1]["upstream"] = json!([]);
    user.put("/dags/talk", newer).await.expect(200);
    let path = format!("{RUN}/clear");

    let new = user.post(&path, json!({ "only_new": true })).await.expect(200);
    Contract::get().check("clear_dag_run", 200, &new);
    assert_eq!(new["task_instances"], json!([{ "task_id": "third", "task_display_name": "Last" }]));
    let run = user.post(&path, json!({ "dry_run": false, "run_on_latest_version": true })).await.expect(200);
    assert_eq!((&run["state"], &run["dag_versions"][0]["version_number"]), (&json!("queued"), &json!(2)));
    let list = user.get(&format!("{RUN}/taskInstances?order_by=task_id")).await.expect(200);
    let found: Vec<_> = list["task_instances"]
        .as_array()
        .unwrap()
        .iter()
        .map(|instance| (instance["task_id"].as_str().unwrap(), instance["state"].as_str()))
        .collect();
    assert_eq!(found, [("first", Some("removed")), ("second", None), ("third", None)]);
    // Of its own version there is nothing new.
    let none = user.post(&path, json!({ "only_new": true })).await.expect(200);
    assert_eq!(none["total_entries"], 0);
}

#[tokio::test]
async fn a_dag_can_say_that_its_runs_go_on_with_the_newest_version() {
    let server = Server::start().await;
    let user = with_ended_run(&server).await;
    let mut newer = dag("talk");
    newer["rerun_with_latest_version"] = json!(true);
    user.put("/dags/talk", newer).await.expect(200);
    assert_eq!(user.get("/dags/talk/details").await.expect(200)["rerun_with_latest_version"], true);
    let version = async |body| {
        let run = user.post(&format!("{RUN}/clear"), body).await.expect(200);
        run["dag_versions"][0]["version_number"].clone()
    };
    assert_eq!(version(json!({ "dry_run": false, "run_on_latest_version": false })).await, 1, "a request decides");
    assert_eq!(version(json!({ "dry_run": false })).await, 2);
}

#[tokio::test]
async fn a_group_is_marked_as_one() {
    let server = Server::start().await;
    let user = server.login("admin").await;
    user.add_dag("other").await;
    let grouped = json!({
        "dag_id": "talk",
        "task_groups": [{ "group_id": "outer" }, { "group_id": "inner", "parent": "outer" }],
        "tasks": [
            { "task_id": "first", "operator": "echo", "args": { "text": "1" }, "task_group": "outer" },
            { "task_id": "second", "operator": "echo", "args": { "text": "2" }, "task_group": "outer.inner" },
            { "task_id": "third", "operator": "echo", "args": { "text": "3" } }
        ]
    });
    user.put("/dags/talk", grouped).await.expect(201);
    user.post("/dags/talk/dagRuns", json!({ "logical_date": null, "dag_run_id": "mine" })).await.expect(200);
    Played::start(&server).await;
    let path = format!("{RUN}/taskGroupInstances/outer");
    let body = json!({ "new_state": "success" });
    let contract = Contract::get();

    let dry = user.patch(&format!("{path}/dry_run"), body.clone()).await.expect(200);
    contract.check("patch_task_group_instances_dry_run", 200, &dry);
    assert_eq!(dry["total_entries"], 2);
    assert!(states(&user).await.iter().all(|state| *state == "scheduled"));
    let done = user.patch(&path, body.clone()).await.expect(200);
    contract.check("patch_task_group_instances", 200, &done);
    assert_eq!(done["total_entries"], 2);
    let list = user.get(&format!("{RUN}/taskInstances?state=success")).await.expect(200);
    assert_eq!(task_ids(&list), ["outer.first", "outer.inner.second"]);
    user.patch(&path, body.clone()).await.expect(409);
    user.patch(&format!("{RUN}/taskGroupInstances/third"), body).await.expect(404);
    let noted = user.patch(&path, json!({ "note": "by hand" })).await.expect(200);
    assert_eq!(noted["task_instances"][1]["note"], "by hand");
}

#[tokio::test]
async fn many_are_changed_at_once() {
    let server = Server::start().await;
    let user = with_ended_run(&server).await;
    let contract = Contract::get();
    let update = |entities: Value| json!({ "actions": [{ "action": "update", "entities": entities }] });

    let instances = format!("{RUN}/taskInstances");
    let body = update(json!([{ "task_id": "first", "new_state": "failed" }, { "task_id": "second", "note": "n" }]));
    let done = user.patch(&instances, body).await.expect(200);
    contract.check("bulk_task_instances", 200, &done);
    assert_eq!(done["update"]["success"], json!(["talk.mine.first[-1]", "talk.mine.second[-1]"]));
    assert_eq!(states(&user).await, [json!("failed"), json!("success")]);
    let done = user.patch(&instances, update(json!([{ "task_id": "fourth", "note": "n" }]))).await.expect(200);
    assert_eq!(done["update"]["errors"][0]["status_code"], 404);
    let everywhere = "/dags/~/dagRuns/~/taskInstances";
    let body = update(json!([{ "dag_id": "talk", "dag_run_id": "mine", "task_id": "first", "new_state": "success" }]));
    assert_eq!(user.patch(everywhere, body).await.expect(200)["update"]["errors"], json!([]));
    user.patch(everywhere, update(json!([{ "task_id": "first" }]))).await.expect(400);

    let body = json!({ "actions": [{ "action": "delete", "entities": ["second"] }] });
    let done = user.patch(&instances, body).await.expect(200);
    assert_eq!(done["delete"]["success"], json!(["talk.mine.second[-1]"]));
    user.get(&format!("{instances}/second")).await.expect(404);
    assert_eq!(user.delete(&format!("{instances}/first")).await.expect(200), Value::Null);
    user.delete(&format!("{instances}/first")).await.expect(404);

    let runs = "/dags/talk/dagRuns";
    let done =
        user.patch(runs, update(json!([{ "dag_run_id": "mine", "state": "failed", "note": "bad" }]))).await.expect(200);
    contract.check("bulk_dag_runs", 200, &done);
    assert_eq!(done["update"]["success"], json!(["talk.mine"]));
    let run = user.get(RUN).await.expect(200);
    assert_eq!((&run["state"], &run["note"]), (&json!(RunState::Failed), &json!("bad")));
    let body = json!({ "actions": [{ "action": "delete", "entities": ["mine"] }] });
    assert_eq!(user.patch(runs, body).await.expect(200)["delete"]["success"], json!(["talk.mine"]));
    user.get(RUN).await.expect(404);
    let body = json!({ "actions": [{ "action": "create", "entities": [{ "dag_run_id": "new" }] }] });
    assert_eq!(user.patch(runs, body).await.expect(200)["create"]["errors"][0]["status_code"], 405);
}
