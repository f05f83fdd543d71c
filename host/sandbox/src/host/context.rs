use serde_json::Value;

use crate::bindings::airlock::operator::context::{DataInterval, Host, TaskContext};
use crate::host::instant;
use crate::run::state::CallState;

impl Host for CallState {
    fn get(&mut self) -> wasmtime::Result<TaskContext> {
        self.host_calls += 1;
        let context = &self.context;
        Ok(TaskContext {
            tenant: context.tenant.clone(),
            dag_id: context.dag_id.clone(),
            dag_version: context.dag_version,
            run_id: context.run_id.clone(),
            run_type: context.run_type.clone(),
            logical_date: context.logical_date.map(instant),
            data_interval: context
                .data_interval
                .map(|(start, end)| DataInterval { start: instant(start), end: instant(end) }),
            run_after: instant(context.run_after),
            next_run_after: context.next_run_after.map(instant),
            task_id: context.task_id.clone(),
            map_index: context.map_index,
            try_number: context.try_number,
            max_tries: context.max_tries,
            first_started_at: instant(context.first_started_at),
            params: Value::Object(context.params.clone()).to_string(),
            conf: Value::Object(context.conf.clone()).to_string(),
            idempotency_key: context.idempotency_key.clone(),
        })
    }
}
