//! A batch of changes, and the admissions that follow from it, in one transaction. SQLite has one writer, so that no other
//! commit can come between the look at the pools and the filling of them.

use std::collections::HashSet;

use airlock_core::id::RunKey;
use airlock_store::driving::{Admission, Batch, Committed, RunChange, Usage};
use airlock_store::support::{brought_about, made_due, waits};

use super::admission::admit_and_commit;
use super::changes::apply;
use super::leases::held;
use super::run_states::{self, Decided};
use super::usage::usage;
use crate::SqliteStore;
use crate::assets::record;
use crate::callbacks::insert;
use crate::error::Result;
use crate::triggers::apply_waits;

pub async fn commit(
    store: &SqliteStore,
    batch: &Batch,
    admit: &(dyn for<'a> Fn(&'a Usage) -> Vec<Admission> + Send + Sync),
) -> Result<Committed> {
    let mut committed = Committed::default();
    let mut writer = store.writer().await;
    writer.opens();

    let Decided { mut driven, awaited } = run_states::decide(&mut writer, batch).await?;
    let runs: HashSet<(RunKey, i64)> = batch.changes.iter().map(|(key, epoch, _)| (*key, *epoch)).collect();
    let named = batch.changes.iter().map(|(key, _, _)| *key);
    committed.overtaken = named.filter(|key| !driven.contains(key)).collect();
    let changes = batch.changes.iter().filter(|(key, _, _)| driven.contains(key));
    let changes: Vec<(RunKey, &RunChange)> = changes.map(|(key, _, change)| (*key, change)).collect();
    committed.refused = apply(&mut writer, &changes).await?;
    record(&mut writer, &brought_about(&changes, &committed.refused)).await?;
    insert(&mut writer, &made_due(&changes, &committed.refused), None).await?;
    let mut waits = waits(&changes, &committed.refused);
    waits.ended.retain(|key| awaited.contains(key));
    committed.triggers_due = apply_waits(&mut writer, &waits, batch.now).await?;

    let mut admissions = admit(&usage(&mut writer, &batch.usage).await?);
    if !admissions.is_empty() {
        let others: Vec<(RunKey, i64)> = admissions
            .iter()
            .map(|admission| (admission.run, admission.epoch))
            .filter(|run| !runs.contains(run))
            .collect::<HashSet<_>>()
            .into_iter()
            .collect();
        if !others.is_empty() {
            let held = held(&mut writer, batch.owner, &others).await?;
            committed.overtaken.extend(others.iter().map(|(key, _)| *key).filter(|key| !held.contains(key)));
            driven.extend(held);
        }
        admissions.retain(|admission| driven.contains(&admission.run));
    }
    if admissions.is_empty() {
        writer.commit().await?;
    } else {
        committed.admitted = admit_and_commit(&mut writer, &admissions, batch.now).await?;
        writer.has_committed();
    }
    Ok(committed)
}
