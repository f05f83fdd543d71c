//! One attempt at one callback: prepare, call, report.

use std::sync::Arc;

use airlock_core::callback::{CallbackEnd, CallbackState, definition, end_of};
use airlock_core::dag::{Callback, params};
use airlock_core::digest::Digest;
use airlock_core::id::UNMAPPED;
use airlock_core::outcome::{Failure, TryResult};
use airlock_core::template::{self, CallbackFacts, InstanceFacts, RenderOptions, Scope};
use airlock_sandbox::capability::task::{LogLevel, TaskContext};
use airlock_store::callbacks::{CallbackRow, ClaimedCallback};
use airlock_store::runs::RunRow;
use airlock_store::tenants::Tenant;
use serde_json::{Map, Value};

use crate::claim::Shared;
use crate::definitions::Definition;
use crate::heartbeat::{Stop, StopReason};
use crate::lookup::{Rendering, Sight, run_facts};
use crate::prepare::{Invocation, caller, hopeless, next_run_after, unreachable_store};
use crate::services::TryServices;

/// What a callback is made from, as the database has it.
struct CallbackSource {
    definition: Arc<Definition>,
    run: Arc<RunRow>,
    tenant: Arc<Tenant>,
    params: Map<String, Value>,
}

impl Shared {
    /// None: the callback is not this worker's any more.
    pub async fn call_back(&self, claimed: &ClaimedCallback, stop: &Stop) -> Option<CallbackEnd> {
        let services = Arc::new(TryServices::of_callback(self, &claimed.row));
        let result = match self.prepare_callback(claimed, &services).await {
            Err(failure) => TryResult::Failure(failure),
            Ok(invocation) => {
                let left = invocation.execution_timeout;
                self.call(&invocation, &services, stop, None, left).await.result
            }
        };
        if stop.reason() == Some(StopReason::LeaseGone) {
            services.say(LogLevel::Warning, "the callback was stopped: it counts as lost");
            return None;
        }
        let end = end_of(&services.masked(result), claimed.row.attempts);
        if let Some(message) = end.message.as_deref().filter(|_| end.state != CallbackState::Success) {
            let row = &claimed.row;
            tracing::warn!(
                dag.id = row.dag_id,
                run.id = row.run_id,
                "a callback ({}) of {}/{} has failed: {message}",
                row.event,
                row.dag_id,
                row.run_id
            );
            services.say(LogLevel::Error, message);
        }
        // Whoever learns of the end must find the log whole.
        services.end_log().await;
        Some(end)
    }

    async fn prepare_callback(
        &self,
        claimed: &ClaimedCallback,
        services: &Arc<TryServices>,
    ) -> Result<Invocation, Failure> {
        let row = &claimed.row;
        let source = self.callback_source(claimed).await?;
        let dag = source.definition.dag.clone();
        let task_id = row.subject.as_ref().map(|subject| subject.task_id.as_str());
        let callback = definition(&dag, row.event, task_id, row.place)
            .ok_or_else(|| hopeless(format!("version {} of the DAG has no such callback", row.dag_version)))?;
        let module = callback.resolved.digest.parse::<Digest>().map_err(|error| hopeless(error.to_string()))?;
        let native = dag.render_template_as_native_obj;
        let mut fields = callback.resolved.template_fields.iter().filter_map(|field| callback.args.get(field));
        let arguments = if fields.any(|value| native || template::contains_template(value)) {
            let options = RenderOptions { native, ..RenderOptions::default() };
            let rendering = Rendering {
                arguments: callback.args.clone(),
                fields: callback.resolved.template_fields.clone(),
                scope: scope(row, &source, callback),
                options,
            };
            let (run, tenant) = (source.run.clone(), source.tenant.clone());
            let sight = Sight { run, tenant, grants: callback.grants.clone(), instance: None };
            let rendered = self.render_some(sight, rendering, services).await?;
            self.check_arguments(row.run.tenant, &callback.resolved, &rendered).await?;
            rendered
        } else {
            callback.args.clone()
        };
        Ok(Invocation {
            module,
            arguments,
            caller: caller(&source.tenant, callback.grants.as_ref()),
            limits: source.tenant.policy.limits.narrowed(&callback.limits),
            execution_timeout: callback.execution_timeout.map(|limit| limit.as_duration()),
            context: context(self, row, source),
        })
    }

    async fn callback_source(&self, claimed: &ClaimedCallback) -> Result<CallbackSource, Failure> {
        let row = &claimed.row;
        let definition = self.definitions.definition(row.run.tenant, &row.dag_id, row.dag_version).await;
        let definition = definition.map_err(unreachable_store)?;
        let run = self.definitions.run(row.run, claimed.clear_number, &row.dag_id, &row.run_id).await;
        let run = run.map_err(unreachable_store)?;
        let tenant = self.definitions.tenant(row.run.tenant).await.map_err(unreachable_store)?;
        let task = row.subject.as_ref().and_then(|subject| definition.task(&subject.task_id));
        let params = match task {
            Some(task) => params::for_task(&definition.dag, task, &run.conf),
            None => params::for_run(&definition.dag, &run.conf),
        };
        let params = params.map_err(|faults| hopeless(faults.to_string()))?;
        Ok(CallbackSource { definition, run, tenant, params })
    }
}

/// The context of the task or the run, and what has happened to it.
fn scope(row: &CallbackRow, source: &CallbackSource, callback: &Callback) -> Scope {
    let subject = row.subject.as_ref();
    Scope {
        dag: source.definition.dag.clone(),
        task_id: subject.map(|subject| subject.task_id.clone()).unwrap_or_default(),
        arguments: callback.args.clone(),
        params: source.params.clone(),
        run: run_facts(&source.run),
        instance: InstanceFacts {
            map_index: subject.map_or(UNMAPPED, |subject| subject.map_index),
            try_number: subject.map_or(0, |subject| subject.try_number),
            max_tries: subject.map_or(0, |subject| subject.max_tries),
            started_at: None,
            reschedules: 0,
        },
        callback: Some(CallbackFacts { event: row.event, about: row.about.clone() }),
    }
}

/// A callback about a run has no task: its id is empty there.
fn context(shared: &Shared, row: &CallbackRow, source: CallbackSource) -> TaskContext {
    let subject = row.subject.as_ref();
    TaskContext {
        tenant: source.tenant.name.clone(),
        dag_id: row.dag_id.clone(),
        dag_version: row.dag_version,
        run_id: row.run_id.clone(),
        run_type: source.run.run_type.as_str().to_owned(),
        logical_date: source.run.logical_date,
        data_interval: source.run.data_interval,
        run_after: source.run.run_after,
        next_run_after: next_run_after(&source.definition.dag, &source.run),
        task_id: subject.map(|subject| subject.task_id.clone()).unwrap_or_default(),
        map_index: subject.map_or(UNMAPPED, |subject| subject.map_index),
        try_number: subject.map_or(0, |subject| subject.try_number),
        max_tries: subject.map_or(0, |subject| subject.max_tries),
        first_started_at: row.started_at.unwrap_or_else(|| shared.now()),
        params: source.params,
        conf: source.run.conf.clone(),
        // The same for every attempt: what has been done in one need not be done in the next.
        idempotency_key: row.id.to_string(),
    }
}
