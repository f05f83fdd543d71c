//! A server without a socket, and what tests fill it with.

mod airflow;
mod inspector;
mod run;

use std::path::Path;
use std::sync::{Arc, Mutex};

use airlock_api::{ApiState, ConnectionTester, MetricsSource, OpenConnection, Parts, Settings, hash_password};
use airlock_blobs::Blobs;
use airlock_core::access::Role;
use airlock_core::id::TenantId;
use airlock_core::limits::TenantPolicy;
use airlock_store::tenants::{Tenants, User};
use airlock_store::wake::Wake;
use airlock_store_sqlite::{SqliteStore, TemporaryStore};
use airlock_vault::{KeyRing, Vault};
use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use chrono::{DateTime, TimeDelta, Utc};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

pub use airflow::Contract;
pub use inspector::module;
pub use run::Played;

/// The moment at which every test begins.
pub fn start() -> DateTime<Utc> {
    airlock_store::conformance::fixture::at(0)
}

/// Hashing takes its time: one for all users of all tests.
pub const PASSWORD: &str = "correct horse";

pub struct Server {
    pub router: Router,
    pub store: TemporaryStore,
    pub blobs: Blobs,
    now: Arc<Mutex<DateTime<Utc>>>,
}

/// An answer, read to its end.
pub struct Answered {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
}

impl Answered {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes)
            .unwrap_or_else(|error| panic!("{}: not JSON ({error}): {}", self.status, self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// The JSON, after the status was found to be this.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        if self.bytes.is_empty() { Value::Null } else { self.json() }
    }
}

/// Says of each connection what it was given, so that a test sees what would be used.
struct EchoTester;

#[async_trait]
impl ConnectionTester for EchoTester {
    async fn test(&self, _: TenantId, _: &TenantPolicy, connection: &OpenConnection) -> Result<String, String> {
        match connection.host.as_deref() {
            Some("unreachable") => Err("nobody answers at `unreachable`".to_owned()),
            host => Ok(format!("reached {host:?} with {:?} and {:?}", connection.password, connection.extra)),
        }
    }
}

/// The binary answers with what it has measured.
struct FixedMetrics;

#[async_trait]
impl MetricsSource for FixedMetrics {
    async fn text(&self) -> String {
        "airlock_measured 1\n".to_owned()
    }
}

impl Server {
    /// A server with the tenants `default` and `other`, each with the users `admin`, `op`, `user` and `viewer`.
    pub async fn start() -> Self {
        Self::with(Settings::default()).await
    }

    pub async fn with(settings: Settings) -> Self {
        let store = SqliteStore::in_temporary_folder().await.unwrap();
        let blobs = Blobs::open(store.folder().join("blobs")).unwrap();
        let now = Arc::new(Mutex::new(start()));
        let clock = Arc::clone(&now);
        let state = ApiState::new(Parts {
            store: store.shared(),
            blobs: blobs.clone(),
            vault: Arc::new(Vault::new(KeyRing::generate().unwrap())),
            inspector: Arc::new(inspector::JsonInspector),
            connection_tester: Arc::new(EchoTester),
            wake: Wake::default(),
            clock: Arc::new(move || *clock.lock().unwrap()),
            metrics: Arc::new(FixedMetrics),
            settings,
        });
        let server = Self { router: airlock_api::router(state), store, blobs, now };
        for name in ["default", "other"] {
            server.add_tenant(name).await;
        }
        server
    }

    async fn add_tenant(&self, name: &str) {
        let tenant = match self.store.tenant_by_name(name).await.unwrap() {
            Some(tenant) => tenant,
            None => self.store.create_tenant(name, &TenantPolicy::default(), start()).await.unwrap(),
        };
        for role in Role::ALL {
            let user = User {
                tenant: tenant.id,
                username: role.as_str().to_owned(),
                password_hash: password_hash().to_owned(),
                role: *role,
                platform_admin: name == "default" && *role == Role::Admin,
                created_at: start(),
            };
            self.store.create_user(&user).await.unwrap();
        }
    }

    pub fn advance(&self, by: TimeDelta) {
        *self.now.lock().unwrap() += by;
    }

    pub async fn tenant(&self, name: &str) -> TenantId {
        self.store.tenant_by_name(name).await.unwrap().unwrap().id
    }

    pub async fn ask(&self, request: Request<Body>) -> Answered {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes().to_vec();
        Answered { status: parts.status, headers: parts.headers, bytes }
    }

    /// A client with the token of a user, named as at login.
    pub async fn login(&self, username: &str) -> Client<'_> {
        let body = json!({ "username": username, "password": PASSWORD });
        let request = Request::post("/auth/token").header(header::CONTENT_TYPE, "application/json");
        let answer = self.ask(request.body(body.to_string().into()).unwrap()).await.expect(201);
        Client { server: self, token: answer["access_token"].as_str().unwrap().to_owned() }
    }

    /// The files below the blobs' folder, by their names within it.
    pub fn files(&self) -> Vec<String> {
        fn walk(folder: &Path, names: &mut Vec<String>) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { walk(&path, names) } else { names.push(path.display().to_string()) }
            }
        }
        let mut names = Vec::new();
        walk(&self.store.folder().join("blobs"), &mut names);
        names
    }
}

fn password_hash() -> &'static str {
    static HASH: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    HASH.get_or_init(|| hash_password(PASSWORD).unwrap())
}

/// Somebody with a token.
pub struct Client<'a> {
    pub server: &'a Server,
    pub token: String,
}

impl Client<'_> {
    pub fn request(&self, method: Method, path: &str) -> axum::http::request::Builder {
        Request::builder().method(method).uri(path).header(header::AUTHORIZATION, format!("Bearer {}", self.token))
    }

    pub async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Answered {
        let request = self.request(method, &format!("/api/v2{path}"));
        let request = match body {
            Some(body) => request.header(header::CONTENT_TYPE, "application/json").body(body.to_string().into()),
            None => request.body(Body::empty()),
        };
        self.server.ask(request.unwrap()).await
    }

    pub async fn get(&self, path: &str) -> Answered {
        self.send(Method::GET, path, None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answered {
        self.send(Method::POST, path, Some(&body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answered {
        self.send(Method::PUT, path, Some(&body)).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answered {
        self.send(Method::PATCH, path, Some(&body)).await
    }

    pub async fn delete(&self, path: &str) -> Answered {
        self.send(Method::DELETE, path, None).await
    }

    pub async fn get_as(&self, path: &str, accept: &str) -> Answered {
        let request = self.request(Method::GET, &format!("/api/v2{path}")).header(header::ACCEPT, accept);
        self.server.ask(request.body(Body::empty()).unwrap()).await
    }

    pub async fn upload(&self, name: &str, version: &str, bytes: impl Into<Body>) -> Answered {
        let request = self.request(Method::PUT, &format!("/api/v2/operators/{name}/versions/{version}"));
        let request = request.header(header::CONTENT_TYPE, "application/wasm");
        self.server.ask(request.body(bytes.into()).unwrap()).await
    }

    /// Uploads the operator `echo` and sends a DAG of two tasks, `first` before `second`.
    pub async fn add_dag(&self, dag_id: &str) {
        let uploaded = self.upload("echo", "1.0.0", module("echo", "1.0.0")).await;
        assert!(uploaded.status.is_success(), "{}", uploaded.text());
        self.put(&format!("/dags/{dag_id}"), dag(dag_id)).await.expect(201);
    }
}

/// A document of two tasks, `first` before `second`.
pub fn dag(dag_id: &str) -> Value {
    json!({
        "dag_id": dag_id,
        "description": "Says two things",
        "schedule": "0 6 * * *",
        "timezone": "Europe/Berlin",
        "start_date": "2026-01-01T00:00:00Z",
        "tags": ["talk", "demo"],
        "default_args": { "owner": "data", "retries": 1 },
        "params": { "region": { "type": "string", "default": "eu", "description": "where" } },
        "dagrun_timeout": 3600,
        "tasks": [
            { "task_id": "first", "operator": "echo", "args": { "text": "{{ ds }}" }, "task_display_name": "The first" },
            { "task_id": "second", "operator": "echo@1", "args": { "text": "two" }, "upstream": ["first"],
              "execution_timeout": 90 }
        ]
    })
}
