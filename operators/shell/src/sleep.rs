//! `sleep`. bashkit's own returns after a minute whatever it was asked for; a task may well wait for longer.

use std::time::Duration;

use bashkit::{Command, CommandContext, CommandStatus, async_trait};

pub struct Sleep;

#[async_trait]
impl Command for Sleep {
    async fn execute(&self, context: CommandContext<'_>) -> bashkit::Result<CommandStatus> {
        let times: Option<Vec<f64>> = context.args.iter().map(|argument| seconds(argument)).collect();
        let total = times.filter(|times| !times.is_empty()).map(|times| times.iter().sum());
        let Some(duration) = total.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()) else {
            let message = format!("sleep: not a time: `{}`\n", context.args.join(" "));
            context.stderr.write_all(message.as_bytes()).await?;
            return Ok(CommandStatus::with_code(1));
        };
        // Longer than any try, and within what the clock can add.
        tokio::time::sleep(duration.min(super::NO_TIMEOUT)).await;
        Ok(CommandStatus::success())
    }
}

/// `10`, `0.5s`, `2m`, `1h`, `1d`.
fn seconds(text: &str) -> Option<f64> {
    let (number, unit) = match text.strip_suffix(['s', 'm', 'h', 'd']) {
        Some(number) => (number, &text[number.len()..]),
        None => (text, "s"),
    };
    let factor = match unit {
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => 1.0,
    };
    number.parse::<f64>().ok().map(|number| number * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_times() {
        let times = [("10", 10.0), ("0.5s", 0.5), ("2m", 120.0), ("1h", 3600.0), ("1d", 86_400.0)];
        for (text, expected) in times {
            assert_eq!(seconds(text), Some(expected), "{text}");
        }
        for wrong in ["", "s", "1x", "ten"] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }
}
