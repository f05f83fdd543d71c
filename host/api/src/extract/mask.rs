use serde::Deserialize;
use utoipa::IntoParams;

/// Airflow's `update_mask`: of the members that a PATCH holds, only these are changed.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct UpdateMask {
    pub update_mask: Vec<String>,
}
