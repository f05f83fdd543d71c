//! What may go, as parts of statements. They share their arguments: `$1` the tenant, `$2` the moment, `$3` the DAGs that are
//! cleaned (all, if empty), `$4` those that are not.

/// Whether `$column` names a DAG that is cleaned.
macro_rules! of_dags {
    ($column:literal) => {
        concat!(
            "(cardinality($3::text[]) = 0 OR ",
            $column,
            " = ANY ($3)) AND (cardinality($4::text[]) = 0 OR ",
            $column,
            " <> ALL ($4))"
        )
    };
}

/// A run `r` that nothing and nobody needs any more: it has ended; a newer one of its kind is there; it is not the one that a
/// run to come, or one that has not ended, finds before it; no backfill is about to come by.
macro_rules! dispensable {
    () => {
        "r.ended_at IS NOT NULL
         AND EXISTS (
             SELECT FROM dag_runs n
             WHERE n.tenant_id = r.tenant_id AND n.dag_id = r.dag_id AND n.run_type = r.run_type
                 AND (n.run_after, n.run_key) > (r.run_after, r.run_key))
         AND NOT EXISTS (
             SELECT FROM (
                 SELECT u.logical_date FROM active_runs a JOIN dag_runs u USING (tenant_id, run_key)
                 WHERE a.tenant_id = r.tenant_id AND a.dag_id = r.dag_id
                 UNION ALL
                 SELECT d.next_logical_date FROM dags d WHERE d.tenant_id = r.tenant_id AND d.dag_id = r.dag_id
                 UNION ALL
                 SELECT 'infinity'
             ) later
             WHERE later.logical_date > r.logical_date AND NOT EXISTS (
                 SELECT FROM dag_runs p
                 WHERE p.tenant_id = r.tenant_id AND p.dag_id = r.dag_id
                     AND p.logical_date > r.logical_date AND p.logical_date < later.logical_date
                     AND (p.run_type <> 'manual' OR r.run_type = 'manual')))
         AND NOT EXISTS (
             SELECT FROM backfills f
             WHERE f.tenant_id = r.tenant_id AND f.dag_id = r.dag_id AND f.completed_at IS NULL
                 AND (f.backfill_id = r.backfill_id OR r.logical_date BETWEEN f.from_date AND f.to_date))"
    };
}

macro_rules! runs {
    () => {
        concat!(
            "FROM dag_runs r WHERE r.tenant_id = $1 AND r.ended_at < $2 AND ",
            of_dags!("r.dag_id"),
            " AND ",
            dispensable!()
        )
    };
}

/// The last try of an instance is the instance.
macro_rules! tries {
    () => {
        concat!(
            "FROM dag_runs r JOIN task_instances i USING (tenant_id, run_key) JOIN task_tries t USING (tenant_id, instance_id)
             WHERE r.tenant_id = $1 AND t.ended_at < $2 AND t.try_number < i.try_number AND ",
            of_dags!("r.dag_id"),
            " AND ",
            dispensable!()
        )
    };
}

macro_rules! xcoms {
    () => {
        concat!(
            "FROM dag_runs r JOIN xcoms t USING (tenant_id, run_key) WHERE r.tenant_id = $1 AND t.pushed_at < $2 AND ",
            of_dags!("r.dag_id"),
            " AND ",
            dispensable!()
        )
    };
}

macro_rules! backfills {
    () => {
        concat!("FROM backfills t WHERE t.tenant_id = $1 AND t.completed_at < $2 AND ", of_dags!("t.dag_id"))
    };
}

/// What is queued for a DAG, and was not part of its last run, will be part of its next.
macro_rules! asset_events {
    () => {
        concat!(
            "FROM asset_events t WHERE t.tenant_id = $1 AND t.timestamp < $2 AND ",
            of_dags!("t.source_dag_id"),
            " AND NOT EXISTS (
                 SELECT FROM asset_queue q
                 WHERE q.tenant_id = t.tenant_id AND q.asset_id = t.asset_id AND NOT EXISTS (
                     SELECT FROM dag_runs p
                     WHERE p.tenant_id = q.tenant_id AND p.dag_id = q.dag_id AND p.run_type = 'asset_triggered'
                         AND p.run_after >= t.timestamp))
              AND NOT EXISTS (
                 SELECT FROM asset_event_runs e JOIN active_runs a USING (tenant_id, run_key)
                 WHERE e.tenant_id = t.tenant_id AND e.event_id = t.event_id)"
        )
    };
}

macro_rules! versions {
    () => {
        concat!(
            "FROM dag_versions t WHERE t.tenant_id = $1 AND t.created_at < $2 AND ",
            of_dags!("t.dag_id"),
            " AND t.version < (SELECT d.version FROM dags d WHERE d.tenant_id = t.tenant_id AND d.dag_id = t.dag_id)
              AND NOT EXISTS (
                 SELECT FROM dag_runs r
                 WHERE r.tenant_id = t.tenant_id AND r.dag_id = t.dag_id AND r.dag_version = t.version)"
        )
    };
}

macro_rules! log {
    () => {
        concat!("FROM audit_log t WHERE t.tenant_id = $1 AND t.at < $2 AND ", of_dags!("t.dag_id"))
    };
}

pub(super) use {asset_events, backfills, dispensable, log, of_dags, runs, tries, versions, xcoms};
