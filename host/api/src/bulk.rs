//! Airflow's bulk requests: several creations, updates and deletions of one kind of thing. Each action stands or falls by
//! itself, and its answer says what was done and what was not.

use std::fmt::Display;

use airlock_core::access::{Action, Resource};
use airlock_core::fault::{Fault, Faults};
use async_trait::async_trait;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::extract::{Patch, Principal};
use crate::problem::{Answer, Problem};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BulkBody {
    actions: Vec<BulkAction>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(tag = "action", rename_all = "snake_case")]
enum BulkAction {
    Create {
        #[schema(value_type = Vec<Object>)]
        entities: Vec<Map<String, Value>>,
        #[serde(default)]
        action_on_existence: OnExistence,
    },
    Update {
        #[schema(value_type = Vec<Object>)]
        entities: Vec<Map<String, Value>>,
        #[serde(default)]
        update_mask: Option<Vec<String>>,
        #[serde(default)]
        action_on_non_existence: OnAbsence,
    },
    Delete {
        /// Names, or objects that have one.
        entities: Vec<Value>,
        #[serde(default)]
        action_on_non_existence: OnAbsence,
    },
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = BulkActionOnExistence)]
enum OnExistence {
    #[default]
    Fail,
    Skip,
    Overwrite,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = BulkActionNotOnExistence)]
enum OnAbsence {
    #[default]
    Fail,
    Skip,
}

#[derive(Debug, Default, Serialize, ToSchema)]
pub struct BulkResponse {
    create: Option<BulkActionResponse>,
    update: Option<BulkActionResponse>,
    delete: Option<BulkActionResponse>,
}

#[derive(Debug, Default, Serialize, ToSchema)]
struct BulkActionResponse {
    success: Vec<String>,
    errors: Vec<Value>,
}

impl BulkActionResponse {
    fn failed(&mut self, problem: &Problem) {
        self.errors.push(json!({ "error": problem.detail, "status_code": problem.status.as_u16() }));
    }
}

/// A kind of thing that bulk requests work on.
#[async_trait]
pub trait BulkTarget: Sync {
    type Body: DeserializeOwned + Send + Sync;
    /// What a thing is called, here and in the answer.
    type Key: Display + Send + Sync;
    const RESOURCE: Resource;
    /// The member that names a thing.
    const KEY: &'static str;

    fn key(&self, body: &Self::Body) -> Answer<Self::Key>;
    /// The thing that a deletion names. None if it names nothing.
    fn named(&self, entity: &Value) -> Option<Answer<Self::Key>>;
    async fn exists(&self, key: &Self::Key) -> Answer<bool>;
    async fn create(&self, body: Self::Body) -> Answer<()>;
    /// Of one that exists.
    async fn update(&self, patch: &Patch<Self::Body>, mask: &[String]) -> Answer<()>;
    async fn delete(&self, key: &Self::Key) -> Answer<bool>;
}

/// The name of a thing that has only one: a text, or the member of an object.
pub fn name_of(entity: &Value, member: &str) -> Option<Answer<String>> {
    entity.as_str().or_else(|| entity.get(member)?.as_str()).map(|name| Ok(name.to_owned()))
}

/// Works through a bulk request.
///
/// # Errors
/// 422 if an entity is not valid: then nothing is done.
pub async fn perform<T: BulkTarget>(target: &T, principal: &Principal, body: BulkBody) -> Answer<BulkResponse> {
    let mut response = BulkResponse::default();
    let mut plans = Vec::new();
    for (index, action) in body.actions.into_iter().enumerate() {
        plans.push(plan(target, principal, action, &format!("/actions/{index}/entities"))?);
    }
    for plan in plans {
        match plan {
            Plan::Create(patches, on_existence) => {
                create(target, patches, on_existence, response.create.get_or_insert_default()).await?;
            }
            Plan::Update(patches, mask, on_absence) => {
                update(target, patches, &mask, on_absence, response.update.get_or_insert_default()).await?;
            }
            Plan::Delete(keys, on_absence) => {
                delete(target, keys, on_absence, response.delete.get_or_insert_default()).await?;
            }
        }
    }
    Ok(response)
}

enum Plan<T: BulkTarget> {
    Create(Vec<Patch<T::Body>>, OnExistence),
    Update(Vec<Patch<T::Body>>, Vec<String>, OnAbsence),
    Delete(Vec<T::Key>, OnAbsence),
}

fn plan<T: BulkTarget>(target: &T, principal: &Principal, action: BulkAction, pointer: &str) -> Answer<Plan<T>> {
    let patches = |entities: Vec<Map<String, Value>>| {
        let patch = |(index, entity)| Patch::from_object(entity, &format!("{pointer}/{index}"));
        entities.into_iter().enumerate().map(patch).collect::<Result<Vec<_>, _>>().map_err(Problem::faulty)
    };
    match action {
        BulkAction::Create { entities, action_on_existence } => {
            principal.may(Action::Create, T::RESOURCE)?;
            if action_on_existence == OnExistence::Overwrite {
                principal.may(Action::Update, T::RESOURCE)?;
            }
            Ok(Plan::Create(patches(entities)?, action_on_existence))
        }
        BulkAction::Update { entities, update_mask, action_on_non_existence } => {
            principal.may(Action::Update, T::RESOURCE)?;
            Ok(Plan::Update(patches(entities)?, update_mask.unwrap_or_default(), action_on_non_existence))
        }
        BulkAction::Delete { entities, action_on_non_existence } => {
            principal.may(Action::Delete, T::RESOURCE)?;
            let key = |(index, entity): (usize, Value)| {
                target.named(&entity).unwrap_or_else(|| {
                    let detail = format!("neither a name nor an object with `{}`", T::KEY);
                    Err(Problem::faulty(Faults(vec![Fault::new(format!("{pointer}/{index}"), detail)])))
                })
            };
            let keys = entities.into_iter().enumerate().map(key).collect::<Answer<_>>()?;
            Ok(Plan::Delete(keys, action_on_non_existence))
        }
    }
}

async fn create<T: BulkTarget>(
    target: &T,
    patches: Vec<Patch<T::Body>>,
    on_existence: OnExistence,
    done: &mut BulkActionResponse,
) -> Answer<()> {
    let keys = patches.iter().map(|patch| target.key(&patch.body)).collect::<Answer<Vec<_>>>()?;
    let mut there = Vec::new();
    for key in &keys {
        there.push(target.exists(key).await?);
    }
    if on_existence == OnExistence::Fail && there.contains(&true) {
        let taken: Vec<String> =
            keys.iter().zip(&there).filter(|(_, there)| **there).map(|(key, _)| key.to_string()).collect();
        done.failed(&Problem::conflict(format!("there are already: {}", taken.join(", "))));
        return Ok(());
    }
    for ((patch, key), there) in patches.into_iter().zip(keys).zip(there) {
        let result = match (there, on_existence) {
            (true, OnExistence::Skip) => continue,
            (true, _) => target.update(&patch, &[]).await,
            (false, _) => target.create(patch.body).await,
        };
        match result {
            Ok(()) => done.success.push(key.to_string()),
            Err(problem) => done.failed(&problem),
        }
    }
    Ok(())
}

async fn update<T: BulkTarget>(
    target: &T,
    patches: Vec<Patch<T::Body>>,
    mask: &[String],
    on_absence: OnAbsence,
    done: &mut BulkActionResponse,
) -> Answer<()> {
    let keys = patches.iter().map(|patch| target.key(&patch.body)).collect::<Answer<Vec<_>>>()?;
    let Some(there) = present(target, &keys, on_absence, done).await? else { return Ok(()) };
    for ((patch, key), there) in patches.iter().zip(keys).zip(there) {
        if there {
            match target.update(patch, mask).await {
                Ok(()) => done.success.push(key.to_string()),
                Err(problem) => done.failed(&problem),
            }
        }
    }
    Ok(())
}

async fn delete<T: BulkTarget>(
    target: &T,
    keys: Vec<T::Key>,
    on_absence: OnAbsence,
    done: &mut BulkActionResponse,
) -> Answer<()> {
    let Some(there) = present(target, &keys, on_absence, done).await? else { return Ok(()) };
    for (key, there) in keys.into_iter().zip(there) {
        if there {
            match target.delete(&key).await {
                Ok(_) => done.success.push(key.to_string()),
                Err(problem) => done.failed(&problem),
            }
        }
    }
    Ok(())
}

/// Which of the things are there; none, if one is not and the action is to fail for that.
async fn present<T: BulkTarget>(
    target: &T,
    keys: &[T::Key],
    on_absence: OnAbsence,
    done: &mut BulkActionResponse,
) -> Answer<Option<Vec<bool>>> {
    let mut there = Vec::new();
    for key in keys {
        there.push(target.exists(key).await?);
    }
    if on_absence == OnAbsence::Fail && there.contains(&false) {
        let absent: Vec<String> =
            keys.iter().zip(&there).filter(|(_, there)| !**there).map(|(key, _)| key.to_string()).collect();
        done.failed(&Problem::not_found(format!("there are none of these: {}", absent.join(", "))));
        return Ok(None);
    }
    Ok(Some(there))
}
