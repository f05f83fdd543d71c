//! `airlock tenants`.

use std::path::Path;

use anyhow::{Context, Result};
use reqwest::Method;
use serde_json::{Value, json};

use super::Session;
use crate::cli::TenantsCommand;
use crate::client::segment;
use crate::output::{self, Column};

const COLUMNS: &[Column] = &[("TENANT", "/name"), ("CREATED", "/created_at")];

pub async fn run(command: TenantsCommand, session: &Session) -> Result<()> {
    let client = session.client()?;
    match command {
        TenantsCommand::List => {
            let mut answer = client.get("/api/v2/tenants").await?;
            let tenants = answer.get_mut("tenants").map(Value::take).and_then(|tenants| tenants.as_array().cloned());
            output::rows(session.output, COLUMNS, &tenants.unwrap_or_default())
        }
        TenantsCommand::Create { name, policy } => {
            let mut body = json!({ "name": name, "admin": { "username": "admin" } });
            if let Some(file) = policy {
                body["policy"] = read(&file)?;
            }
            let tenant = client.post("/api/v2/tenants", &body).await?;
            if let Some(password) = tenant.pointer("/admin/password").and_then(Value::as_str) {
                eprintln!("the admin user of the tenant `{name}` is `{name}/admin`, with the password {password}");
                eprintln!("hint: it is not shown again; `airlock login --tenant {name}` asks for it");
            }
            output::record(session.output, COLUMNS, &tenant)
        }
        TenantsCommand::Policy { name, set } => {
            let path = format!("/api/v2/tenants/{}", segment(&name));
            let tenant = match set {
                Some(file) => client.send(Method::PUT, &format!("{path}/policy"), &read(&file)?).await?,
                None => client.get(&path).await?,
            };
            let policy = tenant.get("policy").unwrap_or(&Value::Null);
            output::write(&format!("{}\n", serde_json::to_string_pretty(policy)?))
        }
    }
}

fn read(file: &Path) -> Result<Value> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not JSON", file.display()))
}
