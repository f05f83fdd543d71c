//! `/config`: the settings of the server, where its configuration lets them be shown (`expose_config`).

use airlock_core::access::{Action, Resource};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::extract::{Path, Principal, Query};
use crate::models::{ConfigResponse, ConfigSection};
use crate::problem::{Answer, Problem, Refusals};
use crate::state::ApiState;

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct Filter {
    section: Option<String>,
}

/// The settings of the server; secrets are hidden. 403 unless they are exposed.
#[utoipa::path(get, path = "/config", tag = "Config", operation_id = "get_config", params(Filter),
    responses((status = 200, body = ConfigResponse), Refusals))]
pub async fn get_config(
    State(state): State<ApiState>,
    principal: Principal,
    headers: HeaderMap,
    Query(filter): Query<Filter>,
) -> Answer<Response> {
    let mut sections = exposed(&state, &principal)?.to_vec();
    if let Some(wanted) = filter.section {
        sections.retain(|section| section.name == wanted);
        if sections.is_empty() {
            return Err(Problem::not_found(format!("Section {wanted} not found.")));
        }
    }
    negotiated(&headers, ConfigResponse { sections })
}

/// One setting.
#[utoipa::path(get, path = "/config/section/{section}/option/{option}", tag = "Config", operation_id = "get_config_value",
    params(("section" = String, Path), ("option" = String, Path)),
    responses((status = 200, body = ConfigResponse), Refusals))]
pub async fn get_config_value(
    State(state): State<ApiState>,
    principal: Principal,
    headers: HeaderMap,
    Path((section, option)): Path<(String, String)>,
) -> Answer<Response> {
    let found = exposed(&state, &principal)?.iter().find(|known| known.name == section).and_then(|known| {
        let option = known.options.iter().find(|known| known.key == option)?;
        Some(ConfigSection { name: known.name.clone(), options: vec![option.clone()] })
    });
    let absent = || Problem::not_found(format!("Option [{section}/{option}] not found."));
    negotiated(&headers, ConfigResponse { sections: vec![found.ok_or_else(absent)?] })
}

fn exposed<'a>(state: &'a ApiState, principal: &Principal) -> Answer<&'a [ConfigSection]> {
    principal.may(Action::Read, Resource::Configuration)?;
    state.settings.exposed_config.as_deref().ok_or_else(|| {
        let detail = "the administrator chose not to expose the configuration (setting `expose_config`)";
        Problem::forbidden(detail)
    })
}

/// As JSON, or as an INI file where plain text is asked for.
fn negotiated(headers: &HeaderMap, config: ConfigResponse) -> Answer<Response> {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("*/*");
    if accept.contains("application/json") || accept.contains("*/*") || accept.contains("application/*") {
        return Ok(Json(config).into_response());
    }
    if accept.contains("text/plain") {
        let text: String = config.sections.iter().map(ini).collect();
        return Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response());
    }
    let detail = format!("cannot answer with `{accept}`; possible are application/json and text/plain");
    Err(Problem::new(StatusCode::NOT_ACCEPTABLE, "not-acceptable", detail))
}

fn ini(section: &ConfigSection) -> String {
    let options: String = section.options.iter().map(|option| format!("{} = {}\n", option.key, option.value)).collect();
    format!("[{}]\n{options}\n", section.name)
}
