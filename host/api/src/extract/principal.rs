//! Who is asking.

use airlock_core::access::{Action, Resource, Role, required_role};
use airlock_core::id::TenantId;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::problem::{Answer, Problem};

/// The user behind a request, by the token. Every call to the store takes the tenant from here: no request can name one.
#[derive(Clone, Debug)]
pub struct Principal {
    pub tenant: TenantId,
    pub username: String,
    pub role: Role,
    pub platform_admin: bool,
}

impl Principal {
    /// # Errors
    /// 403 if the role does not suffice.
    pub fn may(&self, action: Action, resource: Resource) -> Answer<()> {
        let Some(least) = required_role(action, resource) else { return self.administers_platform() };
        if self.role >= least {
            return Ok(());
        }
        let things = resource.as_str().replace('_', " ");
        let detail = format!("to {action} {things}s, a token needs the role `{least}`; this one has `{}`", self.role);
        Err(Problem::forbidden(detail))
    }

    /// # Errors
    /// 403 unless the user administers the whole installation.
    pub fn administers_platform(&self) -> Answer<()> {
        if self.platform_admin {
            return Ok(());
        }
        Err(Problem::forbidden("only administrators of the platform (of the tenant `default`) may do that"))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Principal {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Answer<Self> {
        // The authentication layer stands before every endpoint that takes a principal.
        let principal = parts.extensions.get::<Self>().cloned();
        principal.ok_or_else(|| Problem::internal("an endpoint without authentication takes a principal"))
    }
}
