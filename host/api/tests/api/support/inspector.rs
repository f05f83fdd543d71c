//! A stand-in for the sandbox, which this crate does not know: its "modules" are JSON texts that say what `describe` would.

use std::path::Path;

use airlock_api::{AdmittedModule, ModuleFault, ModuleInspector};
use airlock_core::dag::OperatorKind;
use airlock_core::id::TenantId;
use async_trait::async_trait;
use serde_json::{Value, json};

pub struct JsonInspector;

#[async_trait]
impl ModuleInspector for JsonInspector {
    async fn admit(&self, _: TenantId, file: &Path) -> Result<AdmittedModule, ModuleFault> {
        let bytes = tokio::fs::read(file).await.map_err(|error| ModuleFault::Host(error.to_string()))?;
        let about: Value = serde_json::from_slice(&bytes)
            .map_err(|_| ModuleFault::Unfit("this is no WebAssembly component".into()))?;
        let text = |name: &str| about[name].as_str().unwrap_or_default().to_owned();
        Ok(AdmittedModule {
            name: text("name"),
            version: text("version"),
            kind: OperatorKind::Action,
            summary: text("summary"),
            documentation: None,
            arguments_schema: about["schema"].clone(),
            template_fields: vec!["text".to_owned()],
            imports: vec!["airlock:operator/log@0.1.0".to_owned()],
        })
    }
}

/// What [`JsonInspector`] admits as an operator with one argument, `text`.
pub fn module(name: &str, version: &str) -> String {
    json!({
        "name": name,
        "version": version,
        "summary": "Says a thing",
        "schema": { "type": "object", "properties": { "text": { "type": "string" } }, "required": ["text"],
            "additionalProperties": false }
    })
    .to_string()
}
