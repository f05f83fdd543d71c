//! What makes one instance of a mapped task differ from the others: its arguments, and what it is called.

use std::collections::HashMap;
use std::sync::Arc;

use airlock_core::dag::{InstanceArguments, Mapping, Task, elements_of};
use airlock_core::id::UNMAPPED;
use airlock_core::limits::Limits;
use airlock_core::outcome::{Failure, FailureCause};
use airlock_sandbox::capability::task::{LogLevel, TaskServices, XComSelection};
use airlock_store::queue::ClaimedTry;
use serde_json::{Map, Value};

use crate::claim::Shared;
use crate::definitions::Definition;
use crate::prepare::{Facts, hopeless, unreachable_store};
use crate::services::TryServices;

/// Airflow's key of what a task returns.
pub(crate) const RETURN_VALUE: &str = "return_value";
/// Characters of what people call an instance, as in Airflow.
const LONGEST_NAME: usize = 250;

/// The arguments that mapping gives to a claimed instance; none where the task is not mapped.
pub(crate) async fn mapped_arguments(
    claimed: &ClaimedTry,
    definition: &Definition,
    task: &Task,
    services: &TryServices,
) -> Result<InstanceArguments, Failure> {
    let Some(mapping) = &task.mapping else { return Ok(InstanceArguments::default()) };
    let Ok(map_index) = u64::try_from(claimed.map_index) else {
        return Err(hopeless(format!("`{}` is mapped, and this instance has no map index", task.task_id)));
    };
    let pulled = pull_sources(mapping, definition, services).await?;
    let arguments = mapping.arguments(map_index, &pulled).map_err(hopeless)?;
    let given_twice = arguments.pulled.keys().find(|name| task.args.contains_key(*name));
    match given_twice {
        Some(name) => Err(hopeless(format!("`{name}` is given in `args` and by what the task is mapped over"))),
        None => Ok(arguments),
    }
}

/// The elements that each source has to map over.
async fn pull_sources(
    mapping: &Mapping,
    definition: &Definition,
    services: &TryServices,
) -> Result<HashMap<String, Vec<Value>>, Failure> {
    let mut pulled = HashMap::new();
    for source in mapping.sources() {
        let selection = XComSelection {
            task_ids: Some(vec![source.to_owned()]),
            key: RETURN_VALUE.to_owned(),
            map_indexes: None,
            include_prior_dates: false,
        };
        let mut entries = services.pull_xcoms(&selection).await.map_err(|error| Failure {
            cause: FailureCause::Host,
            retryable: true,
            message: format!("what `{source}` returned cannot be read: {error}"),
            backtrace: None,
        })?;
        entries.sort_by_key(|entry| entry.map_index);
        let is_mapped = definition.task(source).is_some_and(|task| task.mapping.is_some());
        let elements = if is_mapped {
            entries.into_iter().filter(|entry| entry.map_index != UNMAPPED).map(|entry| entry.value).collect()
        } else {
            let value = entries.into_iter().find(|entry| entry.map_index == UNMAPPED).map(|entry| entry.value);
            value.as_ref().and_then(elements_of).unwrap_or_default()
        };
        pulled.insert(source.to_owned(), elements);
    }
    Ok(pulled)
}

impl Shared {
    /// Renders `map_index_template` and notes what comes out. An instance that cannot be named runs all the same.
    pub async fn name_instance(
        &self,
        claimed: &ClaimedTry,
        facts: &Arc<Facts>,
        arguments: &Map<String, Value>,
        services: &Arc<TryServices>,
    ) -> Result<(), Failure> {
        let mapping = facts.task().mapping.as_ref();
        let Some(template) = mapping.and_then(|mapping| mapping.map_index_template.clone()) else { return Ok(()) };
        match self.render_name(claimed, facts, template, arguments.clone(), services).await {
            Ok(name) => {
                let name: String = services.masked_text(&name).chars().take(LONGEST_NAME).collect();
                let named = self.parts.store.name_instance(claimed.run, claimed.instance, claimed.lease_token, &name);
                named.await.map_err(unreachable_store)?;
            }
            Err(failure) => services.say(LogLevel::Warning, &format!("`map_index_template`: {}", failure.message)),
        }
        Ok(())
    }
}

/// How many elements a task has returned for others to be mapped over.
///
/// # Errors
///
/// Where others are mapped over it: what it returned cannot be mapped over, or has more elements than the limit.
pub(crate) fn length_of(
    returned: Option<&Value>,
    definition: &Definition,
    task: &Task,
    limits: &Limits,
) -> Result<Option<u32>, Failure> {
    if task.mapping.is_some() {
        return Ok(returned.map(|_| 1));
    }
    let length = match returned {
        Some(Value::Array(items)) => Some(items.len()),
        Some(Value::Object(members)) => Some(members.len()),
        _ => None,
    };
    let dependant = definition.mapped_over(&task.task_id);
    let refuse =
        |what: String| Failure { cause: FailureCause::Operator, retryable: true, message: what, backtrace: None };
    match (length, dependant) {
        (None, Some(dependant)) => Err(refuse(format!(
            "`{dependant}` is mapped over what this task returns, which has to be a list or an object, and is {}",
            returned.map_or("nothing", kind_of)
        ))),
        (Some(length), Some(dependant)) if length > limits.map_length as usize => Err(refuse(format!(
            "`{dependant}` is mapped over what this task returns, and {length} elements are more than the limit \
             `map_length` of {}",
            limits.map_length
        ))),
        (length, _) => Ok(length.and_then(|length| u32::try_from(length).ok())),
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
