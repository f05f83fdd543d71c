//! Who may know whom.

use std::path::Path;

use super::metadata::{Metadata, Package};

/// The crates of the host, and which of the others each may depend on. `host/ARCHITECTURE.md` gives the reasons.
const TABLE: &[(&str, &[&str])] = &[
    ("airlock-core", &[]),
    ("airlock-vault", &["airlock-core"]),
    ("airlock-blobs", &["airlock-core"]),
    ("airlock-telemetry", &["airlock-core"]),
    ("airlock-store", &["airlock-core"]),
    ("airlock-store-sqlite", &["airlock-core", "airlock-store"]),
    ("airlock-store-postgres", &["airlock-core", "airlock-store"]),
    ("airlock-sandbox", &["airlock-core", "airlock-telemetry"]),
    ("airlock-hooks", &["airlock-core", "airlock-sandbox"]),
    ("airlock-scheduler", &["airlock-core", "airlock-store", "airlock-telemetry"]),
    (
        "airlock-worker",
        &["airlock-core", "airlock-store", "airlock-blobs", "airlock-vault", "airlock-telemetry", "airlock-sandbox"],
    ),
    ("airlock-api", &["airlock-core", "airlock-store", "airlock-blobs", "airlock-vault", "airlock-telemetry"]),
    (
        "airlock",
        &[
            "airlock-core",
            "airlock-store",
            "airlock-store-sqlite",
            "airlock-store-postgres",
            "airlock-blobs",
            "airlock-vault",
            "airlock-telemetry",
            "airlock-sandbox",
            "airlock-hooks",
            "airlock-scheduler",
            "airlock-worker",
            "airlock-api",
        ],
    ),
    ("airlock-conformance", &[]),
    ("airlock-test-services", &[]),
    (
        "airlock-simulation",
        &["airlock-core", "airlock-scheduler", "airlock-store", "airlock-store-sqlite", "airlock-worker"],
    ),
    ("airlock-tests", &["airlock-test-services"]),
    ("airlock-load", &["airlock-test-services", "airlock-tests"]),
    ("xtask", &["airlock-conformance", "airlock-test-services", "airlock-tests"]),
];

/// Tests of a crate may use more than the crate does, but never what stands above it: a test that needs the binary is an
/// end-to-end test.
const NEVER_IN_TESTS: &[&str] = &["airlock", "airlock-tests", "xtask"];

/// The core is pure: nothing that it is built from, however indirectly, may do input or output.
const NEVER_UNDER_CORE: &[&str] = &["async-std", "axum", "hyper", "mio", "reqwest", "sqlx", "tokio", "wasmtime"];

/// Libraries may seed their hash maps; the core itself may not throw dice. It names ids (`uuid`), and `clippy.toml` bans making one.
const NEVER_IN_CORE: &[&str] = &["fastrand", "getrandom", "rand"];

pub fn check(host: &Metadata) -> Vec<String> {
    let members: Vec<&Package> = host.members().collect();
    let ours = |name: &str| members.iter().any(|member| member.name == name);
    let mut broken = Vec::new();
    for member in &members {
        let Some((_, allowed)) = TABLE.iter().find(|(name, _)| *name == member.name) else {
            broken.push(format!(
                "`{}` is not in the table of who may know whom: add it, with what it may know",
                member.name
            ));
            continue;
        };
        for dependency in member.dependencies.iter().filter(|dependency| ours(&dependency.name)) {
            let name = dependency.name.as_str();
            if dependency.kind.as_deref() == Some("dev") {
                if NEVER_IN_TESTS.contains(&name) {
                    broken.push(format!("the tests of `{}` may not use `{name}`: move them to `tests/`", member.name));
                }
            } else if !allowed.contains(&name) {
                let may =
                    if allowed.is_empty() { "nothing of ours".to_owned() } else { format!("only {}", list(allowed)) };
                broken.push(format!("`{}` depends on `{name}`, but may know {may}", member.name));
            }
        }
        if member.name == "airlock-core" {
            check_purity(host, member, &mut broken);
        }
    }
    broken
}

fn check_purity(host: &Metadata, core: &Package, broken: &mut Vec<String>) {
    for (found, asker) in host.built_from(core) {
        if NEVER_UNDER_CORE.contains(&found) {
            broken.push(format!("`{}` is pure, but is built from `{found}` (through `{asker}`)", core.name));
        }
    }
    for dependency in core.dependencies.iter().filter(|dependency| dependency.kind.is_none()) {
        if NEVER_IN_CORE.contains(&dependency.name.as_str()) {
            broken.push(format!("`{}` is pure, but depends on `{}`", core.name, dependency.name));
        }
    }
}

/// Guests share nothing with the host but `wit/`.
pub fn check_guest(guest: &Metadata, root: &Path) -> Vec<String> {
    let host = root.join("host");
    guest
        .packages
        .iter()
        .filter(|package| package.manifest_path.starts_with(&host))
        .map(|package| {
            format!("a guest workspace depends on `{}`: guests know only `wit/`, never a host crate", package.name)
        })
        .chain(guest.members().flat_map(|member| {
            member
                .dependencies
                .iter()
                .filter(|dependency| dependency.path.as_ref().is_some_and(|path| path.starts_with(&host)))
                .map(|dependency| {
                    format!(
                        "guest `{}` depends on `{}`: guests know only `wit/`, never a host crate",
                        member.name, dependency.name
                    )
                })
        }))
        .collect()
}

fn list(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
