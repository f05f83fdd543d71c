//! Task instances, their tries, logs and XComs.

use axum::http::header;
use serde_json::{Value, json};

use crate::support::{Client, Contract, Played, Server};

const INSTANCES: &str = "/dags/talk/dagRuns/mine/taskInstances";

async fn with_run<'a>(server: &'a Server) -> (Client<'a>, Played<'a>) {
    let user = server.login("admin").await;
    user.add_dag("talk").await;
    user.post("/dags/talk/dagRuns", json!({ "logical_date": null, "dag_run_id": "mine" })).await.expect(200);
    (user, Played::start(server).await)
}

#[tokio::test]
async fn instances_and_tries() {
    let server = Server::start().await;
    let (user, played) = with_run(&server).await;
    played.to_the_end().await;
    let contract = Contract::get();

    let list = user.get(INSTANCES).await.expect(200);
    contract.check("get_task_instances", 200, &list);
    assert_eq!(list["total_entries"], 2);
    let one = user.get(&format!("{INSTANCES}/first")).await.expect(200);
    contract.check("get_task_instance", 200, &one);
    assert_eq!((one["state"].as_str(), one["try_number"].as_u64()), (Some("success"), Some(1)));
    assert_eq!((one["task_display_name"].as_str(), one["duration"].as_f64()), (Some("The first"), Some(2.0)));
    assert_eq!(one["rendered_fields"], json!({ "text": "2026-03-10", "api_token": "***" }));
    assert_eq!(one["hostname"], "worker-1");
    contract.check("get_mapped_task_instance", 200, &user.get(&format!("{INSTANCES}/first/-1")).await.expect(200));
    user.get(&format!("{INSTANCES}/first/0")).await.expect(404);
    user.get(&format!("{INSTANCES}/third")).await.expect(404);
    user.get(&format!("{INSTANCES}/first/one")).await.expect(422);

    for path in ["first/tries", "first/-1/tries"] {
        let tries = user.get(&format!("{INSTANCES}/{path}")).await.expect(200);
        contract.check("get_task_instance_tries", 200, &tries);
        assert_eq!(tries["total_entries"], 1);
    }
    for path in ["first/tries/1", "first/-1/tries/1"] {
        let first = user.get(&format!("{INSTANCES}/{path}")).await.expect(200);
        contract.check("get_task_instance_try_details", 200, &first);
        assert_eq!(first["state"], "success");
    }
    user.get(&format!("{INSTANCES}/first/tries/2")).await.expect(404);
}

#[tokio::test]
async fn instances_of_mapped_tasks() {
    let server = Server::start().await;
    let (user, _) = with_run(&server).await;
    let unmapped = user.get(&format!("{INSTANCES}/first/listMapped")).await;
    assert!(unmapped.text().contains("Task id first is not mapped"), "{}", unmapped.text());
    unmapped.expect(404);
    user.get(&format!("{INSTANCES}/third/listMapped")).await.expect(404);

    let each = json!({ "task_id": "each", "operator": "echo", "expand": { "text": ["one", "two"] } });
    user.put("/dags/each", json!({ "dag_id": "each", "tasks": [each] })).await.expect(201);
    user.post("/dags/each/dagRuns", json!({ "logical_date": null, "dag_run_id": "mine" })).await.expect(200);
    let task = user.get("/dags/each/tasks/each").await.expect(200);
    assert_eq!(task["is_mapped"], true);
    let none_yet = user.get("/dags/each/dagRuns/mine/taskInstances/each/listMapped").await.expect(200);
    Contract::get().check("get_mapped_task_instances", 200, &none_yet);
    assert_eq!(none_yet["total_entries"], 0);
}

#[tokio::test]
async fn instance_filters() {
    let server = Server::start().await;
    let (user, played) = with_run(&server).await;
    let first = played.begin("first", 2).await;
    played.succeed(&first, Value::Null, 5).await;
    for (query, expected) in [
        ("?state=success", vec!["first"]),
        ("?state=scheduled&state=no_status", vec!["second"]),
        ("?task_id=second", vec!["second"]),
        ("?order_by=-task_id", vec!["second", "first"]),
        ("?pool=default_pool&operator=empty&try_number=1", vec!["first"]),
        ("?version_number=2", vec![]),
        ("?start_date_gte=2027-01-15T08:00:03Z", vec!["first"]),
        ("?start_date_gt=2027-01-15T08:00:03Z", vec![]),
        ("?map_index=-1&limit=1&offset=1&order_by=task_id", vec!["second"]),
    ] {
        let list = user.get(&format!("{INSTANCES}{query}")).await.expect(200);
        assert_eq!(task_ids(&list), expected, "{query}");
    }
    for path in ["/dags/~/dagRuns/~/taskInstances?state=success", "/dags/talk/dagRuns/~/taskInstances?state=success"] {
        assert_eq!(task_ids(&user.get(path).await.expect(200)), ["first"]);
    }
    let body = json!({ "dag_ids": ["talk"], "dag_run_ids": ["mine"], "state": ["success", null], "task_ids": ["first", "second"] });
    let batch = user.post("/dags/~/dagRuns/~/taskInstances/list", body).await.expect(200);
    Contract::get().check("get_task_instances_batch", 200, &batch);
    assert_eq!(task_ids(&batch), ["first"]);
    user.get(&format!("{INSTANCES}?state=lazy")).await.expect(422);
    user.get(&format!("{INSTANCES}?executor=celery")).await.expect(400);
    user.get("/dags/talk/dagRuns/yours/taskInstances").await.expect(404);
}

fn task_ids(list: &Value) -> Vec<String> {
    let instances = list["task_instances"].as_array().unwrap();
    instances.iter().map(|instance| instance["task_id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_log_is_read_while_it_grows_and_after() {
    let server = Server::start().await;
    let (user, played) = with_run(&server).await;
    let path = format!("{INSTANCES}/first/logs/1");
    user.get(&path).await.expect(404);
    let nothing = user.get(&format!("{INSTANCES}/first/logs/0")).await.expect(200);
    assert!(nothing["continuation_token"].is_string(), "the task has yet to begin");

    let claimed = played.begin("first", 2).await;
    let first = user.get(&path).await.expect(200);
    Contract::get().check("get_log", 200, &first);
    assert_eq!(first["content"].as_array().unwrap().len(), 1);
    assert_eq!(
        (first["content"][0]["event"].as_str(), first["content"][0]["number"].as_i64()),
        (Some("hello"), Some(1))
    );
    let token = first["continuation_token"].as_str().unwrap().to_owned();

    // A stream that is read while the task runs ends with the task.
    let ending = async {
        played.log(&claimed, "goodbye", &[]).await;
        played.succeed(&claimed, json!(1), 5).await;
    };
    let (streamed, ()) = tokio::join!(user.get_as(&path, "application/x-ndjson"), ending);
    assert_eq!(streamed.headers[header::CONTENT_TYPE], "application/x-ndjson");
    assert!(streamed.headers.contains_key("airflow-continuation-token"));
    let events: Vec<Value> = streamed.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.iter().map(|event| event["event"].as_str().unwrap()).collect::<Vec<_>>(), ["hello", "goodbye"]);

    let rest = user.get(&format!("{path}?token={token}")).await.expect(200);
    assert_eq!((rest["content"][0]["event"].as_str(), &rest["continuation_token"]), (Some("goodbye"), &Value::Null));
    let text = user.get_as(&path, "text/plain").await.text();
    assert_eq!(text, "[2027-01-15T08:00:00.000Z] INFO - hello number=1\n[2027-01-15T08:00:00.000Z] INFO - goodbye\n");
    user.get(&format!("{path}?token=mine")).await.expect(400);
}

#[tokio::test]
async fn xcoms() {
    let server = Server::start().await;
    let (user, played) = with_run(&server).await;
    played.to_the_end().await;
    let contract = Contract::get();
    let entries = format!("{INSTANCES}/first/xcomEntries");

    let list = user.get(&entries).await.expect(200);
    contract.check("get_xcom_entries", 200, &list);
    assert_eq!(
        (list["total_entries"].as_u64(), list["xcom_entries"][0]["key"].as_str()),
        (Some(1), Some("return_value"))
    );
    let all = user.get("/dags/~/dagRuns/~/taskInstances/~/xcomEntries").await.expect(200);
    assert_eq!(all["total_entries"], 2);
    let one = user.get(&format!("{entries}/return_value")).await.expect(200);
    contract.check("get_xcom_entry", 200, &one);
    assert_eq!(one["value"], json!({ "rows": 3 }));
    let text = user.get(&format!("{entries}/return_value?stringify=true")).await.expect(200);
    assert_eq!(text["value"], r#"{"rows":3}"#);

    let made = user.post(&entries, json!({ "key": "mine", "value": [1, 2] })).await.expect(201);
    contract.check("create_xcom_entry", 201, &made);
    user.post(&entries, json!({ "key": "mine", "value": 3 })).await.expect(409);
    let changed = user.patch(&format!("{entries}/mine"), json!({ "value": null })).await.expect(200);
    contract.check("update_xcom_entry", 200, &changed);
    assert_eq!(changed["value"], Value::Null);
    user.delete(&format!("{entries}/mine")).await.expect(204);
    for answer in [
        user.get(&format!("{entries}/mine")).await,
        user.delete(&format!("{entries}/mine")).await,
        user.patch(&format!("{entries}/mine"), json!({ "value": 1 })).await,
        user.post(&format!("{INSTANCES}/third/xcomEntries"), json!({ "key": "k", "value": 1 })).await,
    ] {
        answer.expect(404);
    }
    server.login("viewer").await.post(&entries, json!({ "key": "k", "value": 1 })).await.expect(403);
}

#[tokio::test]
async fn what_keeps_a_task_from_running() {
    let server = Server::start().await;
    let user = server.login("admin").await;
    user.add_dag("talk").await;
    user.post("/dags/talk/dagRuns", json!({ "logical_date": null, "dag_run_id": "mine" })).await.expect(200);
    let names = async |path: &str| {
        let answer = user.get(&format!("{INSTANCES}/{path}/dependencies")).await.expect(200);
        Contract::get().check("get_task_instance_dependencies", 200, &answer);
        let unmet = answer["dependencies"].as_array().unwrap().clone();
        unmet.iter().map(|unmet| unmet["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    // The run has not begun, and has no instances yet.
    assert_eq!(names("first").await, ["Dagrun Running", "Scheduler"]);
    user.get(&format!("{INSTANCES}/third/dependencies")).await.expect(404);
    user.get(&format!("{INSTANCES}/first/0/dependencies")).await.expect(404);

    let played = Played::start(&server).await;
    assert_eq!(names("first").await, ["Scheduler"]);
    user.patch("/pools/default_pool", json!({ "slots": 0, "include_deferred": false })).await.expect(200);
    assert_eq!(names("second/-1").await, ["Scheduler", "Pool Slots Available"]);
    let claimed = played.begin("first", 2).await;
    assert_eq!(names("first").await, ["Scheduler"]);
    played.succeed(&claimed, json!(1), 5).await;
    assert_eq!(names("first").await, ["Task Instance State"]);
    user.get("/dags/talk/dagRuns/yours/taskInstances/first/dependencies").await.expect(404);
}

/// Some ids are also words of Airflow's paths, such as `POST .../taskInstances/list`.
#[tokio::test]
async fn ids_may_be_words_of_paths() {
    let server = Server::start().await;
    let user = server.login("admin").await;
    user.add_dag("before").await;
    let listed = json!({ "task_id": "list", "operator": "echo", "args": { "text": "a" } });
    for dag_id in ["talk", "validate"] {
        user.put(&format!("/dags/{dag_id}"), json!({ "dag_id": dag_id, "tasks": [listed] })).await.expect(201);
    }
    assert_eq!(user.get("/dags/validate").await.expect(200)["dag_id"], "validate");
    assert_eq!(user.patch("/dags/validate", json!({ "is_paused": true })).await.expect(200)["is_paused"], true);
    let valid = json!({ "dag_id": "new", "tasks": [listed] });
    assert_eq!(user.post("/dags/validate", valid).await.expect(200)["dag_id"], "new", "it validates");

    user.post("/dags/talk/dagRuns", json!({ "logical_date": null, "dag_run_id": "list" })).await.expect(200);
    assert_eq!(user.get("/dags/talk/dagRuns/list?x=%2F").await.expect(200)["dag_run_id"], "list");
    assert_eq!(user.post("/dags/~/dagRuns/list", json!({})).await.expect(200)["total_entries"], 1, "it lists");
    let _played = Played::start(&server).await;
    let task = user.get("/dags/talk/dagRuns/list/taskInstances/list").await.expect(200);
    assert_eq!(task["task_id"], "list");
    user.get("/dags/talk/dagRuns/list/taskInstances/list/tries").await.expect(200);
    assert_eq!(user.patch("/dags/talk/dagRuns/list", json!({ "note": "n" })).await.expect(200)["note"], "n");

    user.post("/connections", json!({ "connection_id": "test", "conn_type": "http" })).await.expect(201);
    assert_eq!(user.get("/connections/test").await.expect(200)["connection_id"], "test");
    user.put("/dags/talk/dagRuns/list", json!({})).await.expect(405);
}
