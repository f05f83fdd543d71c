//! One look, by the kind of the trigger.

use airlock_core::trigger::Trigger;
use airlock_sandbox::capability::Caller;
use airlock_store::StoreError;
use airlock_store::triggers::ClaimedTrigger;

use super::{Fault, Seen, http, objects, runs, sql};
use crate::claim::Shared;
use crate::prepare::caller;
use crate::services::TryServices;

impl Shared {
    pub(super) async fn see(
        &self,
        claimed: &ClaimedTrigger,
        trigger: &Trigger,
        services: &TryServices,
    ) -> Result<Seen, Fault> {
        let caller = self.caller_of(claimed).await?;
        let parts = &self.parts;
        // The secrets of a connection are known to the log before anybody can speak of them.
        if let Some(conn_id) = connection_of(trigger) {
            require(&caller, &format!("connections:use:{conn_id}"))?;
            services.mask_connection(conn_id).await;
        }
        let answer = match trigger {
            Trigger::Http(http) => http::look(&*parts.http, &caller, http).await?,
            Trigger::Objects(objects) => objects::look(&*parts.object_store, &caller, objects).await?,
            Trigger::Sql(sql) => sql::look(&*parts.sql, &caller, sql).await?,
            Trigger::DagRun(of) => {
                require(&caller, &format!("dag-runs:read:{}", of.dag_id))?;
                of.answer(runs::run(services, &of.dag_id, &of.run).await?.as_ref().map(|run| (&*run.run_id, run.state)))
            }
            Trigger::Tasks(of) => {
                require(&caller, &format!("dag-runs:read:{}", of.dag_id))?;
                let found = runs::tasks(services, of).await?;
                of.answer(found.as_ref().map(|(run_id, instances)| (run_id.as_str(), instances.as_slice())))
            }
            Trigger::PostedEvent { name } => {
                if parts.store.take_event(claimed, name, self.now()).await? {
                    return Ok(Seen::Fired);
                }
                airlock_core::trigger::Answer::NotYet("it has not been posted".to_owned())
            }
            Trigger::At { .. } | Trigger::After { .. } => {
                return Err(Fault::Hopeless("the clock ends this wait, and nobody has to look".to_owned()));
            }
        };
        Ok(Seen::Answer(answer))
    }

    /// On whose behalf it is: the waiting task's, as if it ran now.
    async fn caller_of(&self, claimed: &ClaimedTrigger) -> Result<Caller, Fault> {
        let tenant_id = claimed.run.tenant;
        let definition = self.definitions.definition(tenant_id, &claimed.dag_id, claimed.dag_version).await?;
        let tenant = self.definitions.tenant(tenant_id).await?;
        let task = definition.task(&claimed.task_id);
        let task = task.ok_or_else(|| StoreError::Damaged(format!("the DAG has no task `{}`", claimed.task_id)))?;
        Ok(caller(&tenant, task.grants.as_ref()))
    }
}

fn connection_of(trigger: &Trigger) -> Option<&str> {
    match trigger {
        Trigger::Http(http) => http.conn_id.as_deref(),
        Trigger::Objects(objects) => Some(&objects.conn_id),
        Trigger::Sql(sql) => Some(&sql.conn_id),
        _ => None,
    }
}

pub(super) fn require(caller: &Caller, capability: &str) -> Result<(), Fault> {
    caller.require(capability).map_err(Fault::Hopeless)
}
