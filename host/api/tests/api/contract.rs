//! The whole of Airflow's document: what it has is here, or is known to be missing.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{Contract, Server};

/// Operations of Airflow's API that are not here, each with the reason.
const MISSING: &[(&str, &str)] = &[
    ("create_default_connections", "Airflow's defaults name systems of its own demonstration"),
    ("enqueue_connection_test", "a connection is tested while one waits: `POST /connections/test`"),
    ("get_connection_test", "a connection is tested while one waits: `POST /connections/test`"),
    ("get_hitl_detail", "no operator waits for people"),
    ("get_hitl_details", "no operator waits for people"),
    ("get_hitl_detail_try_detail", "no operator waits for people"),
    ("update_hitl_detail", "no operator waits for people"),
    ("login", "there is no page to log in at: `POST /auth/token` gives tokens"),
    ("logout", "there is no session: a token ends or is revoked"),
    ("reparse_dag_file", "there are no files: a document is read when it is sent"),
    ("clear_asset_state_store", "the operator contract has no store of state"),
    ("clear_task_state_store", "the operator contract has no store of state"),
    ("delete_asset_state_store", "the operator contract has no store of state"),
    ("delete_task_state_store", "the operator contract has no store of state"),
    ("get_asset_state_store", "the operator contract has no store of state"),
    ("get_task_state_store", "the operator contract has no store of state"),
    ("list_asset_state_store", "the operator contract has no store of state"),
    ("list_task_state_store", "the operator contract has no store of state"),
    ("patch_task_state_store", "the operator contract has no store of state"),
    ("set_asset_state_store", "the operator contract has no store of state"),
    ("set_task_state_store", "the operator contract has no store of state"),
];

/// Query parameters that change nothing here, or only in Airflow: each is taken and has no effect.
const WITHOUT_EFFECT: &[(&str, &str)] = &[
    ("exclude_stale", "a DAG never gets stale"),
    ("filename", "there are no import errors"),
    ("filename_pattern", "there are no import errors"),
    ("filename_prefix_pattern", "there are no import errors"),
    ("try_number", "of links: they are the same for every try"),
];

/// Query parameters that would have to be ignored: a request with one is refused.
const REFUSED: &[(&str, &str)] = &[
    ("bundle_name", "there are no bundles"),
    ("bundle_version", "there are no bundles"),
    ("executor", "there is one executor"),
    ("has_import_errors", "a document with faults is refused"),
    ("task_display_name_pattern", "names of tasks are in documents, not in a column"),
    ("task_display_name_prefix_pattern", "names of tasks are in documents, not in a column"),
    ("timetable_type", "timetables are no classes here"),
];

fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    let verbs = ["get", "post", "put", "patch", "delete"];
    paths
        .flat_map(|(path, item)| {
            verbs.iter().filter_map(|verb| Some((path.clone(), (*verb).to_owned(), item.get(*verb)?)))
        })
        .collect()
}

/// A path without the names of its parts.
fn shape(path: &str) -> String {
    let parts = path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

fn names(operation: &Value) -> BTreeSet<String> {
    let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
    let queries = parameters.iter().filter(|parameter| parameter["in"] == "query");
    queries.map(|parameter| parameter["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn all_of_airflows_operations_are_here_or_known_to_be_missing() {
    let server = Server::start().await;
    let ours = server.login("admin").await.get("/openapi.json").await.expect(200);
    let ours = operations(&ours);
    let airflows = json!({ "paths": Contract::get().paths() });
    let (mut missing, mut parameters) = (BTreeSet::new(), BTreeSet::new());
    for (path, verb, theirs) in operations(&airflows) {
        let name = theirs["operationId"].as_str().unwrap();
        let here = ours.iter().find(|(known, by, _)| shape(known) == shape(&path) && *by == verb);
        let Some((_, _, here)) = here else {
            missing.insert(name.to_owned());
            continue;
        };
        assert_eq!(here["operationId"], name, "{verb} {path}");
        let here = names(here);
        parameters.extend(names(theirs).into_iter().filter(|parameter| !here.contains(parameter)));
    }
    let listed: BTreeSet<String> = MISSING.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(missing, listed);
    let known = WITHOUT_EFFECT.iter().chain(REFUSED).map(|(name, _)| (*name).to_owned());
    assert_eq!(parameters, known.collect());
}

#[tokio::test]
async fn a_filter_that_would_be_ignored_is_refused() {
    let server = Server::start().await;
    let viewer = server.login("viewer").await;
    for (name, _) in REFUSED {
        let of_tasks = name.starts_with("executor") || name.starts_with("task_");
        let list = if of_tasks { "/dags/~/dagRuns/~/taskInstances" } else { "/dags" };
        let problem = viewer.get(&format!("{list}?{name}=1")).await.expect(400);
        assert!(problem["detail"].as_str().unwrap().contains(name), "{problem}");
    }
}

/// Members of Airflow's request bodies that mean nothing here; a body with one is refused with its name.
const NOT_IN_BODIES: &[(&str, &str)] = &[("get_task_instances_batch executor", "there is one executor")];

/// The members of an operation's body, from the components of its document.
fn members(operation: &Value, document: &Value) -> BTreeSet<String> {
    let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
    let mut found = BTreeSet::new();
    let mut waiting = vec![schema];
    while let Some(schema) = waiting.pop() {
        if let Some(name) = schema["$ref"].as_str().and_then(|name| name.strip_prefix("#/components/schemas/")) {
            waiting.push(&document["components"]["schemas"][name]);
        }
        for several in ["oneOf", "anyOf", "allOf"] {
            waiting.extend(schema[several].as_array().into_iter().flatten());
        }
        found.extend(schema["properties"].as_object().into_iter().flat_map(|members| members.keys().cloned()));
    }
    found
}

#[tokio::test]
async fn request_bodies_have_all_of_airflows_members() {
    let server = Server::start().await;
    let ours = server.login("admin").await.get("/openapi.json").await.expect(200);
    let theirs = Contract::get().document();
    let here = operations(&ours);
    let mut missing = BTreeSet::new();
    for (_, _, operation) in operations(theirs) {
        let Some((_, _, ours_too)) = here.iter().find(|(_, _, one)| one["operationId"] == operation["operationId"])
        else {
            continue;
        };
        let known = members(ours_too, &ours);
        // A body that is no object with members, such as a document, is described elsewhere.
        if known.is_empty() {
            continue;
        }
        let name = operation["operationId"].as_str().unwrap();
        missing.extend(members(operation, theirs).difference(&known).map(|member| format!("{name} {member}")));
    }
    let listed: BTreeSet<String> = NOT_IN_BODIES.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(missing, listed);
}

#[tokio::test]
async fn lists_can_be_ordered_by_all_that_airflow_orders_them_by() {
    let server = Server::start().await;
    let admin = server.login("admin").await;
    admin.add_dag("walk").await;
    let mut refused = BTreeSet::new();
    for (path, verb, operation) in operations(Contract::get().document()) {
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let order = parameters.iter().find(|parameter| parameter["name"] == "order_by");
        let text = order.and_then(|order| order["description"].as_str()).unwrap_or_default();
        let Some((_, attributes)) = text.split_once("Supported attributes: `") else { continue };
        let name = operation["operationId"].as_str().unwrap();
        if verb != "get" || MISSING.iter().any(|(missing, _)| *missing == name) {
            continue;
        }
        let path = path
            .trim_start_matches("/api/v2")
            .replace("{dag_id}", if path.contains("dagRun_id") { "~" } else { "walk" });
        let path = path.replace("{dag_run_id}", "~").replace("{task_id}", "~");
        for attribute in attributes.trim_end_matches('`').split(", ") {
            let answer = admin.get(&format!("{path}?dag_id=walk&order_by=-{attribute}")).await;
            if answer.status == 400 {
                refused.insert(format!("{name} {attribute}"));
            }
        }
    }
    assert_eq!(refused, BTreeSet::new());
}
