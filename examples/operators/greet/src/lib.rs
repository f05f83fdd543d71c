use airlock_sdk::prelude::*;
use airlock_sdk::{variables, xcom};

/// Who is greeted, and how.
#[arguments]
struct Greeting {
    /// The person's name.
    name: String,
    /// The words before the name; without them the variable `greeting` decides, and without that it is "Hello".
    #[serde(default)]
    words: Option<String>,
}

/// Greets somebody.
#[operator(name = "greet", template_fields(name, words))]
fn greet(greeting: Greeting) -> Result<Outcome> {
    if greeting.name.is_empty() {
        return Ok(Outcome::skip("there is nobody to greet"));
    }
    let words = match greeting.words {
        Some(words) => words,
        None => variables::get("greeting")?.unwrap_or_else(|| "Hello".into()),
    };
    let text = format!("{words}, {}!", greeting.name);
    log::info!("{text}");
    xcom::push("length", &text.chars().count())?;
    Ok(Outcome::Success(Some(text.into())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use airlock_sdk::testing::Host;

    #[test]
    fn greets_by_name() {
        let host = Host::new();
        let outcome = host.execute::<Operator>(json!({ "name": "Ada" }));
        assert_eq!(outcome, Ok(Outcome::Success(Some(json!("Hello, Ada!")))));
        assert_eq!(host.messages(), ["Hello, Ada!"]);
        assert_eq!(host.pushed("length"), Some(json!(11)));
    }

    #[test]
    fn the_words_may_be_given() {
        let host = Host::new().with_variable("greeting", "Moin");
        let greet = |arguments: Value| host.execute::<Operator>(arguments);
        assert_eq!(greet(json!({ "name": "Ada" })), Ok(Outcome::Success(Some(json!("Moin, Ada!")))));
        assert_eq!(greet(json!({ "name": "Ada", "words": "Ciao" })), Ok(Outcome::Success(Some(json!("Ciao, Ada!")))));
    }

    #[test]
    fn nobody_is_skipped() {
        assert!(matches!(Host::new().execute::<Operator>(json!({ "name": "" })), Ok(Outcome::Skip(_))));
    }
}
