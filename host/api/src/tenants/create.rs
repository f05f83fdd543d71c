use airlock_core::access::Role;
use airlock_core::fault::Fault;
use airlock_core::id::TenantId;
use airlock_store::tenants::User;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use crate::auth::random_password;
use crate::extract::{Principal, ValidJson};
use crate::models::{AdminBody, NewAdmin, TenantBody, TenantResponse};
use crate::problem::{Answer, Problem, ProblemBody, Refusals};
use crate::state::ApiState;
use crate::users::check_username;

/// Makes a tenant, and its first user where the body names one.
#[utoipa::path(post, path = "/tenants", tag = "Tenant", operation_id = "post_tenant", request_body = TenantBody,
    responses((status = 201, body = TenantResponse),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"), Refusals))]
pub async fn post_tenant(
    State(state): State<ApiState>,
    principal: Principal,
    ValidJson(body): ValidJson<TenantBody>,
) -> Answer<(StatusCode, Json<TenantResponse>)> {
    principal.administers_platform()?;
    check_name(&body.name)?;
    // Hashed before anything is made: what can be refused is refused first.
    let admin = match body.admin {
        Some(admin) => Some(prepared(&state, admin).await?),
        None => None,
    };
    let tenant = state.store.create_tenant(&body.name, &body.policy.unwrap_or_default(), state.now()).await?;
    let admin = match admin {
        Some((new, password_hash)) => {
            let user = first_user(&state, tenant.id, &new, password_hash);
            state.store.create_user(&user).await?;
            Some(new)
        }
        None => None,
    };
    Ok((StatusCode::CREATED, Json(TenantResponse::new(tenant, admin))))
}

async fn prepared(state: &ApiState, body: AdminBody) -> Answer<(NewAdmin, String)> {
    check_username(&body.username, "/admin/username")?;
    let (password, told) = match body.password {
        Some(password) => (password, None),
        None => {
            let password = random_password()?;
            (password.clone(), Some(password))
        }
    };
    let hash = state.passwords().hash(password).await?;
    Ok((NewAdmin { username: body.username, password: told }, hash))
}

fn first_user(state: &ApiState, tenant: TenantId, new: &NewAdmin, password_hash: String) -> User {
    User {
        tenant,
        username: new.username.clone(),
        password_hash,
        role: Role::Admin,
        platform_admin: false,
        created_at: state.now(),
    }
}

fn check_name(name: &str) -> Answer<()> {
    let allowed = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    if (1..=63).contains(&name.len()) && name.chars().all(allowed) {
        return Ok(());
    }
    let fault = Fault::new("/name", format!("`{name}` is no tenant's name: 1 to 63 of `a-z 0-9 -` are"));
    Err(Problem::faulty(fault.into()))
}
