//! `airlock tasks render`: a task's arguments as its operator would get them, without calling it.

use std::path::Path;
use std::sync::Arc;

use airlock_core::asset::AssetOrAlias;
use airlock_core::dag::{Dag, params};
use airlock_core::id::UNMAPPED;
use airlock_core::state::RunType;
use airlock_core::template::{
    AssetEventView, ConnectionView, InstanceFacts, Lookup, LookupError, PreviousRun, PulledXCom, RenderOptions,
    RunFacts, Scope, XComPull, render_fields,
};
use anyhow::{Context, Result};
use chrono::Utc;
use serde_json::{Map, Value};

use super::{Session, alone};
use crate::cli::{LocalTask, TestDag};
use crate::commands::dags::object;
use crate::failure::Failure;
use crate::local::Local;
use crate::output;

pub async fn run(command: &LocalTask, session: &Session) -> Result<()> {
    let document = alone::document(command)?;
    let dag_id = document.get("dag_id").and_then(Value::as_str).unwrap_or_default().to_owned();
    let operators = alone::operators(&command.dag);
    let local = Local::start(&session.config, &alone::surroundings(&command.dag, &operators)).await?;
    // Which arguments have templates is for the operator to say: the server asks its module when it takes it in.
    let path = format!("/api/v2/dags/{}", crate::client::segment(&dag_id));
    let applied = local.client.put_text(&path, "application/json", document.to_string()).await;
    let dag = match applied {
        Ok(_) => local.dag(&dag_id).await,
        Err(error) => Err(error),
    };
    local.stop().await?;
    let (dag, options) = (dag?, command.dag.clone());
    // Rendering may take its time.
    let rendered = tokio::task::spawn_blocking(move || render(&dag, &options)).await??;
    output::write(&format!("{}\n", serde_json::to_string_pretty(&rendered)?))
}

/// The fields of the only task that can have templates, rendered.
fn render(dag: &Arc<Dag>, options: &TestDag) -> Result<Map<String, Value>> {
    let task = dag.tasks.first().context("the DAG has no task")?;
    let conf = options.conf.as_deref().map(|conf| object("--conf", conf)).transpose()?.unwrap_or_default();
    let params = params::for_task(dag, task, &conf).map_err(|faults| Failure::new(faults.to_string()))?;
    let now = Utc::now();
    let scope = Scope {
        callback: None,
        dag: dag.clone(),
        task_id: task.task_id.clone(),
        arguments: task.args.clone(),
        params,
        run: RunFacts {
            run_id: "manual__render".to_owned(),
            run_type: RunType::Manual,
            logical_date: options.logical_date,
            data_interval: options.logical_date.map(|date| (date, date)),
            run_after: options.logical_date.unwrap_or(now),
            started_at: Some(now),
            partition: None,
            conf,
        },
        instance: InstanceFacts {
            map_index: UNMAPPED,
            try_number: 1,
            max_tries: 1,
            started_at: Some(now),
            reschedules: 0,
        },
    };
    let lookup = Arc::new(Files {
        variables: entries(options.variables.as_deref())?,
        connections: entries(options.connections.as_deref())?,
    });
    let fields = &task.resolved.template_fields;
    let native = RenderOptions { native: dag.render_template_as_native_obj, ..RenderOptions::default() };
    let mut rendered = render_fields(&task.args, fields, &scope, lookup, native).map_err(|fault| {
        Failure::new(format!("the argument {} cannot be rendered: {}", fault.pointer, fault.detail))
    })?;
    rendered.retain(|name, _| fields.contains(name));
    Ok(rendered)
}

fn entries(file: Option<&Path>) -> Result<Map<String, Value>> {
    let Some(file) = file else { return Ok(Map::new()) };
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not a JSON object", file.display()))
}

/// The variables and connections of the files that the command names; nothing has been pushed, and nothing has run before.
struct Files {
    variables: Map<String, Value>,
    connections: Map<String, Value>,
}

impl Lookup for Files {
    fn xcoms(&self, _: &XComPull) -> Result<Vec<PulledXCom>, LookupError> {
        Ok(Vec::new())
    }

    fn variable(&self, key: &str) -> Result<Option<String>, LookupError> {
        let value = self.variables.get(key).map(|entry| entry.get("value").unwrap_or(entry));
        Ok(value.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
    }

    fn connection(&self, conn_id: &str) -> Result<Option<ConnectionView>, LookupError> {
        let Some(entry) = self.connections.get(conn_id) else { return Ok(None) };
        let text = |name: &str| entry.get(name).and_then(Value::as_str).map(str::to_owned);
        Ok(Some(ConnectionView {
            conn_id: conn_id.to_owned(),
            conn_type: text("conn_type").unwrap_or_default(),
            description: text("description"),
            host: text("host"),
            login: text("login"),
            schema: text("schema"),
            port: entry.get("port").and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok()),
            password: Ok(text("password")),
            extra: match entry.get("extra") {
                Some(Value::Object(extra)) => extra.clone(),
                Some(Value::String(text)) => serde_json::from_str(text).unwrap_or_default(),
                _ => Map::new(),
            },
        }))
    }

    fn previous_success(&self) -> Result<Option<PreviousRun>, LookupError> {
        Ok(None)
    }

    /// What is rendered is no instance of a mapped group.
    fn expanded(&self) -> Result<Option<Map<String, Value>>, LookupError> {
        Ok(None)
    }

    fn asset_events(&self) -> Result<Vec<AssetEventView>, LookupError> {
        Ok(Vec::new())
    }

    fn inlet_events(&self, _: &AssetOrAlias, _: u32) -> Result<Vec<AssetEventView>, LookupError> {
        Ok(Vec::new())
    }
}
