//! Which libraries may be used, where, and under which licences.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::licences;
use super::metadata::{Metadata, Package};

/// Libraries that only some of our crates may depend on directly. Binaries and tests are named where they are clients.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("wasmtime", &["airlock-sandbox"]),
    ("wasmtime-wasi", &["airlock-sandbox"]),
    ("wasmtime-wasi-http", &["airlock-sandbox"]),
    ("wasmtime-wasi-io", &["airlock-sandbox"]),
    ("object_store", &["airlock-hooks", "airlock-blobs"]),
    ("reqwest", &["airlock-hooks", "airlock", "airlock-test-services", "airlock-tests", "xtask"]),
    (
        "sqlx",
        &[
            "airlock-hooks",
            "airlock-store-sqlite",
            "airlock-store-postgres",
            "airlock-test-services",
            "airlock-tests",
            "airlock-load",
            "xtask",
        ],
    ),
    // One crate names what is measured; the binary alone knows where it goes.
    ("metrics", &["airlock-telemetry"]),
    ("metrics-exporter-prometheus", &["airlock"]),
    ("mimalloc", &["airlock"]),
    ("opentelemetry", &["airlock-telemetry", "airlock"]),
    ("opentelemetry-http", &["airlock"]),
    ("opentelemetry-otlp", &["airlock"]),
    ("opentelemetry-proto", &[]),
    ("opentelemetry_sdk", &["airlock"]),
    ("tracing-opentelemetry", &["airlock-telemetry", "airlock"]),
    ("axum", &["airlock-api", "airlock", "airlock-tests", "airlock-test-services"]),
    ("anyhow", &["airlock", "airlock-test-services", "airlock-tests", "airlock-load", "xtask"]),
    ("clap", &["airlock", "airlock-simulation", "airlock-load", "xtask"]),
];

/// The parts of `deny.toml` that are held here.
#[derive(Deserialize)]
pub struct Deny {
    licenses: Licences,
    bans: Bans,
    sources: Sources,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Sources {
    allow_registry: Vec<String>,
}

#[derive(Deserialize)]
struct Licences {
    allow: Vec<String>,
}

#[derive(Deserialize)]
struct Bans {
    deny: Vec<Ban>,
}

#[derive(Deserialize)]
struct Ban {
    #[serde(rename = "crate")]
    name: String,
    reason: String,
}

impl Deny {
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        toml::from_str(&text).with_context(|| format!("cannot understand {}", path.display()))
    }
}

pub fn check(host: &Metadata, deny: &Deny) -> Vec<String> {
    let mut broken = check_banned(host, deny);
    for member in host.members() {
        for dependency in &member.dependencies {
            let Some((_, allowed)) = ONLY_IN.iter().find(|(name, _)| *name == dependency.name) else { continue };
            // What a crate's tests use does not bind the crate.
            if dependency.kind.as_deref() != Some("dev") && !allowed.contains(&member.name.as_str()) {
                broken.push(format!(
                    "`{}` depends on `{}`, which only {} may",
                    member.name,
                    dependency.name,
                    allowed.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
                ));
            }
        }
    }
    broken
}

/// What holds for hosts and guests alike: bans, licences, sources.
pub fn check_banned(workspace: &Metadata, deny: &Deny) -> Vec<String> {
    let mut broken = Vec::new();
    for package in &workspace.packages {
        if let Some(ban) = deny.bans.deny.iter().find(|ban| ban.name == package.name) {
            broken.push(format!("`{}` is banned ({}); {}", package.name, ban.reason, askers(workspace, package)));
        }
        match (&package.license, &package.license_file) {
            (Some(expression), _) => match licences::allowed(expression, &deny.licenses.allow) {
                Ok(true) => {}
                Ok(false) => broken.push(format!(
                    "`{} {}` is under `{expression}`, which the licences of deny.toml do not allow",
                    package.name, package.version
                )),
                Err(fault) => broken.push(format!("the licence of `{}`, `{expression}`, {fault}", package.name)),
            },
            (None, Some(file)) => {
                broken.push(format!("`{}` names no licence but the file {file}: read it, and decide", package.name));
            }
            (None, None) if package.source.is_some() => broken.push(format!("`{}` names no licence", package.name)),
            // Ours without a licence: fixtures and templates, which nobody publishes.
            (None, None) => {}
        }
        if let Some(source) = &package.source
            && !deny.sources.allow_registry.iter().any(|allowed| source.strip_prefix("registry+") == Some(allowed))
        {
            broken.push(format!("`{}` comes from {source}, which is not among the sources of deny.toml", package.name));
        }
    }
    broken
}

fn askers(workspace: &Metadata, package: &Package) -> String {
    let names: Vec<&str> = workspace
        .resolve
        .nodes
        .iter()
        .filter(|node| node.deps.iter().any(|edge| edge.pkg == package.id))
        .filter_map(|node| workspace.packages.iter().find(|other| other.id == node.id))
        .map(|other| other.name.as_str())
        .collect();
    if names.is_empty() {
        "nothing asks for it any more".to_owned()
    } else {
        format!("asked for by {}", names.join(", "))
    }
}
