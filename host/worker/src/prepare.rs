//! From a claimed try to a call: the task's definition, its arguments rendered, its limits and grants.

use std::sync::Arc;
use std::time::Duration;

use airlock_core::dag::{Dag, InstanceArguments, ResolvedOperator, Task, params};
use airlock_core::digest::Digest;
use airlock_core::id::TenantId;
use airlock_core::limits::{Grants, Limits};
use airlock_core::outcome::{Failure, FailureCause};
use airlock_core::schema::Schema;
use airlock_core::state::RunType;
use airlock_core::template;
use airlock_core::timetable::run_after_next;
use airlock_sandbox::capability::Caller;
use airlock_sandbox::capability::task::TaskContext;
use airlock_store::StoreError;
use airlock_store::queue::ClaimedTry;
use airlock_store::runs::RunRow;
use airlock_store::tenants::Tenant;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::claim::Shared;
use crate::definitions::Definition;
use crate::lookup::{InstanceOf, Sight};
use crate::services::TryServices;

/// A call of an operator, ready to be made.
pub(crate) struct Invocation {
    pub module: Digest,
    pub arguments: Map<String, Value>,
    pub context: TaskContext,
    pub caller: Caller,
    pub limits: Limits,
    pub execution_timeout: Option<Duration>,
}

pub(crate) struct Prepared {
    definition: Arc<Definition>,
    position: usize,
    pub invocation: Invocation,
    /// The template fields, rendered, as people may see them; none if the task has no templates.
    pub rendered_fields: Option<Map<String, Value>>,
}

impl Prepared {
    pub fn definition(&self) -> &Definition {
        &self.definition
    }

    pub fn task(&self) -> &Task {
        // The position was found in this very definition.
        &self.definition.dag.tasks[self.position]
    }
}

/// What a try is made from, as the database has it.
pub(crate) struct Facts {
    pub definition: Arc<Definition>,
    pub position: usize,
    pub run: Arc<RunRow>,
    pub tenant: Arc<Tenant>,
    pub params: Map<String, Value>,
    /// The task's arguments as written: its own, and those that mapping gives to this instance.
    pub arguments: Map<String, Value>,
    /// Those that mapping takes from other tasks; nothing in them is a template.
    pub pulled: Map<String, Value>,
}

impl Facts {
    pub fn task(&self) -> &Task {
        &self.definition.dag.tasks[self.position]
    }

    /// What the task's templates may look at.
    pub fn sight(&self, claimed: &ClaimedTry) -> Sight {
        let (claimed, definition) = (claimed.clone(), self.definition.clone());
        Sight {
            run: self.run.clone(),
            tenant: self.tenant.clone(),
            grants: self.task().grants.clone(),
            instance: Some(InstanceOf { claimed, definition, position: self.position }),
        }
    }
}

impl Shared {
    /// Everything that can be wrong before the module is called is found here; the failure says what.
    pub async fn prepare(&self, claimed: &ClaimedTry, services: &Arc<TryServices>) -> Result<Prepared, Failure> {
        let facts = Arc::new(self.facts(claimed, services).await?);
        let task = facts.task();
        let module = task.resolved.digest.parse::<Digest>().map_err(|error| hopeless(error.to_string()))?;
        // With native types a text is a Python literal or itself, so that every text has to be looked at.
        let native = facts.definition.dag.render_template_as_native_obj;
        let mut template_fields = task.resolved.template_fields.iter().filter_map(|field| facts.arguments.get(field));
        let needs_rendering = template_fields.any(|value| native || template::contains_template(value));
        let mut arguments =
            if needs_rendering { self.render(claimed, &facts, services).await? } else { facts.arguments.clone() };
        arguments.extend(facts.pulled.clone());
        // What the document says of a task that is not mapped was checked when it was sent.
        let rendered_fields = if needs_rendering || task.mapping.is_some() {
            self.check_arguments(claimed.run.tenant, &task.resolved, &arguments).await?;
            let fields = task.resolved.template_fields.iter();
            let fields = fields.filter_map(|field| Some((field.clone(), arguments.get(field)?.clone()))).collect();
            Some(services.masked_fields(&fields))
        } else {
            None
        };
        self.name_instance(claimed, &facts, &arguments, services).await?;
        let invocation = Invocation {
            module,
            arguments,
            context: task_context(claimed, &facts),
            caller: caller(&facts.tenant, task.grants.as_ref()),
            limits: facts.tenant.policy.limits.narrowed(&task.limits),
            execution_timeout: task.execution_timeout.map(|limit| limit.as_duration()),
        };
        Ok(Prepared { invocation, rendered_fields, position: facts.position, definition: facts.definition.clone() })
    }

    async fn facts(&self, claimed: &ClaimedTry, services: &TryServices) -> Result<Facts, Failure> {
        let tenant_id = claimed.run.tenant;
        let definition = self.definitions.definition(tenant_id, &claimed.dag_id, claimed.dag_version).await;
        let definition = definition.map_err(unreachable_store)?;
        let run = self.definitions.run(claimed.run, claimed.clear_number, &claimed.dag_id, &claimed.run_id).await;
        let run = run.map_err(unreachable_store)?;
        let tenant = self.definitions.tenant(tenant_id).await.map_err(unreachable_store)?;
        let position = definition.position(&claimed.task_id).ok_or_else(|| {
            hopeless(format!("version {} of the DAG has no task `{}`", claimed.dag_version, claimed.task_id))
        })?;
        let task = &definition.dag.tasks[position];
        let params =
            params::for_task(&definition.dag, task, &run.conf).map_err(|faults| hopeless(faults.to_string()))?;
        let InstanceArguments { written, pulled } = self.definitions.task_arguments(claimed, &definition, task).await?;
        services.declare(task);
        if let Some(members) = definition.group_members(position) {
            services.belong_to(Arc::clone(members));
        }
        let mut arguments = task.args.clone();
        arguments.extend(written);
        Ok(Facts { position, run, tenant, params, arguments, pulled, definition })
    }

    /// Templates can make anything of an argument: what came out is held against the operator's schema.
    pub async fn check_arguments(
        &self,
        tenant: TenantId,
        operator: &ResolvedOperator,
        arguments: &Map<String, Value>,
    ) -> Result<(), Failure> {
        let found = self.parts.store.operator(tenant, &operator.name, &operator.version).await;
        let Some(row) = found.map_err(unreachable_store)? else { return Ok(()) };
        let schema = Schema::compile(&row.arguments_schema).map_err(hopeless)?;
        let misfits = schema.misfits(&Value::Object(arguments.clone()));
        if misfits.is_empty() {
            return Ok(());
        }
        let details: Vec<String> =
            misfits.iter().map(|misfit| format!("/args{}: {}", misfit.pointer, misfit.detail)).collect();
        Err(hopeless(format!("the rendered arguments do not fit operator `{}`: {}", operator.name, details.join("; "))))
    }
}

/// Who calls, as the sandbox and the hooks need it.
pub(crate) fn caller(tenant: &Tenant, grants: Option<&Grants>) -> Caller {
    let policy = &tenant.policy;
    Caller {
        tenant: tenant.id,
        egress: Arc::new(policy.egress.clone()),
        host_folders: Arc::new(policy.host_folders.clone()),
        tenant_grants: Arc::new(policy.grants.0.clone()),
        task_grants: Arc::new(grants.cloned().unwrap_or_default()),
    }
}

fn task_context(claimed: &ClaimedTry, facts: &Facts) -> TaskContext {
    TaskContext {
        tenant: facts.tenant.name.clone(),
        dag_id: claimed.dag_id.clone(),
        dag_version: claimed.dag_version,
        run_id: claimed.run_id.clone(),
        run_type: facts.run.run_type.as_str().to_owned(),
        logical_date: facts.run.logical_date,
        data_interval: facts.run.data_interval,
        run_after: facts.run.run_after,
        next_run_after: next_run_after(&facts.definition.dag, &facts.run),
        task_id: claimed.task_id.clone(),
        map_index: claimed.map_index,
        try_number: claimed.try_number,
        max_tries: claimed.max_tries,
        first_started_at: claimed.first_started_at,
        params: facts.params.clone(),
        conf: facts.run.conf.clone(),
        idempotency_key: format!("{}-{}", claimed.instance, claimed.try_number),
    }
}

/// Only of runs that were made for their time.
pub(crate) fn next_run_after(dag: &Dag, run: &RunRow) -> Option<DateTime<Utc>> {
    let is_automated = matches!(run.run_type, RunType::Scheduled | RunType::Backfill);
    // A document whose schedule cannot be followed is refused when it is sent.
    is_automated.then(|| run_after_next(dag, run.span(), run.run_after).ok().flatten()).flatten()
}

/// Something that another try would meet again.
pub(crate) fn hopeless(message: String) -> Failure {
    Failure::new(FailureCause::Preparation, false, message)
}

pub(crate) fn unreachable_store(error: StoreError) -> Failure {
    let message = format!("the host could not prepare the try: {error}");
    let retryable = matches!(error, StoreError::Unavailable(_));
    Failure::new(FailureCause::Host, retryable, message)
}
