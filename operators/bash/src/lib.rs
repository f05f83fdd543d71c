//! Airflow's `BashOperator`, in a shell that can reach nothing but itself.

use std::collections::BTreeMap;

use airlock_operator_shell as shell;
use airlock_sdk::prelude::*;

/// What a script is, and what it sees.
#[arguments]
struct Bash {
    /// The script.
    bash_command: String,
    /// Environment variables of the script.
    #[serde(default)]
    env: BTreeMap<String, String>,
    /// The exit code, or codes, that make the task `skipped`; null for none.
    #[serde(default = "default_skip")]
    skip_on_exit_code: Option<ExitCodes>,
}

#[arguments]
#[serde(untagged)]
enum ExitCodes {
    One(i32),
    Many(Vec<i32>),
}

fn default_skip() -> Option<ExitCodes> {
    Some(ExitCodes::One(99))
}

impl ExitCodes {
    fn contains(&self, exit_code: i32) -> bool {
        match self {
            Self::One(code) => *code == exit_code,
            Self::Many(codes) => codes.contains(&exit_code),
        }
    }
}

/// Runs a shell script.
///
/// An interpreter of Bash runs it inside the sandbox, with some 160 commands of its own and a file system in memory that ends
/// with the try. What it writes goes to the log. The last line of its standard output becomes the XCom `return_value`. Exit code
/// 0 is success, 99 (or what `skip_on_exit_code` says) skips the task, and any other fails the try.
#[operator(name = "bash", template_fields(bash_command, env))]
fn bash(arguments: Bash) -> Result<Outcome> {
    let environment = context_variables().into_iter().chain(arguments.env);
    let finished = shell::run(&arguments.bash_command, environment)?;
    match finished.exit_code {
        0 => Ok(Outcome::Success(Some(finished.last_line.into()))),
        code if arguments.skip_on_exit_code.is_some_and(|codes| codes.contains(code)) => {
            Ok(Outcome::skip(format!("the script returned exit code {code}, which skips the task")))
        }
        code => Err(Error::retry(format!("the script failed: it returned exit code {code}"))),
    }
}

/// The variables that Airflow gives to every script.
fn context_variables() -> Vec<(String, String)> {
    let context = context();
    vec![
        ("AIRFLOW_CTX_DAG_ID".into(), context.dag_id),
        ("AIRFLOW_CTX_DAG_RUN_ID".into(), context.run_id),
        ("AIRFLOW_CTX_TASK_ID".into(), context.task_id),
        ("AIRFLOW_CTX_TRY_NUMBER".into(), context.try_number.to_string()),
    ]
}

#[cfg(test)]
mod tests;
