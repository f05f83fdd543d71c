//! A request from outside changes a run that anybody may hold.

use airlock_core::id::RunKey;
use airlock_core::state::RunState;
use airlock_store::StoreError;
use airlock_store::driving::RunChange;
use airlock_store::support::waits;
use chrono::{DateTime, Utc};
use sqlx::postgres::PgConnection;

use super::changes::{apply, lock_queue};
use super::leases::give_up;
use super::run_states;
use crate::PostgresStore;
use crate::error::Result;
use crate::triggers::apply_waits;

pub async fn intervene(store: &PostgresStore, key: RunKey, epoch: i64, change: &RunChange) -> Result<bool> {
    let mut transaction = store.begin().await?;
    if moment(change)?.is_some() {
        run_states::lock_dags(&mut transaction, &[key]).await?;
    }
    if !self::change(&mut transaction, key, epoch, change).await? {
        return Ok(false);
    }
    transaction.commit().await?;
    Ok(true)
}

/// Changes a run that is at this epoch. False if it is not, or where a move does not fit: the transaction is to be dropped then.
/// The caller has locked the run's DAG if the run's state changes.
pub async fn change(connection: &mut PgConnection, key: RunKey, epoch: i64, change: &RunChange) -> Result<bool> {
    let raised =
        sqlx::query("UPDATE dag_runs SET epoch = epoch + 1 WHERE tenant_id = $1 AND run_key = $2 AND epoch = $3")
            .bind(key.tenant.0)
            .bind(key.id)
            .bind(epoch)
            .execute(&mut *connection)
            .await?
            .rows_affected();
    if raised == 0 {
        return Ok(false);
    }
    lock_queue(&mut *connection, &[(key, change)]).await?;
    if !apply(&mut *connection, &[(key, change)]).await?.is_empty() {
        // The run's own scheduler was first, which does not raise the epoch. Nothing of this is applied.
        return Ok(false);
    }
    if change.run_state.is_some_and(RunState::is_finished) && any_unfinished(&mut *connection, key).await? {
        // Its scheduler has made instances that whoever ends the run has not seen.
        return Ok(false);
    }
    if let Some(now) = moment(change)? {
        run_states::write(&mut *connection, key, change, now).await?;
    }
    if let Some(at) = change.at.or_else(|| change.moves.iter().map(|moved| moved.at).max()) {
        apply_waits(&mut *connection, &waits(&[(key, change)], &[]), at).await?;
    }
    give_up(connection, key).await?;
    Ok(true)
}

async fn any_unfinished(connection: &mut PgConnection, key: RunKey) -> Result<bool> {
    let any = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM task_instances
                        WHERE tenant_id = $1 AND run_key = $2 AND (state IS NULL
                            OR state NOT IN ('success', 'failed', 'skipped', 'upstream_failed', 'removed')))",
    );
    Ok(any.bind(key.tenant.0).bind(key.id).fetch_one(connection).await?)
}

/// When the run itself changes, if it does.
fn moment(change: &RunChange) -> Result<Option<DateTime<Utc>>> {
    if change.run_state.is_none() && change.dag_version.is_none() {
        return Ok(None);
    }
    let timeless = || StoreError::Conflict("a change of a run's state or version needs its time".to_owned());
    Ok(Some(change.at.ok_or_else(timeless)?))
}
