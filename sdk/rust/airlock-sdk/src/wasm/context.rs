use super::instant::from_wit;
use super::object;
use super::wit::context as wit;
use crate::context::Context;

pub fn get() -> Context {
    let context = wit::get();
    Context {
        tenant: context.tenant,
        dag_id: context.dag_id,
        dag_version: context.dag_version,
        run_id: context.run_id,
        run_type: context.run_type,
        logical_date: context.logical_date.map(from_wit),
        data_interval: context.data_interval.map(|interval| (from_wit(interval.start), from_wit(interval.end))),
        run_after: from_wit(context.run_after),
        next_run_after: context.next_run_after.map(from_wit),
        task_id: context.task_id,
        map_index: context.map_index,
        try_number: context.try_number,
        max_tries: context.max_tries,
        first_started_at: from_wit(context.first_started_at),
        params: object(&context.params),
        conf: object(&context.conf),
        idempotency_key: context.idempotency_key,
    }
}
