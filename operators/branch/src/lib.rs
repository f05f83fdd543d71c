//! Airflow's branching, with the decision made by a template.

use airlock_sdk::prelude::*;

/// What to follow.
#[arguments]
struct Branch {
    /// The ids of the tasks, or task groups, directly downstream that are followed: a list, or a text such as a template
    /// that renders to an id, to several with commas between them, or to a list. Null, `none` and an empty text follow none.
    follow_task_ids: Option<TaskIds>,
}

#[arguments]
#[serde(untagged)]
enum TaskIds {
    Rendered(String),
    List(Vec<String>),
}

/// Chooses the tasks that a run follows.
///
/// The direct successors that are not named are skipped. The list of those that are becomes the XCom `return_value`. A name that
/// is no task of the DAG fails the task.
#[operator(name = "branch", kind = branch, template_fields(follow_task_ids))]
fn branch(arguments: Branch) -> Result<Outcome> {
    let follow = match arguments.follow_task_ids {
        None => Vec::new(),
        Some(TaskIds::List(ids)) => ids,
        Some(TaskIds::Rendered(text)) => ids(&text)?,
    };
    match follow.as_slice() {
        [] => log::info!("following no task"),
        ids => log::info!("following {}", ids.join(", ")),
    }
    Ok(Outcome::Branch(follow))
}

/// The ids in a rendered text. A rendered list has brackets and quotes, in JSON's way or in Python's; no id can have any.
fn ids(text: &str) -> Result<Vec<String>> {
    let text = text.trim();
    if matches!(text, "none" | "None" | "null") {
        return Ok(Vec::new());
    }
    let inner = match (text.strip_prefix('['), text.strip_suffix(']')) {
        (Some(_), Some(_)) => &text[1..text.len() - 1],
        _ => text,
    };
    let ids = inner.split(',').map(|part| part.trim().trim_matches(['"', '\'']));
    ids.filter(|id| !id.is_empty())
        .map(|id| match id.chars().all(|character| character.is_alphanumeric() || "_.-".contains(character)) {
            true => Ok(id.to_owned()),
            false => {
                Err(Error::fail(format!("`{id}` in `{text}` is no task id: `follow_task_ids` should render to ids")))
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use airlock_sdk::testing::Host;

    use super::*;

    fn follow(value: Value) -> Result<Outcome> {
        Host::new().execute::<Operator>(json!({ "follow_task_ids": value }))
    }

    #[test]
    fn follows_what_a_list_or_a_text_names() {
        let both = Ok(Outcome::branch(["load", "group.report"]));
        assert_eq!(follow(json!(["load", "group.report"])), both);
        assert_eq!(follow(json!("load, group.report")), both);
        assert_eq!(follow(json!("[\"load\", \"group.report\"]")), both);
        assert_eq!(follow(json!("['load', 'group.report']\n")), both);
        assert_eq!(follow(json!("  load\n")), Ok(Outcome::branch(["load"])));
        assert_eq!(follow(json!("größe")), Ok(Outcome::branch(["größe"])));
    }

    #[test]
    fn follows_nothing_if_nothing_is_named() {
        for nothing in [json!(null), json!([]), json!(""), json!(" "), json!("[]"), json!("None"), json!("none")] {
            assert_eq!(follow(nothing.clone()), Ok(Outcome::Branch(vec![])), "{nothing}");
        }
    }

    #[test]
    fn refuses_what_is_no_id() {
        let error = follow(json!("load the data")).unwrap_err();
        assert!(!error.retryable);
        assert!(error.message.contains("`load the data`"), "{error}");
        assert!(follow(json!({ "load": true })).is_err());
    }

    #[test]
    fn is_described_as_a_branch() {
        use airlock_sdk::Operator as _;
        let description = Operator::describe();
        assert_eq!(description.kind, airlock_sdk::Kind::Branch);
        assert_eq!(description.template_fields, ["follow_task_ids"]);
    }
}
