//! Apache Airflow's own Python client, unchanged, against the real server.

use std::path::{Path, PathBuf};
use std::process::Command;

use airlock_tests::{Database, Server};
use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::each::on_each;

/// What tests ask for; one environment has all of it.
const PACKAGES: &[&str] = &["apache-airflow-client==3.3.2", "kubernetes-validate==1.37.0"];

on_each!(airflows_client_works_unchanged);

async fn airflows_client_works_unchanged(database: Database) -> Result<()> {
    let server = Server::start(database)?;
    let api = server.api()?;
    api.push("bash").await?;
    api.apply(&json!({
        "dag_id": "greeter",
        "tags": ["python"],
        "tasks": [
            { "task_id": "greet", "operator": "bash", "args": { "bash_command": "echo 'hello {{ dag_run.conf.name }}'" } },
            { "task_id": "repeat", "operator": "bash", "upstream": ["greet"],
              "args": { "bash_command": "echo \"{{ ti.xcom_pull(task_ids='greet') }} again\"" } }
        ]
    }))
    .await?;
    let python = tokio::task::spawn_blocking(environment).await??;

    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/client.py");
    let output = Command::new(python).arg(script).args([server.url(), server.token(), "greeter"]).output()?;

    let words = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&words));
    Ok(())
}

/// A virtual environment with [`PACKAGES`], which is made once and kept.
pub fn environment() -> Result<PathBuf> {
    // Several tests may come here at once: one makes it, the others wait.
    static ONE_AT_A_TIME: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock();
    let folder = airlock_tests::target()?.join("test-python");
    let python = folder.join("bin/python");
    let done = folder.join("installed");
    if std::fs::read_to_string(&done).is_ok_and(|installed| installed == PACKAGES.join(" ")) {
        return Ok(python);
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(PACKAGES))?;
    std::fs::write(done, PACKAGES.join(" "))?;
    Ok(python)
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    if !output.status.success() {
        let words = [output.stdout, output.stderr].concat();
        bail!("{command:?} failed: {}", String::from_utf8_lossy(&words));
    }
    Ok(())
}
