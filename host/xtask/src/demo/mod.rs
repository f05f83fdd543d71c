//! `cargo xtask demo`: the whole of Airlock on real parts, from nothing to the result of a run.
//!
//! Everything goes through the binary, as a person would use it: the commands are printed before they are run.

mod places;

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::{build, guests, process, setup};
use places::Places;

/// How long the file is in coming: the sensor finds nothing a few times.
const LATE: Duration = Duration::from_secs(3);

const ORDERS: &str = "id,region,amount,state\n1,north,40.00,paid\n2,south,25.50,paid\n3,north,99.99,cancelled\n4,west,12.25,paid\n5,south,60.00,paid\n";

const RUN: &str = "demo";

pub fn run(exit: bool) -> Result<()> {
    setup::build()?;
    say("building the operators for WebAssembly");
    guests::build_operators(crate::root())?;
    say("building the binary");
    let binary = build::binary(false)?;

    let places = Places::prepare()?;
    let rates = airlock_test_services::answer("/rates/EUR", r#"{"currency":"EUR","dollars":1.25}"#)?;
    let lake = airlock_test_services::s3(&places.lake)?;
    say("starting `airlock standalone`");
    let server = places::Server::start(&binary, &places)?;
    println!("Airlock serves {}", server.url);
    let airlock = Airlock { binary: &binary, places: &places };

    say("allowing the tenant what the demo needs: this machine's own addresses, and a folder");
    airlock.run(&["tenants", "policy", "default", "--set", &places.write("policy.json", &policy(&places))?])?;
    say("making the connections");
    airlock.run(&[
        "connections",
        "import",
        &places.write("connections.json", &connections(&places, lake.endpoint(), &rates))?,
    ])?;
    say("sending the DAG");
    let dag = crate::root().join("examples/dags/demo.json");
    airlock.run(&["dags", "apply", &dag.display().to_string()])?;

    say(&format!("running it; the file that it waits for comes in {} seconds", LATE.as_secs()));
    let run_id = format!("demo_{}", places.run);
    let file = places.lake.join("landing/orders-today.csv");
    let arrival = std::thread::spawn(move || {
        std::thread::sleep(LATE);
        std::fs::write(&file, ORDERS)
    });
    let outcome = airlock.run(&["dags", "trigger", RUN, "--run-id", &run_id, "--wait"]);
    arrival.join().ok().context("the file did not arrive")??;

    results(&airlock, &run_id)?;
    if !exit {
        println!("\nAirlock goes on serving {}; Ctrl-C ends it.", server.url);
        server.wait()?;
    }
    outcome
}

/// What the run left behind, from where it left it.
fn results(airlock: &Airlock, run_id: &str) -> Result<()> {
    say("what the sensor found");
    airlock.run(&["tasks", "xcom", RUN, run_id, "wait_for_orders", "--key", "return_value"])?;
    say("what the query gave, from the database");
    airlock.run(&["tasks", "xcom", RUN, run_id, "totals", "--key", "return_value"])?;
    say("what the HTTP call gave");
    airlock.run(&["tasks", "xcom", RUN, run_id, "exchange_rate", "--key", "return_value"])?;
    say("the report that bash wrote of both");
    airlock.run(&["tasks", "logs", RUN, run_id, "report"])?;
    say("the tries of the task that fails on purpose at first");
    airlock.run(&["tasks", "tries", RUN, run_id, "tell_somebody"])?;
    say("all tasks");
    airlock.run(&["tasks", "list", RUN, run_id])
}

fn policy(places: &Places) -> Value {
    json!({
        "egress": { "allow_hosts": ["127.0.0.1"], "allow_networks": ["127.0.0.0/8"] },
        "host_folders": [places.root],
    })
}

fn connections(places: &Places, lake: &str, rates: &str) -> Value {
    use airlock_test_services::S3;
    json!({
        "lake": {
            "conn_type": "aws",
            "login": S3::ACCESS_KEY,
            "password": S3::SECRET_KEY,
            "extra": json!({ "endpoint_url": lake, "region_name": S3::REGION }).to_string(),
        },
        "warehouse": { "conn_type": "sqlite", "host": places.root.join("warehouse.db") },
        "rates": { "conn_type": "http", "host": rates },
    })
}

/// The binary as a client of the demo's server.
struct Airlock<'a> {
    binary: &'a std::path::Path,
    places: &'a Places,
}

impl Airlock<'_> {
    fn run(&self, arguments: &[&str]) -> Result<()> {
        let shown: Vec<&str> =
            arguments.iter().map(|argument| argument.strip_prefix(&self.places.prefix()).unwrap_or(argument)).collect();
        println!("$ airlock {}", shown.join(" "));
        process::run(self.places.environment(Command::new(self.binary).args(arguments)).stdin(Stdio::null()))
    }
}

fn say(what: &str) {
    println!("\n== {what}");
}
