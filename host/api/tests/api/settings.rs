//! Connections, variables and pools.

use airlock_store::settings::Settings;
use serde_json::{Value, json};

use crate::support::{Contract, Server};

#[tokio::test]
async fn secrets_of_connections_are_never_shown() {
    let server = Server::start().await;
    let op = server.login("op").await;
    let contract = Contract::get();
    let body = json!({
        "connection_id": "warehouse", "conn_type": "postgres", "host": "db.example.com", "port": 5432, "login": "etl",
        "password": "hunter2hunter2", "schema": "sales", "extra": "{\"sslmode\": \"require\", \"api_key\": \"k-123456\"}"
    });
    let made = op.post("/connections", body.clone()).await.expect(201);
    contract.check("post_connection", 201, &made);
    assert_eq!(made["password"], "***");
    assert_eq!(
        serde_json::from_str::<Value>(made["extra"].as_str().unwrap()).unwrap(),
        json!({ "sslmode": "require", "api_key": "***" })
    );
    op.post("/connections", body).await.expect(409);
    let list = op.get("/connections?order_by=-connection_id&connection_id_pattern=ware").await.expect(200);
    contract.check("get_connections", 200, &list);
    assert!(!list.to_string().contains("hunter2") && !list.to_string().contains("k-123456"));

    // What was shown can be sent back: the secrets stay.
    let mut shown = op.get("/connections/warehouse").await.expect(200);
    contract.check("get_connection", 200, &shown);
    shown["host"] = json!("db2.example.com");
    let patched = op.patch("/connections/warehouse", shown).await.expect(200);
    contract.check("patch_connection", 200, &patched);
    assert_eq!(patched["host"], "db2.example.com");
    let tested = json!({ "connection_id": "warehouse", "conn_type": "postgres" });
    let tested = op.post("/connections/test", tested).await.expect(200);
    contract.check("test_connection", 200, &tested);
    let message = tested["message"].as_str().unwrap();
    assert!(
        message.contains("db2.example.com") && message.contains("hunter2hunter2") && message.contains("k-123456"),
        "{message}"
    );

    let masked = json!({ "connection_id": "warehouse", "conn_type": "postgres", "login": "other", "port": 1 });
    let masked = op.patch("/connections/warehouse?update_mask=login", masked).await.expect(200);
    assert_eq!((masked["login"].as_str(), masked["port"].as_u64()), (Some("other"), Some(5432)));
    op.delete("/connections/warehouse").await.expect(204);
    op.get("/connections/warehouse").await.expect(404);
}

#[tokio::test]
async fn a_stored_password_is_not_sent_to_another_host() {
    let server = Server::start().await;
    let op = server.login("op").await;
    let body = json!({ "connection_id": "lake", "conn_type": "http", "host": "here", "password": "hunter2hunter2" });
    op.post("/connections", body).await.expect(201);
    let elsewhere = json!({ "connection_id": "lake", "conn_type": "http", "host": "there", "password": "***" });
    op.post("/connections/test", elsewhere).await.expect(400);
    let own = json!({ "connection_id": "lake", "conn_type": "http", "host": "there", "password": "mine" });
    let own = op.post("/connections/test", own).await.expect(200);
    assert!(own["message"].as_str().unwrap().contains("mine"));
    let unreachable = json!({ "connection_id": "new", "conn_type": "http", "host": "unreachable" });
    let unreachable = op.post("/connections/test", unreachable).await.expect(200);
    assert_eq!(unreachable, json!({ "status": false, "message": "nobody answers at `unreachable`" }));
}

#[tokio::test]
async fn secrets_are_sealed_in_the_database() {
    let server = Server::start().await;
    let op = server.login("op").await;
    let body = json!({ "connection_id": "lake", "conn_type": "http", "password": "hunter2hunter2" });
    op.post("/connections", body).await.expect(201);
    op.post("/variables", json!({ "key": "region", "value": "europe-west" })).await.expect(201);
    let tenant = server.tenant("default").await;
    let connection = server.store.connection(tenant, "lake").await.unwrap().unwrap();
    let variable = server.store.variable(tenant, "region").await.unwrap().unwrap();
    for sealed in [connection.password.unwrap(), variable.value] {
        let text = String::from_utf8_lossy(&sealed.0).into_owned();
        assert!(!text.contains("hunter2") && !text.contains("europe"), "{text}");
    }
}

#[tokio::test]
async fn faulty_connections_are_refused_whole() {
    let server = Server::start().await;
    let op = server.login("op").await;
    let body = json!({ "connection_id": "a b", "conn_type": "", "extra": "[1]", "team_name": "x" });
    let problem = op.post("/connections", body).await.expect(422);
    let pointers: Vec<_> = problem["errors"].as_array().unwrap().iter().map(|fault| fault["pointer"].clone()).collect();
    assert_eq!(pointers, ["/connection_id", "/conn_type", "/extra", "/team_name"]);
    op.post("/connections", json!({ "connection_id": "a", "conn_type": "http", "port": 70000 })).await.expect(422);
    let other = json!({ "connection_id": "b", "conn_type": "http" });
    op.patch("/connections/a", other).await.expect(400);
}

#[tokio::test]
async fn variables() {
    let server = Server::start().await;
    let op = server.login("op").await;
    let contract = Contract::get();
    for (key, value, shown) in [
        ("region", json!("eu"), "eu"),
        ("db_password", json!("hunter2"), "***"),
        ("limits", json!({ "rows": 5, "token": "t" }), r#"{"rows":5,"token":"***"}"#),
        ("number", json!("5"), "5"),
        ("a/b", json!(true), "true"),
    ] {
        let made = op.post("/variables", json!({ "key": key, "value": value, "description": "d" })).await.expect(201);
        contract.check("post_variable", 201, &made);
        assert_eq!(made["value"], shown, "{key}");
    }
    op.post("/variables", json!({ "key": "region", "value": "us" })).await.expect(409);
    let slash = op.get("/variables/a%2Fb").await.expect(200);
    contract.check("get_variable", 200, &slash);
    assert_eq!(slash["key"], "a/b");
    let list = op.get("/variables?order_by=-key&limit=2&variable_key_pattern=~").await.expect(200);
    contract.check("get_variables", 200, &list);
    assert_eq!((list["total_entries"].as_u64(), list["variables"][0]["key"].as_str()), (Some(5), Some("region")));
    let patched = op.patch("/variables/region", json!({ "key": "region", "value": "us" })).await.expect(200);
    contract.check("patch_variable", 200, &patched);
    assert_eq!((patched["value"].as_str(), patched["description"].as_str()), (Some("us"), Some("d")));
    op.patch("/variables/region", json!({ "key": "other", "value": "us" })).await.expect(400);
    op.delete("/variables/region").await.expect(204);
    op.get("/variables/region").await.expect(404);
    op.delete("/variables/region").await.expect(404);
}

#[tokio::test]
async fn pools() {
    let server = Server::start().await;
    let op = server.login("op").await;
    let contract = Contract::get();
    let made = op.post("/pools", json!({ "name": "narrow", "slots": 2 })).await.expect(201);
    contract.check("post_pool", 201, &made);
    assert_eq!((made["open_slots"].as_i64(), made["occupied_slots"].as_i64()), (Some(2), Some(0)));
    op.post("/pools", json!({ "name": "narrow", "slots": 2 })).await.expect(409);
    op.post("/pools", json!({ "name": "", "slots": -2 })).await.expect(422);
    let list = op.get("/pools?order_by=name").await.expect(200);
    contract.check("get_pools", 200, &list);
    assert_eq!((list["total_entries"].as_u64(), list["pools"][0]["name"].as_str()), (Some(2), Some("default_pool")));
    let patched =
        op.patch("/pools/narrow?update_mask=slots", json!({ "slots": -1, "description": "no" })).await.expect(200);
    contract.check("patch_pool", 200, &patched);
    assert_eq!((patched["slots"].as_i64(), patched["open_slots"].as_i64()), (Some(-1), Some(-1)));
    assert!(patched["description"].is_null());
    op.patch("/pools/narrow", json!({ "pool": "wide" })).await.expect(400);
    op.delete("/pools/default_pool").await.expect(400);
    op.delete("/pools/narrow").await.expect(204);
    contract.check("get_pool", 200, &op.get("/pools/default_pool").await.expect(200));
    op.get("/pools/narrow").await.expect(404);
    let viewer = server.login("viewer").await;
    viewer.get("/pools").await.expect(200);
    viewer.post("/pools", json!({ "name": "mine", "slots": 2 })).await.expect(403);
}

#[tokio::test]
async fn bulk_requests_say_what_was_done() {
    let server = Server::start().await;
    let op = server.login("op").await;
    let contract = Contract::get();
    let body = json!({ "actions": [
        { "action": "create", "entities": [{ "key": "a", "value": "1" }, { "key": "b", "value": { "x": 1 } }] },
        { "action": "create", "entities": [{ "key": "b", "value": "2" }, { "key": "c", "value": "3" }], "action_on_existence": "skip" },
        { "action": "update", "entities": [{ "key": "a", "value": "9" }, { "key": "z", "value": "9" }] },
        { "action": "delete", "entities": ["c", { "key": "z" }], "action_on_non_existence": "skip" }
    ]});
    let done = op.patch("/variables", body).await.expect(200);
    contract.check("bulk_variables", 200, &done);
    assert_eq!(done["create"]["success"], json!(["a", "b", "c"]));
    assert_eq!(done["update"]["success"], json!([]), "one is missing: the action is refused whole");
    assert_eq!(done["update"]["errors"][0]["status_code"], 404);
    assert_eq!(done["delete"]["success"], json!(["c"]));
    assert_eq!(op.get("/variables").await.expect(200)["total_entries"], 2);

    let connections = json!({ "actions": [{ "action": "create", "entities": [
        { "connection_id": "lake", "conn_type": "aws", "password": "hunter2hunter2" }] }] });
    contract.check("bulk_connections", 200, &op.patch("/connections", connections.clone()).await.expect(200));
    let again = op.patch("/connections", connections).await.expect(200);
    assert_eq!(again["create"]["errors"][0]["status_code"], 409);
    let pools = json!({ "actions": [
        { "action": "create", "entities": [{ "name": "narrow", "slots": 1 }] },
        { "action": "create", "entities": [{ "name": "narrow", "slots": 3 }], "action_on_existence": "overwrite" }] });
    contract.check("bulk_pools", 200, &op.patch("/pools", pools).await.expect(200));
    assert_eq!(op.get("/pools/narrow").await.expect(200)["slots"], 3);

    let faulty =
        json!({ "actions": [{ "action": "create", "entities": [{ "key": "d", "value": "1" }, { "value": "1" }] }] });
    let problem = op.patch("/variables", faulty).await.expect(422);
    assert_eq!(problem["errors"][0]["pointer"], "/actions/0/entities/1");
    op.get("/variables/d").await.expect(404);
    let user = server.login("user").await;
    user.patch("/variables", json!({ "actions": [{ "action": "delete", "entities": ["a"] }] })).await.expect(403);
}
