//! What tasks have returned for others to be mapped over, element by element.

use airlock_core::dag::elements_of;
use airlock_core::id::{RunKey, UNMAPPED};
use airlock_store::xcoms::XComPull;
use airlock_store::{Store, StoreResult};
use serde_json::Value;

use crate::mapping::RETURN_VALUE;

/// The elements of a source.
pub(crate) enum Expansion {
    /// Of what its one instance returned.
    Values(Vec<Value>),
    /// The map indexes of the instances that returned something: each return value is an element, and is read by itself.
    Instances(Vec<i32>),
}

impl Expansion {
    pub async fn read(store: &dyn Store, run: RunKey, source: &str, is_mapped: bool) -> StoreResult<Self> {
        if is_mapped {
            let mut indexes = store.xcom_map_indexes(run, source, RETURN_VALUE).await?;
            indexes.retain(|index| *index != UNMAPPED);
            return Ok(Self::Instances(indexes));
        }
        let value = pull_one(store, run, source, UNMAPPED).await?;
        Ok(Self::Values(value.as_ref().and_then(elements_of).unwrap_or_default()))
    }

    pub fn len(&self) -> usize {
        match self {
            Self::Values(values) => values.len(),
            Self::Instances(indexes) => indexes.len(),
        }
    }

    /// None if there is no such element, or not any more.
    pub async fn element(
        &self,
        store: &dyn Store,
        run: RunKey,
        source: &str,
        place: usize,
    ) -> StoreResult<Option<Value>> {
        match self {
            Self::Values(values) => Ok(values.get(place).cloned()),
            Self::Instances(indexes) => match indexes.get(place) {
                Some(index) => pull_one(store, run, source, *index).await,
                None => Ok(None),
            },
        }
    }
}

async fn pull_one(store: &dyn Store, run: RunKey, source: &str, map_index: i32) -> StoreResult<Option<Value>> {
    let pull = XComPull {
        run,
        task_ids: Some(&[source.to_owned()]),
        key: RETURN_VALUE,
        map_indexes: Some(&[map_index]),
        include_prior_dates: false,
    };
    Ok(store.pull_xcoms(&pull).await?.pop().map(|row| row.value))
}
