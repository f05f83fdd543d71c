//! Variables.

use airlock_store::settings::VariableRow;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::problem::Answer;
use crate::secret::{self, Secrets};

#[derive(Debug, Serialize, ToSchema)]
pub struct VariableResponse {
    key: String,
    value: Option<String>,
    description: Option<String>,
    is_encrypted: bool,
    team_name: Option<String>,
}

impl VariableResponse {
    pub fn new(secrets: Secrets<'_>, row: VariableRow) -> Answer<Self> {
        let text = secrets.variable(&row)?;
        // JSON is masked by its members, any other text as a whole. What hides nothing is shown as it was written.
        let value = serde_json::from_str(&text).unwrap_or_else(|_| Value::String(text.clone()));
        let masked = secret::shown(&row.key, value.clone());
        let shown = match masked {
            masked if masked == value => text,
            Value::String(mask) => mask,
            masked => masked.to_string(),
        };
        Ok(Self { key: row.key, value: Some(shown), description: row.description, is_encrypted: true, team_name: None })
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = VariableCollectionResponse)]
pub struct VariableCollection {
    pub variables: Vec<VariableResponse>,
    pub total_entries: u64,
}

#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VariableBody {
    pub key: String,
    /// What is no text is stored as JSON.
    pub value: Value,
    #[serde(default)]
    pub description: Option<String>,
    /// Airflow's teams; a tenant has none.
    #[serde(default)]
    pub team_name: Option<String>,
}

impl VariableBody {
    /// The value as it is stored.
    pub fn text(&self) -> Answer<String> {
        match &self.value {
            Value::String(text) => Ok(text.clone()),
            other => serde_json::to_string_pretty(other).map_err(crate::problem::Problem::internal),
        }
    }
}
