//! Airflow's `ShortCircuitOperator`, with the condition made by a template.

use airlock_sdk::ShortCircuitScope::{AllDownstream, DirectDownstream};
use airlock_sdk::prelude::*;

/// When to go on.
#[arguments]
struct ShortCircuit {
    /// Any value, or a text such as a template that renders to one. What Python takes for false cuts the run short: false, null,
    /// 0, and an empty text, list or object; in a text also their usual spellings, such as `False`, `None` and `[]`.
    condition: Value,
    /// Whether everything downstream is skipped. With false only the direct successors are, and what follows them decides by
    /// its trigger rule.
    #[serde(default = "yes")]
    ignore_downstream_trigger_rules: bool,
}

fn yes() -> bool {
    true
}

/// Skips what follows unless a condition holds.
///
/// If it holds, the condition becomes the XCom `return_value`.
#[operator(name = "short-circuit", kind = short_circuit, template_fields(condition))]
fn short_circuit(arguments: ShortCircuit) -> Result<Outcome> {
    let condition = arguments.condition;
    if holds(&condition) {
        log::info!("the condition holds: going on");
        return Ok(Outcome::Success(Some(condition)));
    }
    log::info!("the condition does not hold: skipping what follows");
    Ok(Outcome::ShortCircuit(if arguments.ignore_downstream_trigger_rules { AllDownstream } else { DirectDownstream }))
}

/// Truth in Python's sense. Templates render to text, so a text is taken for the value that it spells.
fn holds(condition: &Value) -> bool {
    match condition {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
        Value::String(text) => {
            let text = text.trim();
            let is_false =
                matches!(text, "" | "false" | "False" | "none" | "None" | "null" | "[]" | "{}" | "()" | "''" | "\"\"");
            let is_zero = text.parse::<f64>() == Ok(0.0);
            !is_false && !is_zero
        }
    }
}

#[cfg(test)]
mod tests {
    use airlock_sdk::testing::Host;

    use super::*;

    fn run(condition: Value) -> Result<Outcome> {
        Host::new().execute::<Operator>(json!({ "condition": condition }))
    }

    #[test]
    fn goes_on_if_the_condition_holds() {
        for condition in
            [json!(true), json!(1), json!(-0.5), json!("x"), json!("True"), json!("0.1"), json!([0]), json!({ "a": 0 })]
        {
            assert_eq!(run(condition.clone()), Ok(Outcome::Success(Some(condition))));
        }
    }

    #[test]
    fn cuts_short_if_it_does_not() {
        let spelled = ["", " ", "False", "false", "None", "none", "null", "0", "0.0", "-0", "[]", "{}", "\n0\n"]
            .map(|text| json!(text));
        let values = [json!(false), json!(null), json!(0), json!(0.0), json!([]), json!({})];
        for condition in spelled.into_iter().chain(values) {
            assert_eq!(run(condition.clone()), Ok(Outcome::ShortCircuit(AllDownstream)), "{condition}");
        }
    }

    #[test]
    fn may_leave_the_rest_to_its_trigger_rules() {
        let arguments = json!({ "condition": false, "ignore_downstream_trigger_rules": false });
        assert_eq!(Host::new().execute::<Operator>(arguments), Ok(Outcome::ShortCircuit(DirectDownstream)));
    }

    #[test]
    fn needs_a_condition() {
        assert!(Host::new().execute::<Operator>(json!({})).unwrap_err().message.contains("missing field `condition`"));
    }
}
