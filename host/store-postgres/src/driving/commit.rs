//! A batch of changes, and the admissions that follow from it, in one transaction.

use std::collections::HashSet;

use airlock_core::id::RunKey;
use airlock_store::driving::{Admission, Batch, Committed, RunChange, Usage};
use airlock_store::support::{brought_about, made_due, waits};
use sqlx::Connection;

use super::admission::admit_all;
use super::changes::apply;
use super::leases::held;
use super::run_states::{self, Decided};
use super::usage::usage;
use crate::PostgresStore;
use crate::assets::record;
use crate::callbacks::insert;
use crate::error::Result;
use crate::triggers::apply_waits;

pub async fn commit(
    store: &PostgresStore,
    batch: &Batch,
    admit: &(dyn for<'a> Fn(&'a Usage) -> Vec<Admission> + Send + Sync),
) -> Result<Committed> {
    let mut committed = Committed::default();
    let mut connection = store.kept.acquire().await?;
    let mut transaction = connection.begin().await?;

    let with_state: Vec<RunKey> =
        batch.changes.iter().filter(|(_, _, change)| change.run_state.is_some()).map(|(key, _, _)| *key).collect();
    run_states::lock_dags(&mut transaction, &with_state).await?;
    let Decided { mut driven, awaited } = run_states::decide(&mut transaction, batch).await?;
    let runs: HashSet<(RunKey, i64)> = batch.changes.iter().map(|(key, epoch, _)| (*key, *epoch)).collect();
    committed.overtaken = batch.changes.iter().map(|(key, _, _)| *key).filter(|key| !driven.contains(key)).collect();
    let changes = batch.changes.iter().filter(|(key, _, _)| driven.contains(key));
    let changes: Vec<(RunKey, &RunChange)> = changes.map(|(key, _, change)| (*key, change)).collect();
    if !changes.is_empty() {
        committed.refused = apply(&mut transaction, &changes).await?;
        record(&mut transaction, &brought_about(&changes, &committed.refused)).await?;
        insert(&mut transaction, &made_due(&changes, &committed.refused), None).await?;
        let mut waits = waits(&changes, &committed.refused);
        waits.ended.retain(|key| awaited.contains(key));
        committed.triggers_due = apply_waits(&mut transaction, &waits, batch.now).await?;
    }

    let mut admissions = admit(&usage(&mut transaction, &batch.usage).await?);
    if !admissions.is_empty() {
        let others: HashSet<(RunKey, i64)> = admissions
            .iter()
            .map(|admission| (admission.run, admission.epoch))
            .filter(|run| !runs.contains(run))
            .collect();
        if !others.is_empty() {
            let others: Vec<(RunKey, i64)> = others.into_iter().collect();
            let held = held(&mut transaction, batch.owner, &others).await?;
            committed.overtaken.extend(others.iter().map(|(key, _)| *key).filter(|key| !held.contains(key)));
            driven.extend(held);
        }
        admissions.retain(|admission| driven.contains(&admission.run));
        committed.admitted = admit_all(&mut transaction, &admissions, batch.now).await?;
    }
    transaction.commit().await?;
    store.kept.keep(connection);
    Ok(committed)
}
