//! Tenants, users, tokens and roles.

use chrono::TimeDelta;
use serde_json::json;

use crate::support::{Client, PASSWORD, Server};

#[tokio::test]
async fn a_tenant_is_made_with_its_first_user() {
    let server = Server::start().await;
    let root = server.login("admin").await;
    let made = root.post("/tenants", json!({ "name": "acme", "admin": { "username": "ada" } })).await.expect(201);
    assert_eq!((made["name"].as_str(), made["admin"]["username"].as_str()), (Some("acme"), Some("ada")));
    let password = made["admin"]["password"].as_str().unwrap();
    let body = json!({ "username": "acme/ada", "password": password });
    let request = axum::http::Request::post("/auth/token").header("content-type", "application/json");
    let token = server.ask(request.body(body.to_string().into()).unwrap()).await.expect(201);
    let ada = Client { server: &server, token: token["access_token"].as_str().unwrap().to_owned() };
    let me = ada.get("/whoami").await.expect(200);
    assert_eq!(me, json!({ "tenant": "acme", "username": "ada", "role": "admin", "platform_admin": false }));
    assert_eq!(ada.get("/pools").await.expect(200)["pools"][0]["name"], "default_pool");

    root.post("/tenants", json!({ "name": "acme" })).await.expect(409);
    root.post("/tenants", json!({ "name": "Acme Inc" })).await.expect(422);
    let policy = json!({ "limits": { "memory_bytes": 1048576 }, "egress": { "allow_hosts": ["api.example.com"] } });
    let changed = root.put("/tenants/acme/policy", policy).await.expect(200);
    assert_eq!(changed["policy"]["limits"]["memory_bytes"], 1_048_576);
    assert_eq!(
        ada.get("/tenants/acme").await.expect(200)["policy"]["egress"]["allow_hosts"],
        json!(["api.example.com"])
    );
    assert_eq!(root.get("/tenants").await.expect(200)["total_entries"], 3);

    ada.get("/tenants/default").await.expect(404);
    for refused in [
        ada.get("/tenants").await,
        ada.post("/tenants", json!({ "name": "mine" })).await,
        ada.put("/tenants/acme/policy", json!({})).await,
    ] {
        refused.expect(403);
    }
}

#[tokio::test]
async fn administrators_manage_the_users_of_their_tenant() {
    let server = Server::start().await;
    let admin = server.login("other/admin").await;
    let body = json!({ "username": "grace", "password": "a good password", "role": "user" });
    let made = admin.post("/users", body.clone()).await.expect(201);
    assert_eq!((made["role"].as_str(), made["platform_admin"].as_bool()), (Some("user"), Some(false)));
    assert!(!made.to_string().contains("argon2"));
    admin.post("/users", body).await.expect(409);
    assert_eq!(admin.get("/users").await.expect(200)["total_entries"], 5);
    admin.post("/users", json!({ "username": "a/b", "password": "a good password", "role": "user" })).await.expect(422);
    admin.post("/users", json!({ "username": "x", "password": "short", "role": "user" })).await.expect(422);
    admin.post("/users", json!({ "username": "x", "password": "a good password", "role": "king" })).await.expect(422);

    admin.put("/users/grace/password", json!({ "password": PASSWORD })).await.expect(204);
    let grace = server.login("other/grace").await;
    grace.get("/users").await.expect(403);
    grace.put("/users/admin/password", json!({ "password": "mine mine mine" })).await.expect(403);
    grace.put("/users/grace/password", json!({ "password": "another password" })).await.expect(422);
    let wrong = json!({ "password": "another password", "current_password": "wrong horse" });
    grace.put("/users/grace/password", wrong).await.expect(403);
    let right = json!({ "password": "another password", "current_password": PASSWORD });
    grace.put("/users/grace/password", right).await.expect(204);

    admin.delete("/users/admin").await.expect(409);
    admin.delete("/users/grace").await.expect(204);
    admin.delete("/users/grace").await.expect(404);
    grace.get("/whoami").await.expect(401);
}

#[tokio::test]
async fn tokens_narrow_and_end() {
    let server = Server::start().await;
    let op = server.login("op").await;
    let made = op.post("/tokens", json!({ "name": "ci", "role": "viewer", "expires_in": 60 })).await.expect(201);
    let ci = Client { server: &server, token: made["token"].as_str().unwrap().to_owned() };
    assert_eq!(ci.get("/whoami").await.expect(200)["role"], "viewer");
    ci.get("/variables").await.expect(403);
    ci.post("/tokens", json!({ "name": "more", "role": "op" })).await.expect(403);
    op.post("/tokens", json!({ "name": "more", "role": "admin" })).await.expect(403);

    let list = op.get("/tokens").await.expect(200);
    assert_eq!(list["total_entries"], 2);
    assert!(!list.to_string().contains("airlock_"), "texts are not told again");
    let user = server.login("user").await;
    assert_eq!(user.get("/tokens").await.expect(200)["total_entries"], 1);
    let path = format!("/tokens/{}", made["id"].as_str().unwrap());
    user.delete(&path).await.expect(404);
    server.login("other/admin").await.delete(&path).await.expect(404);

    server.advance(TimeDelta::seconds(61));
    ci.get("/whoami").await.expect(401);
    let lasting = op.post("/tokens", json!({ "name": "lasting" })).await.expect(201);
    let lasting_client = Client { server: &server, token: lasting["token"].as_str().unwrap().to_owned() };
    lasting_client.get("/whoami").await.expect(200);
    op.delete(&format!("/tokens/{}", lasting["id"].as_str().unwrap())).await.expect(204);
    lasting_client.get("/whoami").await.expect(401);
}

#[tokio::test]
async fn roles_are_airflows() {
    let server = Server::start().await;
    server.login("admin").await.add_dag("talk").await;
    for (role, connections, trigger, users) in
        [("viewer", 403, 403, 403), ("user", 403, 200, 403), ("op", 200, 200, 403), ("admin", 200, 200, 200)]
    {
        let client = server.login(role).await;
        client.get("/dags").await.expect(200);
        client.get("/connections").await.expect(connections);
        client.post("/dags/talk/dagRuns", json!({ "logical_date": null })).await.expect(trigger);
        client.get("/users").await.expect(users);
    }
}
