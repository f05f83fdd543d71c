//! A batch of changes, and the admissions that follow from it, in one transaction. SQLite has one writer, so that no other
//! commit can come between the look at the pools and the filling of them.

use std::collections::HashSet;

use airlock_core::id::RunKey;
use airlock_store::driving::{Admission, Batch, Committed, RunChange, Usage};
use airlock_store::support::{brought_about, made_due, waits};

use super::admission::admit_all;
use super::changes::apply;
use super::leases::held;
use super::run_states;
use super::usage::usage;
use crate::assets::record;
use crate::callbacks::insert;
use crate::error::Result;
use crate::triggers::apply_waits;
use crate::{SqliteStore, begin};

pub async fn commit(
    store: &SqliteStore,
    batch: &Batch,
    admit: &(dyn for<'a> Fn(&'a Usage) -> Vec<Admission> + Send + Sync),
) -> Result<Committed> {
    let mut committed = Committed::default();
    let mut writer = store.writer().await;
    let mut transaction = begin(&mut writer).await?;

    let mut driven = run_states::decide(&mut transaction, batch).await?;
    let runs: HashSet<(RunKey, i64)> = batch.changes.iter().map(|(key, epoch, _)| (*key, *epoch)).collect();
    let named = batch.changes.iter().map(|(key, _, _)| *key);
    committed.overtaken = named.filter(|key| !driven.contains(key)).collect();
    let changes = batch.changes.iter().filter(|(key, _, _)| driven.contains(key));
    let changes: Vec<(RunKey, &RunChange)> = changes.map(|(key, _, change)| (*key, change)).collect();
    committed.refused = apply(&mut transaction, &changes).await?;
    record(&mut transaction, &brought_about(&changes, &committed.refused)).await?;
    insert(&mut transaction, &made_due(&changes, &committed.refused), None).await?;
    committed.triggers_due = apply_waits(&mut transaction, &waits(&changes, &committed.refused), batch.now).await?;

    let mut admissions = admit(&usage(&mut transaction, &batch.usage).await?);
    if !admissions.is_empty() {
        let others: Vec<(RunKey, i64)> = admissions
            .iter()
            .map(|admission| (admission.run, admission.epoch))
            .filter(|run| !runs.contains(run))
            .collect::<HashSet<_>>()
            .into_iter()
            .collect();
        if !others.is_empty() {
            let held = held(&mut transaction, batch.owner, &others).await?;
            committed.overtaken.extend(others.iter().map(|(key, _)| *key).filter(|key| !held.contains(key)));
            driven.extend(held);
        }
        admissions.retain(|admission| driven.contains(&admission.run));
        committed.admitted = admit_all(&mut transaction, &admissions, batch.now).await?;
    }
    transaction.commit().await?;
    Ok(committed)
}
