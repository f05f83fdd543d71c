//! DAG runs: triggered, listed, waited for, removed.

use axum::http::header;
use serde_json::{Value, json};

use crate::support::{Contract, Played, Server};

#[tokio::test]
async fn a_run_is_triggered_as_by_airflows_clients() {
    let server = Server::start().await;
    let user = server.login("admin").await;
    user.add_dag("talk").await;
    let contract = Contract::get();

    let run = user.post("/dags/talk/dagRuns", json!({ "logical_date": null })).await.expect(200);
    contract.check("trigger_dag_run", 200, &run);
    assert!(run["dag_run_id"].as_str().unwrap().starts_with("manual__2027-01-15T08:00:00+00:00_"), "{run}");
    assert_eq!((run["state"].as_str(), run["triggered_by"].as_str()), (Some("queued"), Some("rest_api")));
    assert_eq!((run["triggering_user_name"].as_str(), run["logical_date"].as_str()), (Some("admin"), None));
    assert_eq!(run["dag_versions"][0]["version_number"], 1);

    let body = json!({
        "dag_run_id": "mine", "logical_date": "2027-01-10T12:00:00Z", "conf": { "region": "us" }, "note": "by hand"
    });
    let mine = user.post("/dags/talk/dagRuns", body.clone()).await.expect(200);
    assert_eq!((mine["dag_run_id"].as_str(), mine["note"].as_str()), (Some("mine"), Some("by hand")));
    assert_eq!(mine["conf"], json!({ "region": "us" }));
    assert_eq!(mine["data_interval_end"], "2027-01-10T12:00:00Z", "a trigger timetable covers no span");
    user.post("/dags/talk/dagRuns", body).await.expect(409);
    let same_date = json!({ "dag_run_id": "other", "logical_date": "2027-01-10T12:00:00Z" });
    user.post("/dags/talk/dagRuns", same_date).await.expect(409);

    for (body, status) in [
        (json!({}), 422),
        (json!({ "logical_date": "yesterday" }), 422),
        (json!({ "logical_date": null, "colour": "green" }), 422),
        (json!({ "logical_date": null, "data_interval_start": "2027-01-01T00:00:00Z" }), 422),
        (json!({ "logical_date": null, "conf": { "region": 7 } }), 400),
        (json!({ "logical_date": null, "dag_run_id": "a/b" }), 400),
        (json!({ "logical_date": null, "dag_run_id": "scheduled__2027-01-01T00:00:00+00:00" }), 400),
    ] {
        user.post("/dags/talk/dagRuns", body).await.expect(status);
    }
    let misfit = user.post("/dags/talk/dagRuns", json!({ "logical_date": null, "conf": { "region": 7 } })).await;
    assert_eq!(misfit.expect(400)["errors"][0]["pointer"], "/conf/region");
    user.post("/dags/nothing/dagRuns", json!({ "logical_date": null })).await.expect(404);
}

#[tokio::test]
async fn lists_and_their_filters() {
    let server = Server::start().await;
    let user = server.login("admin").await;
    user.add_dag("talk").await;
    for name in ["a", "b", "c"] {
        let body = json!({ "dag_run_id": name, "logical_date": format!("2027-01-0{}T00:00:00Z", name.as_bytes()[0] - b'a' + 1) });
        user.post("/dags/talk/dagRuns", body).await.expect(200);
    }
    let ids = |answer: Value| -> Vec<String> {
        let runs = answer["dag_runs"].as_array().unwrap().clone();
        runs.iter().map(|run| run["dag_run_id"].as_str().unwrap().to_owned()).collect()
    };
    for (query, expected) in [
        ("talk/dagRuns", vec!["a", "b", "c"]),
        ("~/dagRuns?order_by=-logical_date&limit=2", vec!["c", "b"]),
        ("talk/dagRuns?state=running&state=failed", vec![]),
        ("talk/dagRuns?state=queued&run_type=manual&offset=2", vec!["c"]),
        ("talk/dagRuns?logical_date_gt=2027-01-01T00:00:00Z&logical_date_lte=2027-01-02T00:00:00%2B00:00", vec!["b"]),
        ("talk/dagRuns?run_id_pattern=B", vec!["b"]),
        ("~/dagRuns?dag_id_pattern=walk", vec![]),
        ("talk/dagRuns?triggering_user_name_pattern=adm&dag_version=1&limit=1", vec!["a"]),
    ] {
        let answer = user.get(&format!("/dags/{query}")).await.expect(200);
        Contract::get().check("get_dag_runs", 200, &answer);
        assert_eq!(ids(answer), expected, "{query}");
    }
    let body = json!({ "dag_ids": ["talk", "walk"], "states": ["queued"], "order_by": "-dag_run_id", "page_limit": 2 });
    let batch = user.post("/dags/~/dagRuns/list", body).await.expect(200);
    Contract::get().check("get_list_dag_runs_batch", 200, &batch);
    assert_eq!((batch["total_entries"].as_u64(), ids(batch)), (Some(3), vec!["c".to_owned(), "b".to_owned()]));
    assert_eq!(ids(user.post("/dags/~/dagRuns/list", json!({ "dag_ids": [] })).await.expect(200)), [""; 0]);
    let none = user.post("/dags/~/dagRuns/list", json!({ "duration_gte": 1, "conf_contains": "x" })).await.expect(200);
    assert_eq!(ids(none), [""; 0], "none has ended");
    let refused = user.post("/dags/~/dagRuns/list", json!({ "colour": "green" })).await.expect(422);
    assert_eq!(refused["errors"][0]["pointer"], "/colour");
    user.get("/dags/nothing/dagRuns").await.expect(404);
    user.get("/dags/talk/dagRuns?state=lazy").await.expect(422);

    let first = user.get("/dags/talk/dagRuns?cursor=&limit=2").await.expect(200);
    let next = first["next_cursor"].as_str().unwrap();
    assert!(first["previous_cursor"].is_null());
    let second = user.get(&format!("/dags/talk/dagRuns?cursor={next}&limit=2")).await.expect(200);
    assert!(second["next_cursor"].is_null() && second["previous_cursor"].is_string());
    assert_eq!(ids(second), ["c"]);
    user.get("/dags/talk/dagRuns?cursor=mine").await.expect(400);
}

#[tokio::test]
async fn waiting_ends_with_the_run() {
    let server = Server::start().await;
    let user = server.login("admin").await;
    user.add_dag("talk").await;
    user.post("/dags/talk/dagRuns", json!({ "logical_date": null, "dag_run_id": "mine" })).await.expect(200);
    let path = "/dags/talk/dagRuns/mine/wait?interval=0.05&result=first&result=second";
    let play = async {
        let played = Played::start(&server).await;
        played.to_the_end().await;
    };
    let (waited, whole, ()) = tokio::join!(user.get(path), user.get_as(path, "application/json"), play);
    assert_eq!(waited.headers[header::CONTENT_TYPE], "application/x-ndjson");
    let text = waited.text();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (last, before) = lines.split_last().unwrap();
    let expected = json!({ "state": "success", "results": { "first": { "rows": 3 }, "second": "two" } });
    assert_eq!(last, &expected);
    assert!(before.iter().all(|line| line["state"] == "queued" || line["state"] == "running"), "{text}");
    assert_eq!(whole.expect(200), expected, "one JSON object for those who ask for JSON");
    user.get("/dags/talk/dagRuns/mine/wait?interval=0").await.expect(422);
    user.get("/dags/talk/dagRuns/mine/wait").await.expect(422);
    user.get("/dags/talk/dagRuns/yours/wait?interval=1").await.expect(404);
}

#[tokio::test]
async fn a_finished_run_is_removed_with_its_logs() {
    let server = Server::start().await;
    let user = server.login("admin").await;
    user.add_dag("talk").await;
    user.post("/dags/talk/dagRuns", json!({ "logical_date": null, "dag_run_id": "mine" })).await.expect(200);
    let played = Played::start(&server).await;
    user.delete("/dags/talk/dagRuns/mine").await.expect(409);
    played.to_the_end().await;
    let logs = || server.files().into_iter().filter(|name| name.contains("/logs/")).count();
    assert_eq!(logs(), 2);
    let run = user.get("/dags/talk/dagRuns/mine").await.expect(200);
    Contract::get().check("get_dag_run", 200, &run);
    assert_eq!((run["state"].as_str(), run["duration"].as_f64()), (Some("success"), Some(8.0)));
    user.delete("/dags/talk/dagRuns/mine").await.expect(204);
    user.get("/dags/talk/dagRuns/mine").await.expect(404);
    assert_eq!(logs(), 0);
}
