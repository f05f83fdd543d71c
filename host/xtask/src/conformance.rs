//! `cargo xtask conformance`: the cases of Airflow's behaviour, judged by the tests that hold the host to them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use airlock_conformance::{CaseFile, Verdict};
use anyhow::{Context, Result, anyhow, bail};

use crate::process;

/// The test programs that judge cases, by their targets' names. Each test that does has `conformance` in its name.
const JUDGES: &[&str] = &["document", "driving", "scheduling", "templating"];

/// How a file of cases went.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    passed: usize,
    faults: Vec<String>,
}

pub fn run(cases: Option<PathBuf>) -> Result<()> {
    let folder = cases.map_or_else(
        || Ok(airlock_conformance::folder()),
        |cases| cases.canonicalize().with_context(|| cases.display().to_string()),
    )?;
    let files = airlock_conformance::files(&folder).map_err(|error| anyhow!(error))?;
    if files.is_empty() {
        bail!("{} has no file of cases: they are named `KIND.json`", folder.display());
    }
    let verdicts = judge(&folder)?;

    let (mut passed, mut failed) = (0, 0);
    for file in &files {
        let result = tally(file, &verdicts);
        println!("{}: {} passed, {} failed", file.name, result.passed, result.faults.len());
        for fault in &result.faults {
            println!("  {fault}");
        }
        passed += result.passed;
        failed += result.faults.len();
    }
    println!("{passed} passed, {failed} failed");
    if failed > 0 {
        bail!("not every case passed");
    }
    Ok(())
}

/// Runs the judges over a folder. That some of them fail is told by their verdicts.
fn judge(folder: &Path) -> Result<HashMap<(String, String), Verdict>> {
    let told = tempfile::NamedTempFile::new()?;
    let mut cargo = process::command("cargo");
    cargo.current_dir(crate::root()).args(["test", "--locked", "--quiet", "--workspace", "--no-fail-fast"]);
    for judge in JUDGES {
        cargo.args(["--test", judge]);
    }
    let mut build = process::command("cargo");
    build.current_dir(crate::root()).args(cargo.get_args()).arg("--no-run");
    process::run(&mut build)?;
    cargo.arg("conformance").env(airlock_conformance::FOLDER, folder).env(airlock_conformance::VERDICTS, told.path());
    let output = cargo.output().with_context(|| format!("cannot run {}", process::words(&cargo)))?;
    let verdicts = airlock_conformance::verdicts(told.path()).map_err(|error| anyhow!(error))?;
    if verdicts.is_empty() {
        bail!("no case was judged: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(verdicts.into_iter().map(|verdict| ((verdict.file.clone(), verdict.case.clone()), verdict)).collect())
}

/// A file's cases and what the judges said of each. A case that nobody took is of a kind that nobody knows.
fn tally(file: &CaseFile, verdicts: &HashMap<(String, String), Verdict>) -> Outcome {
    let mut result = Outcome::default();
    let cases = file.cases();
    if cases.is_empty() {
        result.faults.push("it has no cases".to_owned());
    }
    for place in cases {
        let case = place.to_string();
        match verdicts.get(&(file.name.clone(), case.clone())) {
            Some(Verdict { fault: None, .. }) => result.passed += 1,
            Some(Verdict { fault: Some(fault), .. }) => result.faults.push(format!("{case}: {fault}")),
            None => result.faults.push(format!("{case}: nobody knows this kind of case")),
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_has_judged_has_failed() {
        let file = CaseFile {
            name: "rules.json".to_owned(),
            document: serde_json::json!({"about": "rules", "cases": [{"id": "a"}, {"id": "a"}, {}], "context": {"x": 1}}),
        };
        let verdict = |case: &str, fault: Option<&str>| {
            let key = ("rules.json".to_owned(), case.to_owned());
            let fault = fault.map(str::to_owned);
            (key.clone(), Verdict { file: key.0, case: key.1, fault })
        };
        let told = HashMap::from([verdict("cases/0 a", None), verdict("cases/1 a", Some("found 1"))]);
        let faults = ["cases/1 a: found 1", "cases/2 2: nobody knows this kind of case"].map(str::to_owned);
        assert_eq!(tally(&file, &told), Outcome { passed: 1, faults: faults.to_vec() });
        let empty = CaseFile { document: serde_json::json!({}), ..file };
        assert_eq!(tally(&empty, &told).faults.len(), 1);
    }
}
