//! The database against the invariants, when everything is over.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result};
use sqlx::{PgPool, Row};

use super::faults::Faults;
use super::fleet::Fleet;

/// What is told of one invariant that does not hold.
const MOST_SHOWN: usize = 5;

/// The pictures of states and their changes; a test of the core holds it to the code.
const ARCHITECTURE: &str = include_str!("../../../ARCHITECTURE.md");

/// What the statements of `audit.sql` look at.
const VIEWS: &str = "
    CREATE VIEW chaos.runs AS SELECT r.*, EXISTS (
        SELECT FROM chaos.touched c JOIN tenants t ON t.name = c.tenant
        WHERE t.tenant_id = r.tenant_id AND c.dag_id = r.dag_id AND c.run_id = r.run_id) OR r.clear_number > 0 AS touched
    FROM dag_runs r;
    CREATE VIEW chaos.due AS SELECT t.tenant_id, r.run_key, t.instance_id, t.try_number,
        CASE WHEN t.state = 'success' THEN 'on_success' WHEN t.try_number <= t.max_tries THEN 'on_retry' ELSE 'on_failure' END AS event
    FROM task_tries t JOIN task_instances i USING (tenant_id, instance_id) JOIN chaos.runs r ON r.tenant_id = i.tenant_id AND r.run_key = i.run_key
    WHERE NOT r.touched AND r.dag_id = 'called'
    UNION ALL SELECT DISTINCT c.tenant_id, c.run_key, c.instance_id, c.try_number, 'on_execute'
    FROM chaos.claims c JOIN chaos.runs r USING (tenant_id, run_key) WHERE NOT r.touched AND r.dag_id = 'called';
    CREATE TABLE chaos.transitions (old_state text, new_state text);
";

#[derive(Default)]
pub struct Verdict {
    pub passed: u32,
    pub failed: u32,
}

impl Verdict {
    fn judge(&mut self, invariant: &str, broken: &[String]) {
        if broken.is_empty() {
            self.passed += 1;
            println!("ok      {invariant}");
            return;
        }
        self.failed += 1;
        println!("FAILED  {invariant}: {}", broken.len());
        for one in broken.iter().take(MOST_SHOWN) {
            println!("          {one}");
        }
    }
}

pub async fn audit(database: &PgPool, fleet: &Fleet, faults: &Faults<'_>) -> Result<Verdict> {
    sqlx::raw_sql(VIEWS).execute(database).await?;
    for (from, to) in transitions() {
        sqlx::query("INSERT INTO chaos.transitions VALUES ($1, $2)").bind(from).bind(to).execute(database).await?;
    }
    let mut verdict = Verdict::default();
    // An audit of nothing would find nothing.
    verdict.judge("every fault befell everybody whom it concerns", &faults.missing());
    for part in include_str!("audit.sql").split("\n-- ").skip(1) {
        let (invariant, statement) = part.split_once('\n').context("an invariant without a statement")?;
        let broken: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(statement))
            .fetch_all(database)
            .await
            .with_context(|| format!("cannot look whether {invariant}"))?;
        verdict.judge(invariant, &broken);
    }
    let logs = process_logs(fleet)?;
    verdict.judge("every refused result is in the history of its try", &unrecorded(database, &logs).await?);
    verdict.judge("every try that succeeded has its log", &without_log(database, fleet.home()).await?);
    let panics: Vec<String> = logs.lines().filter(|line| line.contains("panicked at")).map(str::to_owned).collect();
    verdict.judge("no process broke", &panics);
    verdict.judge("processes end when they are asked to", &fleet.broken);
    Ok(verdict)
}

/// `a --> b` of the picture in the architecture.
fn transitions() -> Vec<(&'static str, &'static str)> {
    let arrows = ARCHITECTURE.lines().filter_map(|line| line.trim().split_once(" --> "));
    arrows.map(|(from, to)| (from, to.split(':').next().unwrap_or(to).trim())).collect()
}

fn process_logs(fleet: &Fleet) -> Result<String> {
    let mut all = String::new();
    for member in &fleet.members {
        all += &std::fs::read_to_string(fleet.log_file(member)).unwrap_or_default();
    }
    Ok(all)
}

/// Results of which a worker says that they were refused, and the database does not.
async fn unrecorded(database: &PgPool, logs: &str) -> Result<Vec<String>> {
    let refused = logs.lines().filter(|line| line.contains("a late result was refused"));
    let tokens: BTreeSet<&str> =
        refused.filter_map(|line| line.split("lease.token=").nth(1)?.split_whitespace().next()).collect();
    let mut unrecorded = Vec::new();
    for token in tokens {
        // A call that was no try's last has no record of its own.
        let known: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM task_tries WHERE lease_token = $1::uuid AND late_results > 0)
                 OR NOT EXISTS (SELECT FROM task_tries t JOIN chaos.claims c USING (tenant_id, instance_id, try_number)
                     WHERE c.lease_token = $1::uuid AND t.lease_token = c.lease_token)",
        )
        .bind(token)
        .fetch_one(database)
        .await?;
        if !known {
            unrecorded.push(token.to_owned());
        }
    }
    println!(
        "        {} results were refused because they came late",
        logs.matches("a late result was refused").count()
    );
    Ok(unrecorded)
}

async fn without_log(database: &PgPool, home: &Path) -> Result<Vec<String>> {
    let rows = sqlx::query(
        "SELECT t.tenant_id, i.run_key, t.instance_id::text, t.try_number FROM task_tries t JOIN task_instances i USING (tenant_id, instance_id)
         WHERE t.state = 'success' AND t.lease_token IS NOT NULL AND i.operator LIKE 'bash%' AND t.message IS NULL",
    )
    .fetch_all(database)
    .await?;
    let mut without = Vec::new();
    for row in rows {
        let (tenant, run, instance, number): (i64, i64, String, i64) = (row.get(0), row.get(1), row.get(2), row.get(3));
        let file = home.join(format!("logs/{tenant}/{run}/{instance}/{number}.jsonl"));
        if !std::fs::read_to_string(&file).is_ok_and(|text| text.contains("begin")) {
            without.push(file.display().to_string());
        }
    }
    Ok(without)
}
