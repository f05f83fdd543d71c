use airlock_sdk::prelude::*;

/// Does nothing: a point where paths of a DAG meet or part.
#[operator(name = "empty")]
fn empty() -> Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use airlock_sdk::testing::Host;

    #[test]
    fn succeeds_and_leaves_nothing() {
        let host = Host::new();
        assert_eq!(host.execute::<Operator>(json!({})), Ok(Outcome::done()));
        assert!(host.logs().is_empty());
    }

    #[test]
    fn takes_no_arguments() {
        let error = Host::new().execute::<Operator>(json!({ "sql": "select 1" })).unwrap_err();
        assert!(!error.retryable);
        assert!(error.message.contains("unknown field `sql`"), "{error}");
    }
}
