//! Backfills: asked for, tried out, listed, paused, cancelled.

use airlock_core::backfill::PassedOver;
use airlock_store::backfills::{Backfills, Opening};
use axum::http::Method;
use serde_json::{Value, json};

use crate::support::{Contract, Server, start};

/// The span of a week before the moment at which tests begin, 2027-01-15T08:00:00Z.
fn week() -> Value {
    json!({ "dag_id": "talk", "from_date": "2027-01-08T00:00:00Z", "to_date": "2027-01-14T00:00:00Z" })
}

fn with(members: Value) -> Value {
    let mut body = week();
    body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    body
}

#[tokio::test]
async fn a_backfill_is_made_paused_and_cancelled_as_by_airflows_clients() {
    let server = Server::start().await;
    let user = server.login("user").await;
    server.login("admin").await.add_dag("talk").await;
    let contract = Contract::get();

    // At six in Berlin: the tick of the 14th at five o'clock is after the bound.
    let tried = user.post("/backfills/dry_run", week()).await.expect(200);
    contract.check("create_backfill_dry_run", 200, &tried);
    assert_eq!(tried["total_entries"], 6);
    assert_eq!(tried["backfills"][0]["logical_date"], "2027-01-08T05:00:00Z");

    let made = user.post("/backfills", with(json!({ "dag_run_conf": { "region": "us" } }))).await.expect(200);
    contract.check("create_backfill", 200, &made);
    assert_eq!((made["max_active_runs"].as_u64(), made["reprocess_behavior"].as_str()), (Some(10), Some("none")));
    let path = format!("/backfills/{}", made["id"]);
    let again = user.post("/backfills", week()).await.expect(409);
    assert_eq!(again["detail"], "There is already a running backfill for dag talk");

    contract.check("get_backfill", 200, &user.get(&path).await.expect(200));
    let listed = user.get("/backfills?dag_id=talk&order_by=-id").await.expect(200);
    contract.check("list_backfills", 200, &listed);
    assert_eq!((listed["total_entries"].as_u64(), &listed["backfills"][0]), (Some(1), &made));
    user.get("/backfills").await.expect(422);

    let paused = user.send(Method::PUT, &format!("{path}/pause"), None).await.expect(200);
    contract.check("pause_backfill", 200, &paused);
    assert_eq!(paused["is_paused"], true);
    let unpaused = user.send(Method::PUT, &format!("{path}/unpause"), None).await.expect(200);
    contract.check("unpause_backfill", 200, &unpaused);
    assert_eq!(unpaused["is_paused"], false);
    let cancelled = user.send(Method::PUT, &format!("{path}/cancel"), None).await.expect(200);
    contract.check("cancel_backfill", 200, &cancelled);
    assert!(cancelled["completed_at"].is_string() && cancelled["is_paused"] == true, "{cancelled}");
    for verb in ["pause", "unpause", "cancel"] {
        let refused = user.send(Method::PUT, &format!("{path}/{verb}"), None).await.expect(409);
        assert_eq!(refused["detail"], "Backfill is already completed.");
        user.send(Method::PUT, &format!("/backfills/4711/{verb}"), None).await.expect(404);
    }
    user.post("/backfills", week()).await.expect(200);
}

#[tokio::test]
async fn what_cannot_be_backfilled_is_refused() {
    let server = Server::start().await;
    let user = server.login("user").await;
    let admin = server.login("admin").await;
    admin.add_dag("talk").await;
    let mut once = crate::support::dag("once");
    once["schedule"] = json!("@once");
    admin.put("/dags/once", once).await.expect(201);
    let mut looking_back = crate::support::dag("looking_back");
    looking_back["tasks"][0]["depends_on_past"] = json!(true);
    admin.put("/dags/looking_back", looking_back).await.expect(201);

    for (body, status, words) in [
        (with(json!({ "dag_id": "nothing" })), 404, "Could not find dag nothing"),
        (with(json!({ "dag_id": "once" })), 422, "non-periodic"),
        (with(json!({ "dag_id": "looking_back" })), 422, "reprocess behavior"),
        (
            with(json!({ "dag_id": "looking_back", "reprocess_behavior": "failed", "run_backwards": true })),
            422,
            "reverse",
        ),
        (with(json!({ "to_date": "2027-01-07T00:00:00Z" })), 422, "must not be after"),
        (with(json!({ "from_date": "2027-02-01T00:00:00Z", "to_date": "2027-02-02T00:00:00Z" })), 422, "future"),
        (with(json!({ "dag_run_conf": { "region": 7 } })), 422, "/dag_run_conf/region"),
        (with(json!({ "max_active_runs": 0 })), 422, "/max_active_runs"),
        (with(json!({ "reprocess_behavior": "some" })), 422, "some"),
        (with(json!({ "colour": "green" })), 422, "colour"),
        (json!({ "dag_id": "talk" }), 422, "from_date"),
    ] {
        let refused = user.post("/backfills", body.clone()).await.expect(status);
        assert!(refused.to_string().contains(words), "{body}: {refused}");
    }
    let nothing = with(json!({ "to_date": "2027-01-08T00:00:00Z" }));
    user.post("/backfills", nothing.clone()).await.expect(422);
    assert_eq!(user.post("/backfills/dry_run", nothing).await.expect(200)["total_entries"], 0);
    server.login("viewer").await.post("/backfills", week()).await.expect(403);
}

#[tokio::test]
async fn a_backfill_is_its_tenants() {
    let server = Server::start().await;
    let user = server.login("admin").await;
    user.add_dag("talk").await;
    let made = user.post("/backfills", week()).await.expect(200);
    let turn = server.store.backfill_turns(1).await.unwrap().pop().unwrap();
    assert!(server.store.open_slot(&turn, &Opening::Pass(PassedOver::InFlight), start()).await.unwrap());
    let other = server.login("other/admin").await;
    let path = format!("/backfills/{}", made["id"]);
    other.get(&path).await.expect(404);
    other.send(Method::PUT, &format!("{path}/cancel"), None).await.expect(404);
    assert_eq!(other.get("/backfills?dag_id=talk").await.expect(200)["total_entries"], 0);
}
