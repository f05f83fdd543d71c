//! The whole API on one page.

use airlock_core::dag::MAXIMUM_DOCUMENT_BYTES;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::from_fn_with_state;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use utoipa_swagger_ui::SwaggerUi;

use crate::alternatives::Alternatives;
use crate::auth::{authenticate, login};
use crate::openapi::Description;
use crate::problem::Problem;
use crate::state::ApiState;
use crate::{
    assets, backfills, callbacks, configuration, connections, dag_runs, dag_versions, dag_warnings, dags, deadlines,
    event_logs, imports, jobs, layers, metrics, monitor, operators, pools, providers, task_groups, task_instances,
    tasks, tenants, tokens, trigger_events, users, variables, workers, xcoms,
};

/// Bytes of a login.
const LARGEST_LOGIN: usize = 16 << 10;

/// The router with everything in it, ready to be served. Serve it with `into_make_service_with_connect_info::<SocketAddr>()`,
/// so that the brake on logins can tell addresses apart.
pub fn router(state: ApiState) -> Router {
    let (router, openapi) = described(&state).split_for_parts();
    state.name_operations(&openapi);
    let alternatives = Alternatives::of(&openapi);
    let router = router
        .merge(SwaggerUi::new("/docs").url("/api/v2/openapi.json", openapi))
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(no_such_path)
        .with_state(state);
    layers::before(layers::around(router), alternatives)
}

/// The OpenAPI document.
pub fn openapi(state: &ApiState) -> utoipa::openapi::OpenApi {
    described(state).into_openapi()
}

fn described(state: &ApiState) -> OpenApiRouter<ApiState> {
    let timeout = state.settings.request_timeout;
    let open = OpenApiRouter::new().routes(routes!(monitor::get_version)).routes(routes!(monitor::get_health));
    let protected = layers::within(usual(state.settings.body_limit).merge(documents()), timeout)
        .merge(uploads())
        .fallback(no_such_path)
        .layer(from_fn_with_state(state.clone(), event_logs::record))
        .layer(from_fn_with_state(state.clone(), authenticate));
    OpenApiRouter::with_openapi(Description::openapi())
        .merge(layers::within(logins(), timeout))
        .merge(layers::within(metrics(state), timeout))
        .nest("/api/v2", layers::within(open, timeout).merge(protected))
}

/// Where Prometheus looks, and for administrators.
fn metrics(state: &ApiState) -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(metrics::get_metrics)).layer(from_fn_with_state(state.clone(), authenticate))
}

fn logins() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(login::create_token, login::create_token_all_admins))
        .routes(routes!(login::create_token_cli))
        .layer(DefaultBodyLimit::max(LARGEST_LOGIN))
}

/// Bodies that may be large, and are read into memory.
fn documents() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(dags::put::put_dag))
        .routes(routes!(dags::validate::validate_dag))
        .layer(DefaultBodyLimit::max(MAXIMUM_DOCUMENT_BYTES))
}

/// Bodies that are streamed to a file; the endpoint bounds their size and time.
fn uploads() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(operators::upload::put_operator_version))
        .routes(routes!(operators::upload::post_operator))
        .layer(DefaultBodyLimit::disable())
}

fn usual(body_limit: usize) -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .merge(dag_routes())
        .merge(run_routes())
        .merge(instance_routes())
        .merge(asset_routes())
        .merge(setting_routes())
        .merge(administration_routes())
        .layer(DefaultBodyLimit::max(body_limit))
}

fn dag_routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(dags::list::get_dags, dags::patch::patch_dags))
        .routes(routes!(dags::get::get_dag, dags::patch::patch_dag, dags::delete::delete_dag))
        .routes(routes!(dags::details::get_dag_details))
        .routes(routes!(dags::favorite::favorite_dag))
        .routes(routes!(dags::favorite::unfavorite_dag))
        .routes(routes!(dag_warnings::list_dag_warnings))
        .routes(routes!(dags::source::get_document))
        .routes(routes!(dags::source::get_dag_source))
        .routes(routes!(dags::next_runs::get_next_runs))
        .routes(routes!(dags::tags::get_dag_tags))
        .routes(routes!(dags::stats::get_dag_stats))
        .routes(routes!(dag_versions::list::get_dag_versions))
        .routes(routes!(dag_versions::get::get_dag_version))
        .routes(routes!(dag_versions::difference::get_dag_version_difference))
        .routes(routes!(tasks::get_tasks))
        .routes(routes!(tasks::get_task))
}

fn run_routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(
            dag_runs::list::get_dag_runs,
            dag_runs::trigger::trigger_dag_run,
            dag_runs::bulk::bulk_dag_runs
        ))
        .routes(routes!(dag_runs::list_batch::get_list_dag_runs_batch))
        .routes(routes!(dag_runs::get::get_dag_run, dag_runs::delete::delete_dag_run, dag_runs::patch::patch_dag_run))
        .routes(routes!(dag_runs::clear::clear_dag_run))
        .routes(routes!(dag_runs::clear::clear_dag_runs))
        .routes(routes!(dag_runs::partitions::clear_dag_run_partitions))
        .routes(routes!(dag_runs::wait::wait_dag_run_until_finished))
        .routes(routes!(callbacks::list::get_callbacks))
        .routes(routes!(callbacks::log::get_callback_log))
        .routes(routes!(deadlines::list::get_deadlines))
        .routes(routes!(deadlines::alerts::get_dag_deadline_alerts))
        .routes(routes!(backfills::list::list_backfills, backfills::create::create_backfill))
        .routes(routes!(backfills::dry_run::create_backfill_dry_run))
        .routes(routes!(backfills::get::get_backfill))
        .routes(routes!(backfills::pause::pause_backfill))
        .routes(routes!(backfills::pause::unpause_backfill))
        .routes(routes!(backfills::cancel::cancel_backfill))
}

fn instance_routes() -> OpenApiRouter<ApiState> {
    use task_groups::patch as group;
    use task_instances::{
        bulk, clear, delete, dependencies, get, links, list, list_batch, list_mapped, logs, patch, tries,
    };
    OpenApiRouter::new()
        .routes(routes!(list::get_task_instances, bulk::bulk_task_instances))
        .routes(routes!(clear::post_clear_task_instances))
        .routes(routes!(group::patch_task_group_instances))
        .routes(routes!(group::patch_task_group_instances_dry_run))
        .routes(routes!(list_batch::get_task_instances_batch))
        .routes(routes!(list_mapped::get_mapped_task_instances))
        .routes(routes!(get::get_task_instance, patch::patch_task_instance, delete::delete_task_instance))
        .routes(routes!(get::get_mapped_task_instance, patch::patch_task_instance_by_map_index))
        .routes(routes!(patch::patch_task_instance_dry_run))
        .routes(routes!(patch::patch_task_instance_dry_run_by_map_index))
        .routes(routes!(dependencies::get_task_instance_dependencies))
        .routes(routes!(dependencies::get_task_instance_dependencies_by_map_index))
        .routes(routes!(tries::get_task_instance_tries))
        .routes(routes!(tries::get_mapped_task_instance_tries))
        .routes(routes!(tries::get_task_instance_try_details))
        .routes(routes!(tries::get_mapped_task_instance_try_details))
        .routes(routes!(logs::get_log))
        .routes(routes!(links::get_extra_links))
        .routes(routes!(links::get_external_log_url))
        .routes(routes!(trigger_events::post_trigger_event))
        .routes(routes!(xcoms::list::get_xcom_entries, xcoms::create::create_xcom_entry))
        .routes(routes!(xcoms::get::get_xcom_entry, xcoms::update::update_xcom_entry, xcoms::delete::delete_xcom_entry))
}

fn asset_routes() -> OpenApiRouter<ApiState> {
    use assets::{aliases, events, get, list, materialize, queued};
    OpenApiRouter::new()
        .routes(routes!(list::get_assets))
        .routes(routes!(aliases::get_asset_aliases))
        .routes(routes!(aliases::get_asset_alias))
        .routes(routes!(events::get_asset_events, events::create_asset_event))
        .routes(routes!(events::get_upstream_asset_events))
        .routes(routes!(get::get_asset))
        .routes(routes!(get::get_dependencies))
        .routes(routes!(materialize::materialize_asset))
        .routes(routes!(queued::get_asset_queued_events, queued::delete_asset_queued_events))
        .routes(routes!(queued::get_dag_asset_queued_events, queued::delete_dag_asset_queued_events))
        .routes(routes!(queued::get_dag_asset_queued_event, queued::delete_dag_asset_queued_event))
}

fn setting_routes() -> OpenApiRouter<ApiState> {
    use connections as connection;
    use variables as variable;
    OpenApiRouter::new()
        .routes(routes!(
            connection::list::get_connections,
            connection::create::post_connection,
            connection::bulk::bulk_connections
        ))
        .routes(routes!(
            connection::get::get_connection,
            connection::patch::patch_connection,
            connection::delete::delete_connection
        ))
        .routes(routes!(connection::test::test_connection))
        .routes(routes!(variable::list::get_variables, variable::create::post_variable, variable::bulk::bulk_variables))
        .routes(routes!(
            variable::get::get_variable,
            variable::patch::patch_variable,
            variable::delete::delete_variable
        ))
        .routes(routes!(pools::list::get_pools, pools::create::post_pool, pools::bulk::bulk_pools))
        .routes(routes!(pools::get::get_pool, pools::patch::patch_pool, pools::delete::delete_pool))
}

fn administration_routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(event_logs::list::get_event_logs))
        .routes(routes!(event_logs::get::get_event_log))
        .routes(routes!(jobs::get_jobs))
        .routes(routes!(workers::get_workers))
        .routes(routes!(configuration::get_config))
        .routes(routes!(configuration::get_config_value))
        .routes(routes!(providers::get_providers))
        .routes(routes!(imports::get_plugins))
        .routes(routes!(imports::get_plugin_import_errors))
        .routes(routes!(imports::get_import_errors))
        .routes(routes!(imports::get_import_error))
        .routes(routes!(operators::list::get_operators))
        .routes(routes!(operators::get::get_operator))
        .routes(routes!(operators::version::get_operator_version, operators::yank::yank_operator_version))
        .routes(routes!(tenants::list::get_tenants, tenants::create::post_tenant))
        .routes(routes!(tenants::get::get_tenant))
        .routes(routes!(tenants::policy::put_tenant_policy))
        .routes(routes!(tenants::whoami::whoami))
        .routes(routes!(users::list::get_users, users::create::post_user))
        .routes(routes!(users::delete::delete_user))
        .routes(routes!(users::password::put_user_password))
        .routes(routes!(tokens::list::get_tokens, tokens::create::post_token))
        .routes(routes!(tokens::delete::delete_token))
}

async fn no_such_path(uri: Uri) -> Problem {
    Problem::not_found(format!("there is nothing at `{}`; `/docs` shows what there is", uri.path()))
}

async fn method_not_allowed(method: Method, uri: Uri) -> Problem {
    let detail = format!("`{method}` is not for `{}`; `/docs` shows what is", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail)
}
