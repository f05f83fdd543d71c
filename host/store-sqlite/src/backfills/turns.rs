//! Slots have their turns.

use airlock_core::backfill::PassedOver;
use airlock_core::id::RunKey;
use airlock_core::run::RunChange;
use airlock_store::backfills::{Opening, Turn};
use airlock_store::runs::NewRun;
use chrono::{DateTime, Utc};
use sqlx::sqlite::SqliteConnection;

use super::read::{backfill_row, slot_run};
use crate::driving::change_from_outside;
use crate::error::Result;
use crate::row::Columns;
use crate::runs::insert;
use crate::{SqliteStore, begin};

pub async fn turns(store: &SqliteStore, limit: u32) -> Result<Vec<Turn>> {
    let rows = sqlx::query(
        "SELECT b.*, s.ordinal, s.run_after, s.logical_date, s.interval_start, s.interval_end
         FROM backfills b CROSS JOIN backfill_slots s
             ON s.tenant_id = b.tenant_id AND s.backfill_id = b.backfill_id AND s.ordinal = b.next_slot
         WHERE b.completed_at IS NULL AND b.next_slot IS NOT NULL AND b.unfinished_runs < b.max_active_runs + 100
         ORDER BY b.backfill_id LIMIT ?1",
    )
    .bind(limit)
    .fetch_all(&mut *store.reader().await)
    .await?;
    let turn = |row| Ok(Turn { backfill: backfill_row(row)?, ordinal: row.number("ordinal")?, run: slot_run(row)? });
    rows.iter().map(turn).collect()
}

pub async fn open(store: &SqliteStore, turn: &Turn, opening: &Opening<'_>, now: DateTime<Utc>) -> Result<bool> {
    let mut writer = store.writer().await;
    let mut transaction = begin(&mut writer).await?;
    let moved_on = sqlx::query(
        "UPDATE backfills SET next_slot = CASE WHEN next_slot < slots THEN next_slot + 1 END
         WHERE tenant_id = ?1 AND backfill_id = ?2 AND next_slot = ?3 AND completed_at IS NULL",
    )
    .bind(turn.backfill.tenant.0)
    .bind(turn.backfill.id)
    .bind(turn.ordinal)
    .execute(&mut *transaction)
    .await?
    .rows_affected();
    if moved_on == 0 {
        return Ok(false);
    }
    let (run, reason) = match opening {
        Opening::Create(run) => match create(&mut transaction, turn, run).await? {
            Some(key) => (Some(key), None),
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
        "UPDATE backfill_slots SET run_key = ?4, reason = ?5
         WHERE tenant_id = ?1 AND backfill_id = ?2 AND ordinal = ?3",
    )
    .bind(turn.backfill.tenant.0)
    .bind(turn.backfill.id)
    .bind(turn.ordinal)
    .bind(run.map(|key| key.id))
    .bind(reason.map(PassedOver::as_str))
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(true)
}

async fn create(connection: &mut SqliteConnection, turn: &Turn, run: &NewRun) -> Result<Option<RunKey>> {
    let version: u32 = sqlx::query_scalar("SELECT version FROM dags WHERE tenant_id = ?1 AND dag_id = ?2")
        .bind(turn.backfill.tenant.0)
        .bind(&turn.backfill.dag_id)
        .fetch_one(&mut *connection)
        .await?;
    let place = Some((turn.backfill.id, turn.ordinal));
    Ok(insert(connection, run, version, place).await?.map(|run| run.key))
}

async fn reprocess(
    connection: &mut SqliteConnection,
    turn: &Turn,
    (run, epoch): (RunKey, i64),
    change: &RunChange,
    now: DateTime<Utc>,
) -> Result<bool> {
    let backfill = &turn.backfill;
    sqlx::query(
        "UPDATE dag_runs SET backfill_id = ?3, backfill_ordinal = ?4, run_type = 'backfill', triggered_by = 'backfill',
             conf = coalesce(?5, conf)
         WHERE tenant_id = ?1 AND run_key = ?2",
    )
    .bind(run.tenant.0)
    .bind(run.id)
    .bind(backfill.id)
    .bind(turn.ordinal)
    .bind(backfill.conf.as_ref().map(serde_json::to_string).transpose()?)
    .execute(&mut *connection)
    .await?;
    change_from_outside(connection, run, epoch, &RunChange { at: change.at.or(Some(now)), ..change.clone() }).await
}
