//! What more schedulers and workers bring.

use anyhow::{Result, bail};
use serde_json::{Map, Value, json};

use crate::figures::rounded;
use crate::many::{self, Scene};
use crate::{Bench, Measured, Store};

const RUNS: usize = 200;
/// Schedulers and workers; the first is what the others are held against.
const FLEETS: &[(usize, usize)] = &[(1, 1), (1, 4), (2, 4), (3, 4)];

/// The same runs on fleets of several sizes, each on a database of its own.
pub async fn measure(bench: &Bench) -> Result<Measured> {
    if bench.store != Store::Postgres {
        bail!("more than one scheduler needs PostgreSQL: `--db postgres`");
    }
    let (mut figures, mut ratios, mut first) = (Vec::new(), Map::new(), None);
    for (schedulers, workers) in FLEETS {
        let mut server = bench.server()?;
        for _ in 1..*schedulers {
            server.start_process("scheduler")?;
        }
        for _ in 1..*workers {
            server.start_process("worker")?;
        }
        let cost = many::measure(&server, &Scene::rows("runs", 1, bench.instances.unwrap_or(RUNS), 10)).await?;
        let alone = *first.get_or_insert(cost.wall_ms);
        ratios
            .insert(format!("throughput_{schedulers}_and_{workers}_to_1_and_1"), json!(rounded(alone / cost.wall_ms)));
        figures.push(json!({ "schedulers": schedulers, "workers": workers, "cost": cost.figures }));
    }
    Ok(Measured { figures: Value::Array(figures), ratios: Value::Object(ratios) })
}
