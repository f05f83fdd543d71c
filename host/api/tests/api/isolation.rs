//! Two tenants: neither finds anything of the other, on any path that the API's own description has.

use axum::http::Method;
use serde_json::{Map, Value, json};

use crate::support::{Client, Played, Server, dag, module};

/// In every name of the other tenant, and in nothing else.
const MARK: &str = "zebra";

/// Fills a tenant with one of everything, all of it marked. Answers the id of a token of it.
async fn fill(client: &Client<'_>) -> String {
    client.upload("zebra-op", "1.0.0", module("zebra-op", "1.0.0")).await.expect(201);
    let mut document = dag("zebra_dag");
    document["tags"] = json!(["zebra_tag"]);
    for task in document["tasks"].as_array_mut().unwrap() {
        task["operator"] = json!("zebra-op");
        task["outlets"] = json!(["zebra://asset"]);
    }
    document["deadlines"] = json!([{
        "name": "zebra_alert", "reference": { "fixed": "2020-01-01T00:00:00Z" }, "interval": 0,
        "callback": { "operator": "zebra-op", "args": { "text": "late" } }
    }]);
    client.put("/dags/zebra_dag", document).await.expect(201);
    client
        .post("/connections", json!({ "connection_id": "zebra_conn", "conn_type": "http", "host": "zebra" }))
        .await
        .expect(201);
    client.post("/variables", json!({ "key": "zebra_key", "value": "zebra" })).await.expect(201);
    client.post("/pools", json!({ "name": "zebra_pool", "slots": 1 })).await.expect(201);
    client
        .post("/users", json!({ "username": "zebra_user", "password": "a good password", "role": "user" }))
        .await
        .expect(201);
    let token = client.post("/tokens", json!({ "name": "zebra_token" })).await.expect(201);
    let body = json!({ "logical_date": null, "dag_run_id": "zebra_run", "note": "zebra" });
    client.post("/dags/zebra_dag/dagRuns", body).await.expect(200);
    Played::start(client.server).await.to_the_end().await;
    let span = json!({ "dag_id": "zebra_dag", "from_date": "2027-01-01T00:00:00Z", "to_date": "2027-01-03T00:00:00Z" });
    assert_eq!(client.post("/backfills", span).await.expect(200)["id"], 1, "as the walk names it");
    token["id"].as_str().unwrap().to_owned()
}

/// A path of the other tenant's things.
fn filled(template: &str, token: &str) -> String {
    let mut path = template.to_owned();
    for (name, value) in [
        ("dag_id", "zebra_dag"),
        ("dag_run_id", "zebra_run"),
        ("task_id", "first"),
        ("group_id", "zebra_group"),
        ("map_index", "-1"),
        ("task_try_number", "1"),
        ("try_number", "1"),
        ("xcom_key", "return_value"),
        ("version_number", "1"),
        ("backfill_id", "1"),
        ("asset_id", "1"),
        ("asset_alias_id", "1"),
        ("connection_id", "zebra_conn"),
        ("variable_key", "zebra_key"),
        ("pool_name", "zebra_pool"),
        ("name", "zebra-op"),
        ("version", "1.0.0"),
        ("tenant", "other"),
        ("username", "zebra_user"),
        ("event_log_id", "1"),
        ("callback_id", "00000000-0000-0000-0000-000000000000"),
        ("import_error_id", "1"),
        ("section", "airlock"),
        ("option", "listen"),
        ("id", token),
    ] {
        path = path.replace(&format!("{{{name}}}"), value);
    }
    assert!(!path.contains('{'), "the walk does not know what to put into {template}");
    path
}

/// A body with which the request would succeed on one's own things.
fn body(method: &Method, template: &str) -> Option<Value> {
    let wait = json!({ "is_paused": true });
    match (method.as_str(), template.trim_start_matches("/api/v2")) {
        ("GET" | "DELETE", _) => None,
        ("PATCH", "/dags" | "/dags/{dag_id}") => Some(wait),
        ("PATCH", "/variables" | "/connections" | "/pools") => {
            let names = ["zebra_key", "zebra_conn", "zebra_pool"];
            Some(json!({ "actions": [{ "action": "delete", "entities": names, "action_on_non_existence": "skip" }] }))
        }
        ("PATCH", "/variables/{variable_key}") => Some(json!({ "key": "zebra_key", "value": "mine" })),
        ("PATCH", "/connections/{connection_id}") => {
            Some(json!({ "connection_id": "zebra_conn", "conn_type": "http" }))
        }
        ("PATCH", "/pools/{pool_name}") => Some(json!({ "slots": 9 })),
        ("PATCH", path) if path.contains("xcomEntries") => Some(json!({ "value": "mine" })),
        ("PATCH", "/dags/{dag_id}/dagRuns") => Some(bulk(json!({ "dag_run_id": "zebra_run", "state": "failed" }))),
        ("PATCH", path) if path.ends_with("/taskInstances") => {
            Some(bulk(json!({ "task_id": "first", "new_state": "failed" })))
        }
        ("PATCH", path) if path.contains("taskInstances") || path.contains("taskGroupInstances") => {
            Some(json!({ "new_state": "failed", "note": "mine" }))
        }
        ("PATCH", _) => Some(json!({ "state": "failed", "note": "mine" })),
        ("POST", path) if path.ends_with("/clearTaskInstances") => {
            Some(json!({ "dry_run": false, "only_failed": false }))
        }
        ("POST", path) if path.ends_with("/clear") => Some(json!({ "dry_run": false })),
        ("POST", path) if path.ends_with("/clearDagRuns") => {
            Some(json!({ "dry_run": false, "dag_runs": [{ "dag_run_id": "zebra_run" }] }))
        }
        ("POST", path) if path.ends_with("/clearPartitions") => {
            Some(json!({ "dry_run": false, "run_id": "zebra_run" }))
        }
        ("POST", "/dags/{dag_id}/dagRuns") => Some(json!({ "logical_date": null })),
        ("POST", "/dags/{dag_id}/dagRuns/list") => Some(json!({ "dag_ids": ["zebra_dag"] })),
        ("POST", path) if path.ends_with("taskInstances/list") => Some(json!({ "dag_ids": ["zebra_dag"] })),
        ("POST", path) if path.ends_with("xcomEntries") => Some(json!({ "key": "mine", "value": 1 })),
        ("POST", "/connections/test") => Some(json!({ "connection_id": "zebra_conn", "conn_type": "http" })),
        ("PUT", path) if path.ends_with("/password") => Some(json!({ "password": "a bad password" })),
        // The rest makes things of one's own; what the walk leaves of them is not asked for.
        _ => Some(json!({})),
    }
}

fn bulk(entity: Value) -> Value {
    json!({ "actions": [{ "action": "update", "entities": [entity] }] })
}

/// Every read of the other tenant's own things, to see afterwards that nothing has changed.
async fn everything(client: &Client<'_>, paths: &Map<String, Value>, token: &str) -> Vec<(String, u16, String)> {
    let mut seen = Vec::new();
    for (template, operations) in paths {
        if operations.get("get").is_some() && !template.contains("/auth/") && !template.ends_with("/tokens") {
            let path = query(&filled(template, token));
            let answer = client.send(Method::GET, path.trim_start_matches("/api/v2"), None).await;
            seen.push((path, answer.status.as_u16(), answer.text()));
        }
    }
    seen
}

fn query(path: &str) -> String {
    match path.rsplit('/').next() {
        Some("wait") => format!("{path}?interval=0.05"),
        Some("backfills") => format!("{path}?dag_id=zebra_dag"),
        _ => path.to_owned(),
    }
}

#[tokio::test]
async fn one_tenant_finds_nothing_of_the_other_on_any_path() {
    let server = Server::start().await;
    let other = server.login("other/admin").await;
    let token = fill(&other).await;
    // An administrator, but not of the platform: that one may see tenants.
    let me = server.login("op").await;
    let admin = {
        let root = server.login("admin").await;
        root.post(
            "/tenants",
            json!({ "name": "mine", "admin": { "username": "me", "password": crate::support::PASSWORD } }),
        )
        .await
        .expect(201);
        server.login("mine/me").await
    };
    let document =
        server.ask(axum::http::Request::get("/api/v2/openapi.json").body(axum::body::Body::empty()).unwrap()).await;
    let document = document.expect(200);
    let paths = document["paths"].as_object().unwrap();
    let before = everything(&other, paths, &token).await;
    let (marked, found) = (before.iter().filter(|(_, _, text)| text.contains(MARK)).count(), before.len());
    assert!(marked > found / 2, "the walk finds what there is: {marked} of {found}");

    for client in [&admin, &me] {
        for (template, operations) in paths {
            if template.contains("/auth/") {
                continue;
            }
            for method in operations.as_object().unwrap().keys() {
                let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
                // A document or an event of the own tenant may well have the name that another one's has.
                let makes_own = (method == Method::PUT && template.ends_with("/dags/{dag_id}"))
                    || template.ends_with("/triggerEvents/{name}");
                let path = query(&filled(template, &token));
                let path = path.trim_start_matches("/api/v2");
                let answer = client.send(method.clone(), path, body(&method, template).as_ref()).await;
                // Airflow's lists of XComs and of queued events answer with none for what does not exist, instead of 404.
                let lists = template.ends_with("/list")
                    || (method == Method::GET
                        && (template.ends_with("/xcomEntries")
                            || (template.ends_with("/queuedEvents") && template.matches('{').count() == 1)));
                let named = template.contains('{') && !makes_own && !lists;
                assert!(
                    !named || answer.status.is_client_error(),
                    "{method} {path} answers {} to another tenant: {}",
                    answer.status,
                    answer.text()
                );
                if method == Method::GET {
                    let exists = [404, 403, 200].contains(&answer.status.as_u16());
                    assert!(exists && (!named || answer.status != 200), "{path}: {}", answer.status);
                    let echo = answer.text().replace(path, "");
                    let told = named || !echo.contains(MARK);
                    assert!(told, "{path} tells of the other tenant: {echo}");
                }
            }
        }
    }
    let after = everything(&other, paths, &token).await;
    assert_eq!(before, after, "the other tenant's things are as they were");
}

#[tokio::test]
async fn two_tenants_may_use_the_same_names() {
    let server = Server::start().await;
    let (here, there) = (server.login("admin").await, server.login("other/admin").await);
    for client in [&here, &there] {
        client.add_dag("talk").await;
        client
            .post("/dags/talk/dagRuns", json!({ "logical_date": "2027-01-01T00:00:00Z", "dag_run_id": "mine" }))
            .await
            .expect(200);
        client.post("/variables", json!({ "key": "region", "value": "eu" })).await.expect(201);
    }
    here.patch("/variables/region", json!({ "key": "region", "value": "us" })).await.expect(200);
    here.patch("/dags/talk", json!({ "is_paused": true })).await.expect(200);
    here.delete("/variables/region").await.expect(204);
    assert_eq!(there.get("/variables/region").await.expect(200)["value"], "eu");
    assert_eq!(there.get("/dags/talk").await.expect(200)["is_paused"], false);
    assert_eq!(there.get("/dags/~/dagRuns").await.expect(200)["total_entries"], 1);
}
