//! Everything that handlers work with, put together once by the binary.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use airlock_blobs::Blobs;
use airlock_core::id::TenantId;
use airlock_store::Store;
use airlock_store::clock::Clock;
use airlock_store::wake::Wake;
use airlock_vault::Vault;
use chrono::{DateTime, Utc};
use tokio::sync::Semaphore;
use utoipa::openapi::OpenApi;

use crate::auth::{LoginLimiter, Passwords};
use crate::event_logs::Operations;
use crate::models::ConfigSection;
use crate::ports::{ConnectionTester, MetricsSource, ModuleInspector};

/// The knobs of the API.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long the token of a login is good for.
    pub login_lifetime: Duration,
    /// Bytes of a body that is not a module.
    pub body_limit: usize,
    /// Bytes of a module.
    pub module_limit: u64,
    /// How long a request may take; uploads and streams have their own ends.
    pub request_timeout: Duration,
    /// How long an upload may take.
    pub upload_timeout: Duration,
    /// Uploads of one tenant at once; more wait.
    pub uploads_per_tenant: usize,
    /// The configuration as it may be shown; none: it is not.
    pub exposed_config: Option<Vec<ConfigSection>>,
    /// Passwords that are being checked at once: each takes 19 MiB and tens of milliseconds of a core.
    pub password_checks: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            login_lifetime: Duration::from_secs(24 * 3600),
            body_limit: 2 << 20,
            module_limit: 32 << 20,
            request_timeout: Duration::from_secs(30),
            upload_timeout: Duration::from_secs(300),
            uploads_per_tenant: 2,
            exposed_config: None,
            password_checks: 2,
        }
    }
}

/// What the API is made of.
pub struct Parts {
    pub store: Arc<dyn Store>,
    pub blobs: Blobs,
    pub vault: Arc<Vault>,
    pub inspector: Arc<dyn ModuleInspector>,
    pub connection_tester: Arc<dyn ConnectionTester>,
    pub wake: Wake,
    pub clock: Clock,
    pub metrics: Arc<dyn MetricsSource>,
    pub settings: Settings,
}

pub struct Shared {
    parts: Parts,
    pub passwords: Passwords,
    pub logins: LoginLimiter,
    uploads: Mutex<HashMap<TenantId, Arc<Semaphore>>>,
    operations: OnceLock<Operations>,
}

/// The state of the router; cloning shares it.
#[derive(Clone)]
pub struct ApiState(Arc<Shared>);

impl ApiState {
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(Shared {
            passwords: Passwords::new(parts.settings.password_checks),
            logins: LoginLimiter::default(),
            uploads: Mutex::default(),
            operations: OnceLock::new(),
            parts,
        }))
    }

    pub fn now(&self) -> DateTime<Utc> {
        (self.clock)()
    }

    /// The turns at uploading that a tenant has.
    pub fn upload_turns(&self, tenant: TenantId) -> Arc<Semaphore> {
        let mut uploads = self.0.uploads.lock().unwrap_or_else(PoisonError::into_inner);
        let turns = uploads.entry(tenant).or_insert_with(|| Arc::new(Semaphore::new(self.settings.uploads_per_tenant)));
        Arc::clone(turns)
    }

    pub fn passwords(&self) -> &Passwords {
        &self.0.passwords
    }

    /// The names of the router's operations: none before there is a router.
    pub fn operations(&self) -> &Operations {
        static NONE: LazyLock<Operations> = LazyLock::new(Operations::default);
        self.0.operations.get().unwrap_or(&NONE)
    }

    pub fn name_operations(&self, openapi: &OpenApi) {
        // Every router of one state has the same.
        self.0.operations.get_or_init(|| Operations::of(openapi));
    }

    pub fn logins(&self) -> &LoginLimiter {
        &self.0.logins
    }
}

impl Deref for ApiState {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0.parts
    }
}
