//! What makes one instance of a mapped task differ from the others: its arguments, and what it is called.

use std::collections::HashMap;
use std::sync::Arc;

use airlock_core::dag::{Element, InstanceArguments, Mapping, Task};
use airlock_core::limits::Limits;
use airlock_core::outcome::{Failure, FailureCause};
use airlock_sandbox::capability::task::LogLevel;
use airlock_store::queue::ClaimedTry;
use serde_json::{Map, Value};

use crate::claim::Shared;
use crate::definitions::{Definition, Definitions};
use crate::prepare::{Facts, hopeless, unreachable_store};
use crate::services::TryServices;

/// Airflow's key of what a task returns.
pub(crate) const RETURN_VALUE: &str = "return_value";
/// Characters of what people call an instance, as in Airflow.
const LONGEST_NAME: usize = 250;

impl Definitions {
    /// The arguments that a mapping, the task's own or its group's, gives to a claimed instance.
    pub async fn mapped_arguments(
        &self,
        claimed: &ClaimedTry,
        definition: &Definition,
        mapping: &Mapping,
    ) -> Result<InstanceArguments, Failure> {
        let Ok(map_index) = u64::try_from(claimed.map_index) else {
            return Err(hopeless(format!("`{}` is mapped, and this instance has no map index", claimed.task_id)));
        };
        let mut expansions = HashMap::new();
        for source in mapping.sources() {
            let is_mapped = definition.position(source).is_some_and(|position| definition.is_mapped(position));
            let expansion = self.expansion(claimed, source, is_mapped).await.map_err(unreachable_store)?;
            expansions.insert(source, expansion);
        }
        let length_of = |source: &str| expansions.get(source).map(|expansion| expansion.len() as u64);
        let mut arguments = InstanceArguments::default();
        for (name, element) in mapping.elements(map_index, length_of).map_err(hopeless)? {
            let (value, is_written) = match element {
                Element::Written(value) => (value.clone(), true),
                Element::Returned { source, place } => {
                    let gone =
                        || hopeless(format!("what `{source}` returned has no element for map index {map_index}"));
                    let expansion = expansions.get(source).ok_or_else(gone)?;
                    let found = expansion.element(self.store(), claimed.run, source, place).await;
                    (found.map_err(unreachable_store)?.ok_or_else(gone)?, false)
                }
            };
            arguments
                .add(name, value, is_written)
                .map_err(|what| hopeless(format!("map index {map_index}: {what}")))?;
        }
        Ok(arguments)
    }

    /// As [`Self::mapped_arguments`], of a task that is mapped itself; none for others.
    pub async fn task_arguments(
        &self,
        claimed: &ClaimedTry,
        definition: &Definition,
        task: &Task,
    ) -> Result<InstanceArguments, Failure> {
        let Some(mapping) = &task.mapping else { return Ok(InstanceArguments::default()) };
        let arguments = self.mapped_arguments(claimed, definition, mapping).await?;
        let given_twice = arguments.pulled.keys().find(|name| task.args.contains_key(*name));
        match given_twice {
            Some(name) => Err(hopeless(format!("`{name}` is given in `args` and by what the task is mapped over"))),
            None => Ok(arguments),
        }
    }
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
        let Some(template) = facts.task().map_index_template.clone() else { return Ok(()) };
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
    if definition.position(&task.task_id).is_some_and(|position| definition.is_mapped(position)) {
        return Ok(returned.map(|_| 1));
    }
    let length = match returned {
        Some(Value::Array(items)) => Some(items.len()),
        Some(Value::Object(members)) => Some(members.len()),
        _ => None,
    };
    let dependant = definition.mapped_over(&task.task_id);
    let refuse = |what: String| Failure::new(FailureCause::Operator, true, what);
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
