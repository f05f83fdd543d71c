//! Slots have their turns.

use airlock_core::backfill::PassedOver;
use airlock_core::id::RunKey;
use airlock_core::run::RunChange;
use airlock_store::backfills::{Opening, Turn};
use chrono::{DateTime, Utc};
use sqlx::postgres::PgConnection;

use super::read::{backfill_row, slot_run};
use crate::PostgresStore;
use crate::dags::load::{ChangedDags, lock};
use crate::driving::change_from_outside;
use crate::error::Result;
use crate::row::Columns;
use crate::runs::insert;

pub async fn turns(store: &PostgresStore, limit: u32) -> Result<Vec<Turn>> {
    let rows = sqlx::query(
        "SELECT b.*, s.ordinal, s.run_after, s.logical_date, s.interval_start, s.interval_end
         FROM backfills b JOIN backfill_slots s
             ON s.tenant_id = b.tenant_id AND s.backfill_id = b.backfill_id AND s.ordinal = b.next_slot
         WHERE b.completed_at IS NULL AND b.next_slot IS NOT NULL AND b.unfinished_runs < b.max_active_runs + 100
         ORDER BY b.backfill_id LIMIT $1",
    )
    .bind(i64::from(limit))
    .fetch_all(&mut *store.connection().await?)
    .await?;
    let turn = |row| Ok(Turn { backfill: backfill_row(row)?, ordinal: row.number("ordinal")?, run: slot_run(row)? });
    rows.iter().map(turn).collect()
}

pub async fn open(store: &PostgresStore, turn: &Turn, opening: &Opening<'_>, now: DateTime<Utc>) -> Result<bool> {
    let mut transaction = store.begin().await?;
    // The DAG before its backfill, and both before runs, as everywhere.
    let dag = (turn.backfill.tenant.0, turn.backfill.dag_id.clone());
    lock(&mut transaction, &ChangedDags::from([dag])).await?;
    let moved_on = sqlx::query(
        "UPDATE backfills SET next_slot = CASE WHEN next_slot < slots THEN next_slot + 1 END
         WHERE tenant_id = $1 AND backfill_id = $2 AND next_slot = $3 AND completed_at IS NULL",
    )
    .bind(turn.backfill.tenant.0)
    .bind(turn.backfill.id)
    .bind(i64::from(turn.ordinal))
    .execute(&mut *transaction)
    .await?
    .rows_affected();
    if moved_on == 0 {
        return Ok(false);
    }
    let (run, reason) = match opening {
        Opening::Create(run) => match insert(&mut transaction, run, Some((turn.backfill.id, turn.ordinal))).await? {
            Some(run) => (Some(run.key), None),
            None => (None, Some(PassedOver::InFlight)),
        },
        Opening::Reprocess { run, epoch, change } => {
            if !reprocess(&mut transaction, turn, (*run, *epoch), change, now).await? {
                return Ok(false);
            }
            (Some(*run), None)
        }
        Opening::Pass(reason) => (None, Some(*reason)),
    };
    sqlx::query(
        "UPDATE backfill_slots SET run_key = $4, reason = $5
         WHERE tenant_id = $1 AND backfill_id = $2 AND ordinal = $3",
    )
    .bind(turn.backfill.tenant.0)
    .bind(turn.backfill.id)
    .bind(i64::from(turn.ordinal))
    .bind(run.map(|key| key.id))
    .bind(reason.map(PassedOver::as_str))
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(true)
}

async fn reprocess(
    connection: &mut PgConnection,
    turn: &Turn,
    (run, epoch): (RunKey, i64),
    change: &RunChange,
    now: DateTime<Utc>,
) -> Result<bool> {
    let backfill = &turn.backfill;
    sqlx::query(
        "UPDATE dag_runs SET backfill_id = $3, backfill_ordinal = $4, run_type = 'backfill', triggered_by = 'backfill',
             conf = coalesce($5::json, conf)
         WHERE tenant_id = $1 AND run_key = $2",
    )
    .bind(run.tenant.0)
    .bind(run.id)
    .bind(backfill.id)
    .bind(i64::from(turn.ordinal))
    .bind(backfill.conf.as_ref().map(serde_json::to_string).transpose()?)
    .execute(&mut *connection)
    .await?;
    change_from_outside(connection, run, epoch, &RunChange { at: change.at.or(Some(now)), ..change.clone() }).await
}
