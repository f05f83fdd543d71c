//! Callbacks and deadlines of runs, as people read them.

use airlock_blobs::{LogKey, LogLine, LogSink};
use airlock_core::callback::{About, CallbackEvent, NewCallback, missed};
use airlock_store::callbacks::{Callbacks, ClaimedCallback};
use airlock_store::conformance::actors::Driver;
use airlock_store::deadlines::Deadlines;
use airlock_store::driving::RunChange;

use chrono::TimeDelta;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::support::{Client, Server, dag, start};

/// A DAG that sets two deadlines and calls for the end of its runs.
async fn watched(client: &Client<'_>) {
    client.add_dag("talk").await;
    let call = json!({ "operator": "echo", "args": { "text": "{{ reason }}" } });
    let mut document = dag("watched");
    document["callbacks"] = json!({ "on_failure": call });
    document["deadlines"] = json!([
        { "name": "an hour", "reference": "dagrun_queued_at", "interval": 3600, "callback": call },
        { "reference": { "fixed": "2027-01-15T09:30:00Z" }, "interval": 0, "callback": call },
    ]);
    client.put("/dags/watched", document).await.expect(201);
    let body = json!({ "logical_date": null, "dag_run_id": "one" });
    client.post("/dags/watched/dagRuns", body).await.expect(200);
}

async fn say(server: &Server, claimed: &ClaimedCallback, event: &str) {
    let sink = LogSink::start(server.blobs.clone()).unwrap();
    let key = LogKey { run: claimed.row.run, instance: claimed.row.id, try_number: claimed.row.attempts };
    let (level, source) = ("info".to_owned(), "task".to_owned());
    sink.append(key, &LogLine { timestamp: start(), level, source, event: event.to_owned(), fields: Map::new() });
    sink.end(key).await;
}

#[tokio::test]
async fn deadlines_have_airflows_shapes() {
    let server = Server::start().await;
    watched(&server.login("admin").await).await;
    let viewer = server.login("viewer").await;

    let alerts = viewer.get("/dags/watched/deadlineAlerts").await.expect(200);
    assert_eq!(alerts["total_entries"], 2);
    let hour = &alerts["deadline_alerts"][0];
    let members: Vec<_> = hour.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["id", "name", "reference_type", "interval", "created_at"]);
    assert_eq!((&hour["name"], &hour["interval"]), (&json!("an hour"), &json!(3600.0)));
    assert_eq!(alerts["deadline_alerts"][1]["reference_type"], "FixedDatetimeDeadline");
    viewer.get("/dags/watched/deadlineAlerts?version_number=2").await.expect(404);
    viewer.get("/dags/nothing/deadlineAlerts").await.expect(404);
    assert_eq!(viewer.get("/dags/talk/deadlineAlerts").await.expect(200)["total_entries"], 0);

    let path = "/dags/watched/dagRuns/one/deadlines";
    let listed = viewer.get(path).await.expect(200);
    let times: Vec<_> =
        listed["deadlines"].as_array().unwrap().iter().map(|one| one["deadline_time"].clone()).collect();
    assert_eq!(times, [json!("2027-01-15T09:00:00Z"), json!("2027-01-15T09:30:00Z")]);
    let members: Vec<_> = listed["deadlines"][0].as_object().unwrap().keys().map(String::as_str).collect();
    let airflows = ["id", "deadline_time", "missed", "created_at", "dag_id", "dag_run_id", "alert_id", "alert_name"];
    assert_eq!(members, airflows);
    assert_eq!(listed["deadlines"][0]["alert_id"], hour["id"]);

    // Missed by a scheduler: the same, seen from anywhere.
    let now = start() + TimeDelta::hours(2);
    let late = server.store.overdue_deadlines(now, 1).await.unwrap().remove(0);
    let told = airlock_core::callback::MissedDeadline {
        id: late.id,
        name: late.alert_name.clone(),
        deadline_time: late.deadline_time,
    };
    let version = airlock_store::dags::Dags::dag_version(&*server.store, late.run.tenant, "watched", 1).await.unwrap();
    let callback = &version.unwrap().dag.deadlines[0].callback.clone();
    let due = missed(callback, late.place, told, Uuid::now_v7(), now);
    assert!(server.store.miss_deadline(&late, &due, now).await.unwrap());
    let everywhere = viewer.get("/dags/~/dagRuns/~/deadlines?missed=true").await.expect(200);
    assert_eq!((&everywhere["total_entries"], &everywhere["deadlines"][0]["id"]), (&json!(1), &json!(late.id)));
    let later = viewer.get(&format!("{path}?deadline_time_gt=2027-01-15T09:00:00Z&order_by=-alert_name")).await;
    assert_eq!(later.expect(200)["total_entries"], 1);
    viewer.get(&format!("{path}?order_by=place")).await.expect(400);
    viewer.get("/dags/watched/dagRuns/two/deadlines").await.expect(404);
    let called = viewer.get("/dags/watched/dagRuns/one/callbacks").await.expect(200);
    assert_eq!(
        (&called["callbacks"][0]["event"], &called["callbacks"][0]["deadline_id"]),
        (&json!("deadline"), &json!(late.id))
    );
}

#[tokio::test]
async fn callbacks_are_listed_with_their_logs() {
    let server = Server::start().await;
    watched(&server.login("admin").await).await;
    let driver = Driver::new(&*server.store);
    let (run, _) = driver.start(1).await;
    let about = About { reason: Some("timed_out".to_owned()), ..About::default() };
    let due = NewCallback {
        id: Uuid::now_v7(),
        event: CallbackEvent::OnFailure,
        place: 0,
        subject: None,
        about,
        queue: "default".to_owned(),
        at: start(),
    };
    driver.change(&run, RunChange { callbacks: vec![due.clone()], ..RunChange::default() }, 2).await;

    let viewer = server.login("viewer").await;
    let path = "/dags/watched/dagRuns/one/callbacks";
    let one = viewer.get(path).await.expect(200)["callbacks"][0].clone();
    assert_eq!((&one["id"], &one["event"], &one["state"]), (&json!(due.id), &json!("on_failure"), &json!("queued")));
    assert_eq!(
        (&one["operator"], &one["reason"], &one["task_id"]),
        (&json!("echo"), &json!("timed_out"), &Value::Null)
    );
    let log = format!("{path}/{}/log", due.id);
    let empty = viewer.get(&log).await.expect(200);
    assert!(empty["content"] == json!([]) && empty["continuation_token"].is_string(), "{empty}");

    let queues = ["default".to_owned()];
    let until = start() + TimeDelta::minutes(1);
    let claimed = server.store.claim_callbacks(Uuid::new_v4(), "here", &queues, 1, start(), until).await.unwrap();
    say(&server, &claimed[0], "called").await;
    let token = viewer.get(&log).await.expect(200)["continuation_token"].as_str().unwrap().to_owned();
    say(&server, &claimed[0], "and done").await;
    let rest = viewer.get(&format!("{log}?token={token}&attempt=1")).await.expect(200);
    assert_eq!((rest["content"].as_array().unwrap().len(), &rest["content"][0]["event"]), (1, &json!("and done")));
    viewer.get(&format!("{log}?attempt=2")).await.expect(404);
    viewer.get(&format!("{path}/{}/log", Uuid::nil())).await.expect(404);
    viewer.get(&format!("{path}/first/log")).await.expect(422);
    viewer.get("/dags/talk/dagRuns/one/callbacks").await.expect(404);
    let shown = viewer.get(path).await.expect(200);
    assert_eq!(
        (&shown["callbacks"][0]["state"], &shown["callbacks"][0]["hostname"]),
        (&json!("running"), &json!("here"))
    );
}
