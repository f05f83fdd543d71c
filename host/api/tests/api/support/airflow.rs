//! Airflow's own description of its API, and answers held against it.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use jsonschema::Validator;
use serde_json::{Map, Value, json};

/// The document, made strict: a member that Airflow's answers do not have is a fault.
pub struct Contract {
    document: Value,
    validators: std::sync::Mutex<BTreeMap<String, std::sync::Arc<Validator>>>,
}

impl Contract {
    pub fn get() -> &'static Self {
        static CONTRACT: OnceLock<Contract> = OnceLock::new();
        CONTRACT.get_or_init(|| {
            let text = include_str!("../../data/airflow-v2-rest-api.yaml");
            let mut document: Value = serde_yaml_ng::from_str(text).unwrap();
            for schema in document["components"]["schemas"].as_object_mut().unwrap().values_mut() {
                let closed = schema["type"] == "object" && schema.get("additionalProperties").is_none();
                if closed && schema.get("properties").is_some() {
                    schema["additionalProperties"] = json!(false);
                }
            }
            Contract { document, validators: std::sync::Mutex::default() }
        })
    }

    pub fn paths(&self) -> &Map<String, Value> {
        self.document["paths"].as_object().unwrap()
    }

    pub fn document(&self) -> &Value {
        &self.document
    }

    /// Holds an answer against the schema of an operation, such as `get_dag`.
    #[track_caller]
    pub fn check(&self, operation: &str, status: u16, answer: &Value) {
        let validator = self.validator(operation, status);
        let faults: Vec<String> =
            validator.iter_errors(answer).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(faults.is_empty(), "{operation} does not answer as Airflow does:\n{}\n{answer:#}", faults.join("\n"));
    }

    fn validator(&self, operation: &str, status: u16) -> std::sync::Arc<Validator> {
        let key = format!("{operation} {status}");
        let mut validators = self.validators.lock().unwrap();
        if let Some(validator) = validators.get(&key) {
            return std::sync::Arc::clone(validator);
        }
        let mut operations = self.paths().values().flat_map(|path| path.as_object().unwrap().values());
        let found = operations
            .find(|candidate| candidate["operationId"] == operation)
            .unwrap_or_else(|| panic!("Airflow has no operation `{operation}`"));
        let schema = &found["responses"][status.to_string()]["content"]["application/json"]["schema"];
        assert!(schema.is_object(), "Airflow does not describe {key}");
        let root = json!({ "allOf": [schema], "components": self.document["components"] });
        let validator = jsonschema::options().should_validate_formats(true).build(&root).unwrap();
        let validator = std::sync::Arc::new(validator);
        validators.insert(key, std::sync::Arc::clone(&validator));
        validator
    }
}
