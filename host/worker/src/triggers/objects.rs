//! Objects that are waited for.

use airlock_core::trigger::{Answer, KeyPattern, ObjectsTrigger};
use airlock_sandbox::capability::Caller;
use airlock_sandbox::capability::object_store::{Bucket, ListOptions, ObjectError, ObjectStoreHook};

use super::Fault;

/// Objects of one page of a listing.
const PAGE: usize = 1_000;

/// Pages that are looked through for one key: a pattern that begins with `*` lists the whole bucket.
const MOST_PAGES: usize = 100;

pub(super) async fn look(
    hook: &dyn ObjectStoreHook,
    caller: &Caller,
    trigger: &ObjectsTrigger,
) -> Result<Answer, Fault> {
    let bucket = hook.open(caller, &trigger.conn_id, trigger.bucket.as_deref()).await.map_err(fault)?;
    let mut found = Vec::with_capacity(trigger.keys.len());
    for key in &trigger.keys {
        let objects = match KeyPattern::new(key, trigger.matching).map_err(Fault::Hopeless)? {
            None => bucket.head(key).await.map_err(fault)?.into_iter().map(|object| object.key).collect(),
            Some(pattern) => matching(&*bucket, &pattern).await?,
        };
        let is_missing = objects.is_empty();
        found.push(objects);
        if is_missing {
            break;
        }
    }
    found.resize(trigger.keys.len(), Vec::new());
    Ok(trigger.answer(found))
}

/// Up to a page of objects that match.
async fn matching(bucket: &dyn Bucket, pattern: &KeyPattern) -> Result<Vec<String>, Fault> {
    let mut found = Vec::new();
    let mut start_after = None;
    for _ in 0..MOST_PAGES {
        let options = ListOptions { prefix: pattern.prefix.clone(), start_after: start_after.take(), limit: PAGE };
        let page = bucket.list(options).await.map_err(fault)?;
        let is_last = page.len() < PAGE;
        start_after = page.last().map(|object| object.key.clone());
        found.extend(page.into_iter().map(|object| object.key).filter(|key| pattern.matches(key)));
        if is_last || found.len() >= PAGE {
            return Ok(found);
        }
    }
    if found.is_empty() {
        let seen = MOST_PAGES * PAGE;
        return Err(Fault::Trouble(format!("none of the first {seen} objects matches, and there are more")));
    }
    Ok(found)
}

fn fault(error: ObjectError) -> Fault {
    match error {
        ObjectError::Denied(_)
        | ObjectError::ConnectionNotFound(_)
        | ObjectError::WrongType(_)
        | ObjectError::Invalid(_) => Fault::Hopeless(error.to_string()),
        _ => Fault::Trouble(error.to_string()),
    }
}
