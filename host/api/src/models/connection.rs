//! Connections.

use airlock_core::mask::{MASK, redacted};
use airlock_store::settings::ConnectionRow;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::problem::Answer;
use crate::secret::Secrets;

#[derive(Debug, Serialize, ToSchema)]
pub struct ConnectionResponse {
    connection_id: String,
    conn_type: String,
    description: Option<String>,
    host: Option<String>,
    login: Option<String>,
    schema: Option<String>,
    port: Option<u16>,
    /// `***` where there is one.
    password: Option<String>,
    /// A JSON object as a text, with `***` for its secret members.
    extra: Option<String>,
    team_name: Option<String>,
}

impl ConnectionResponse {
    pub fn new(secrets: Secrets<'_>, row: ConnectionRow) -> Answer<Self> {
        let extra = secrets.extra(&row)?.map(|extra| Value::Object(redacted(&extra)).to_string());
        Ok(Self {
            connection_id: row.conn_id,
            conn_type: row.conn_type,
            description: row.description,
            host: row.host,
            login: row.login,
            schema: row.schema,
            port: row.port,
            password: row.password.is_some().then(|| MASK.to_owned()),
            extra,
            team_name: None,
        })
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ConnectionCollectionResponse)]
pub struct ConnectionCollection {
    pub connections: Vec<ConnectionResponse>,
    pub total_entries: u64,
}

#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConnectionBody {
    pub connection_id: String,
    pub conn_type: String,
    #[serde(default)]
    pub description: Option<String>,
    #[serde(default)]
    pub host: Option<String>,
    #[serde(default)]
    pub login: Option<String>,
    #[serde(default)]
    pub schema: Option<String>,
    #[serde(default)]
    pub port: Option<u16>,
    #[serde(default)]
    pub password: Option<String>,
    /// A JSON object as a text.
    #[serde(default)]
    pub extra: Option<String>,
    /// Airflow's teams; a tenant has none.
    #[serde(default)]
    pub team_name: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ConnectionTestResponse {
    pub status: bool,
    pub message: String,
}
