//! Operators.

use airlock_core::dag::OperatorKind;
use airlock_store::operators::OperatorRow;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

#[derive(Debug, Serialize, ToSchema)]
pub struct OperatorVersionResponse {
    name: String,
    version: String,
    digest: String,
    /// Bytes.
    size: u64,
    #[schema(value_type = String)]
    kind: OperatorKind,
    summary: String,
    documentation: Option<String>,
    /// A JSON Schema of the object of arguments.
    arguments_schema: Value,
    template_fields: Vec<String>,
    /// The interfaces that the module imports: what it may ask for.
    imports: Vec<String>,
    yanked: bool,
    uploaded_by: Option<String>,
    uploaded_at: DateTime<Utc>,
}

impl From<OperatorRow> for OperatorVersionResponse {
    fn from(row: OperatorRow) -> Self {
        Self {
            name: row.name,
            version: row.version,
            digest: row.digest,
            size: row.size,
            kind: row.kind,
            summary: row.summary,
            documentation: row.documentation,
            arguments_schema: row.arguments_schema,
            template_fields: row.template_fields,
            imports: row.imports,
            yanked: row.yanked,
            uploaded_by: row.uploaded_by,
            uploaded_at: row.uploaded_at,
        }
    }
}

/// One operator with all its versions, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct OperatorResponse {
    pub name: String,
    /// What the bare name stands for: none if every version is yanked or a pre-release.
    pub default_version: Option<String>,
    pub summary: String,
    pub versions: Vec<OperatorVersionResponse>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct OperatorCollection {
    pub operators: Vec<OperatorResponse>,
    pub total_entries: u64,
}
