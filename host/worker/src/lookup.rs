//! What templates of a try ask for. Rendering is synchronous and happens on a thread that may block.

use std::sync::Arc;

use airlock_core::asset::AssetOrAlias;
use airlock_core::dag::InstanceArguments;
use airlock_core::id::UNMAPPED;
use airlock_core::limits::Grants;
use airlock_core::outcome::{Failure, FailureCause};
use airlock_core::state::{RunState, RunType};
use airlock_core::template::{
    AssetEventView, ConnectionView, InstanceFacts, Lookup, LookupError, PreviousRun, PulledXCom, RenderOptions,
    RunFacts, Scope, XComPull, render_fields,
};
use airlock_sandbox::capability::assets::EventPage;
use airlock_sandbox::capability::task::{TaskServiceError, TaskServices, XComSelection};
use airlock_store::assets::AssetEventRow;
use airlock_store::queue::ClaimedTry;
use airlock_store::runs::{RunFilter, RunRow, Span};
use airlock_store::tenants::Tenant;
use airlock_store::{Page, Store};
use serde_json::{Map, Value};
use tokio::runtime::Handle;

use crate::claim::Shared;
use crate::definitions::{Definition, Definitions};
use crate::prepare::Facts;
use crate::services::TryServices;

/// What templates may look at.
pub(crate) struct Sight {
    pub run: Arc<RunRow>,
    pub tenant: Arc<Tenant>,
    /// None: the default.
    pub grants: Option<Grants>,
    /// None: there is no instance of a task that could be expanded.
    pub instance: Option<InstanceOf>,
}

/// An instance, and the task that it is one of.
pub(crate) struct InstanceOf {
    pub claimed: ClaimedTry,
    pub definition: Arc<Definition>,
    pub position: usize,
}

/// What is rendered.
pub(crate) struct Rendering {
    pub arguments: Map<String, Value>,
    pub fields: Vec<String>,
    pub scope: Scope,
    pub options: RenderOptions,
}

struct TryLookup {
    instance: Option<InstanceOf>,
    definitions: Arc<Definitions>,
    services: Arc<TryServices>,
    store: Arc<dyn Store>,
    run: Arc<RunRow>,
    tenant_grants: Grants,
    task_grants: Grants,
    runtime: Handle,
}

impl TryLookup {
    fn require(&self, capability: &str) -> Result<(), LookupError> {
        if self.tenant_grants.allows(capability) && self.task_grants.allows(capability) {
            Ok(())
        } else {
            Err(LookupError::Denied(format!("the task has no grant `{capability}`")))
        }
    }
}

fn unavailable(error: TaskServiceError) -> LookupError {
    LookupError::Unavailable(error.to_string())
}

impl Lookup for TryLookup {
    fn xcoms(&self, pull: &XComPull) -> Result<Vec<PulledXCom>, LookupError> {
        let selection = XComSelection {
            task_ids: Some(pull.task_ids.clone()),
            key: pull.key.clone(),
            map_indexes: pull.map_indexes.clone(),
            include_prior_dates: pull.include_prior_dates,
        };
        let entries = self.runtime.block_on(self.services.pull_xcoms(&selection)).map_err(unavailable)?;
        // To its own group a task of the group has one value, whatever the index.
        let is_only_one = |task_id: &str| pull.map_indexes.is_none() && self.services.is_in_group(task_id);
        let pulled = entries.into_iter().map(|entry| PulledXCom {
            map_index: if is_only_one(&entry.task_id) { UNMAPPED } else { entry.map_index },
            task_id: entry.task_id,
            value: entry.value,
        });
        Ok(pulled.collect())
    }

    fn variable(&self, key: &str) -> Result<Option<String>, LookupError> {
        self.require(&format!("variables:read:{key}"))?;
        self.runtime.block_on(self.services.variable(key)).map_err(unavailable)
    }

    fn connection(&self, conn_id: &str) -> Result<Option<ConnectionView>, LookupError> {
        self.require(&format!("connections:use:{conn_id}"))?;
        let connection = match self.runtime.block_on(self.services.connection(conn_id)) {
            Ok(connection) => connection,
            Err(TaskServiceError::NotFound(_)) => return Ok(None),
            Err(error) => return Err(unavailable(error)),
        };
        let secret = self.require(&format!("connections:secret:{conn_id}"));
        let info = connection.info;
        Ok(Some(ConnectionView {
            conn_id: info.conn_id,
            conn_type: info.conn_type,
            description: info.description,
            host: info.host,
            login: info.login,
            schema: info.schema,
            port: info.port,
            extra: if secret.is_ok() { connection.extra } else { info.extra },
            password: secret.map(|()| connection.password).map_err(|error| error.to_string()),
        }))
    }

    fn previous_success(&self) -> Result<Option<PreviousRun>, LookupError> {
        let Some(logical_date) = self.run.logical_date else { return Ok(None) };
        let filter = RunFilter {
            dag_id: Some(self.run.dag_id.clone()),
            states: vec![RunState::Success],
            logical_date: Span { lt: Some(logical_date), ..Span::default() },
            ..RunFilter::default()
        };
        let newest = Page { limit: 1, offset: 0, order_by: vec![("logical_date".to_owned(), true)] };
        let found = self.runtime.block_on(self.store.list_runs(self.run.key.tenant, &filter, &newest));
        let found = found.map_err(|error| LookupError::Unavailable(error.to_string()))?;
        Ok(found.items.into_iter().next().map(|run| PreviousRun {
            data_interval: run.data_interval,
            started_at: run.started_at,
            ended_at: run.ended_at,
        }))
    }

    fn expanded(&self) -> Result<Option<Map<String, Value>>, LookupError> {
        let Some(InstanceOf { claimed, definition, position }) = &self.instance else { return Ok(None) };
        let Some(mapping) = definition.group_mapping(*position) else { return Ok(None) };
        let found = self.runtime.block_on(self.definitions.mapped_arguments(claimed, definition, mapping));
        let InstanceArguments { written, pulled } =
            found.map_err(|failure| LookupError::Unavailable(failure.message))?;
        Ok(Some(written.into_iter().chain(pulled).collect()))
    }

    fn asset_events(&self) -> Result<Vec<AssetEventView>, LookupError> {
        if self.run.run_type != RunType::AssetTriggered {
            return Ok(Vec::new());
        }
        let found = self.runtime.block_on(self.store.asset_events_of_run(self.run.key));
        let found = found.map_err(|error| LookupError::Unavailable(error.to_string()))?;
        Ok(found.into_iter().map(event_view).collect())
    }

    fn inlet_events(&self, inlet: &AssetOrAlias, most: u32) -> Result<Vec<AssetEventView>, LookupError> {
        let newest = EventPage { limit: most, ..EventPage::default() };
        let found = self.runtime.block_on(self.services.events_of(inlet, &newest));
        let found = found.map_err(|error| LookupError::Unavailable(error.to_string()))?;
        Ok(found.into_iter().rev().map(event_view).collect())
    }
}

fn event_view(event: AssetEventRow) -> AssetEventView {
    AssetEventView {
        uri: event.uri,
        name: event.name,
        group: event.group,
        extra: event.extra,
        timestamp: event.timestamp,
        source_dag_id: event.source_dag_id,
        source_task_id: event.source_task_id,
        source_run_id: event.source_run_id,
        source_map_index: event.source_map_index,
        source_aliases: event.source_aliases,
        partition_key: event.partition_key,
    }
}

fn scope(claimed: &ClaimedTry, facts: &Facts, arguments: Map<String, Value>) -> Scope {
    Scope {
        arguments,
        dag: facts.definition.dag.clone(),
        task_id: claimed.task_id.clone(),
        params: facts.params.clone(),
        run: run_facts(&facts.run),
        instance: InstanceFacts {
            map_index: claimed.map_index,
            try_number: claimed.try_number,
            max_tries: claimed.max_tries,
            started_at: Some(claimed.first_started_at),
            reschedules: claimed.reschedules,
        },
        callback: None,
    }
}

/// As templates see it.
pub(crate) fn run_facts(run: &RunRow) -> RunFacts {
    RunFacts {
        run_id: run.run_id.clone(),
        run_type: run.run_type,
        logical_date: run.logical_date,
        data_interval: run.data_interval,
        run_after: run.run_after,
        started_at: run.started_at,
        partition: run.partition.clone(),
        conf: run.conf.clone(),
    }
}

impl Shared {
    /// The task's arguments with their templates rendered. A failure is one of the try, whose retries apply, as in Airflow: what
    /// a template looks up may be there the next time.
    pub async fn render(
        &self,
        claimed: &ClaimedTry,
        facts: &Arc<Facts>,
        services: &Arc<TryServices>,
    ) -> Result<Map<String, Value>, Failure> {
        let native = facts.definition.dag.render_template_as_native_obj;
        let options = RenderOptions { native, ..RenderOptions::default() };
        let arguments = facts.arguments.clone();
        let (fields, scope) = (facts.task().resolved.template_fields.clone(), scope(claimed, facts, arguments.clone()));
        self.render_some(facts.sight(claimed), Rendering { arguments, fields, scope, options }, services).await
    }

    /// A text about this instance, rendered with its arguments as they are called with.
    pub async fn render_name(
        &self,
        claimed: &ClaimedTry,
        facts: &Arc<Facts>,
        template: String,
        arguments: Map<String, Value>,
        services: &Arc<TryServices>,
    ) -> Result<String, Failure> {
        let field = "map_index_template".to_owned();
        let rendering = Rendering {
            arguments: Map::from_iter([(field.clone(), Value::from(template))]),
            fields: vec![field],
            scope: scope(claimed, facts, arguments),
            options: RenderOptions::default(),
        };
        let rendered = self.render_some(facts.sight(claimed), rendering, services).await?;
        Ok(rendered.into_values().find_map(|value| value.as_str().map(str::to_owned)).unwrap_or_default())
    }

    pub async fn render_some(
        &self,
        sight: Sight,
        rendering: Rendering,
        services: &Arc<TryServices>,
    ) -> Result<Map<String, Value>, Failure> {
        let lookup = Arc::new(TryLookup {
            instance: sight.instance,
            definitions: self.definitions.clone(),
            services: services.clone(),
            store: self.parts.store.clone(),
            tenant_grants: sight.tenant.policy.grants.0.clone(),
            task_grants: sight.grants.unwrap_or_default(),
            run: sight.run,
            runtime: Handle::current(),
        });
        let Rendering { arguments, fields, scope, options } = rendering;
        let rendering =
            tokio::task::spawn_blocking(move || render_fields(&arguments, &fields, &scope, lookup, options));
        let rendered = rendering.await.map_err(|error| {
            let message = format!("rendering the templates ended unexpectedly: {error}");
            Failure::new(FailureCause::Host, true, message)
        })?;
        rendered.map_err(|fault| {
            Failure::new(FailureCause::Preparation, true, format!("a template cannot be rendered: {fault}"))
        })
    }
}
