//! The examples of deployments, held to the binary that they start and to the schemas of what they are for.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use airlock_tests::{Database, Server};
use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::python;

const KUBERNETES: &str = "1.33";
/// What the last logs and reports of a worker may take after its grace period.
const AFTER_GRACE: u64 = 20;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn text(path: &str) -> Result<String> {
    std::fs::read_to_string(root().join(path)).with_context(|| format!("cannot read {path}"))
}

fn documents(path: &Path) -> Result<Vec<Value>> {
    let text = std::fs::read_to_string(path)?;
    let read = |document| -> Result<Value> {
        let mut value = <serde_yaml_ng::Value as serde::Deserialize>::deserialize(document)?;
        value.apply_merge()?;
        Ok(serde_json::to_value(value)?)
    };
    let documents = serde_yaml_ng::Deserializer::from_str(&text).map(read).collect::<Result<_>>();
    documents.with_context(|| path.display().to_string())
}

fn manifests() -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(root().join("examples/kubernetes"))?;
    let paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    Ok(paths.into_iter().filter(|path| path.extension().is_some_and(|end| end == "yaml")).collect())
}

fn all() -> Result<Vec<Value>> {
    let documents: Vec<_> = manifests()?.iter().map(|path| documents(path)).collect::<Result<_>>()?;
    Ok(documents.concat())
}

fn kind<'a>(documents: &'a [Value], kind: &str) -> Vec<&'a Value> {
    documents.iter().filter(|document| document["kind"] == kind).collect()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn port(address: &str) -> Option<u64> {
    address.rsplit_once(':')?.1.parse().ok()
}

/// The settings that there are and their values, as the binary finds them in an environment.
fn settings(server: &Server, environment: &[(String, String)], arguments: &[&str]) -> Result<Vec<Value>> {
    let output = server.command(&["config", "show", "-o", "json"]).envs(environment.iter().cloned()).output()?;
    ensure!(output.status.success(), "{environment:?}: {}", String::from_utf8_lossy(&output.stderr));
    // The command and its flags are known: `--help` comes last.
    let help = server.command(&[arguments, &["--help"]].concat()).output()?;
    ensure!(help.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&help.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn setting<'a>(settings: &'a [Value], name: &str) -> &'a str {
    settings.iter().find(|row| row["setting"] == name).map(|row| word(&row["value"])).unwrap_or_default()
}

/// The environment that a mapping of names to values makes, but for what is not a setting.
fn environment(values: &Value) -> Vec<(String, String)> {
    let pairs = values.as_object().into_iter().flatten();
    let pairs = pairs.map(|(name, value)| (name.clone(), word(value).to_owned()));
    pairs.filter(|(name, _)| name.starts_with("AIRLOCK_") && name != "AIRLOCK_CONFIG").collect()
}

#[test]
fn manifests_fit_the_schemas_of_kubernetes() -> Result<()> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/manifests.py");
    let mut command = Command::new(python::environment()?);
    let output = command.arg(script).arg(KUBERNETES).args(manifests()?).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let checked: usize = String::from_utf8(output.stdout)?.trim().parse()?;
    let foreign = all()?.iter().filter(|one| ["Kustomization", "ScaledObject"].contains(&word(&one["kind"]))).count();
    assert_eq!(checked + foreign, all()?.len());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_start_what_there_is_and_as_nobody() -> Result<()> {
    let server = Server::start(Database::Sqlite)?;
    let documents = all()?;
    let settings_of_all = environment(&kind(&documents, "ConfigMap")[0]["data"]);
    let secrets: Vec<_> = kind(&documents, "Secret").iter().flat_map(|one| environment(&one["stringData"])).collect();
    let container_file = text("Containerfile")?;
    let pods = [kind(&documents, "Deployment"), kind(&documents, "Job")].concat();
    assert_eq!(pods.len(), 4);
    for pod in pods {
        let name = word(&pod["metadata"]["name"]);
        let template = &pod["spec"]["template"];
        let (spec, container) = (&template["spec"], &template["spec"]["containers"][0]);

        let own = list(&container["env"]).map(|one| (word(&one["name"]).to_owned(), word(&one["value"]).to_owned()));
        let environment: Vec<_> = settings_of_all.iter().chain(&secrets).cloned().chain(own).collect();
        let arguments: Vec<&str> = list(&container["args"]).map(word).collect();
        let settings = settings(&server, &environment, &arguments).context(name.to_owned())?;
        if let Some(at) = arguments.iter().position(|one| *one == "--operators") {
            assert!(container_file.contains(&format!("target/operators {}\n", arguments[at + 1])), "{name}");
        }

        assert_eq!(spec["enableServiceLinks"], false, "{name}: they would be taken for settings");
        assert_eq!(spec["automountServiceAccountToken"], false, "{name}");
        let user = &spec["securityContext"];
        assert!(user["runAsNonRoot"] == true && user["seccompProfile"]["type"] == "RuntimeDefault", "{name}");
        assert!(container_file.contains(&format!("USER {}:{}\n", user["runAsUser"], user["runAsGroup"])), "{name}");
        let rights = &container["securityContext"];
        assert!(rights["readOnlyRootFilesystem"] == true && rights["allowPrivilegeEscalation"] == false, "{name}");
        assert_eq!(rights["capabilities"], serde_json::json!({ "drop": ["ALL"] }), "{name}");
        let mounted: BTreeSet<&str> = list(&container["volumeMounts"]).map(|one| word(&one["mountPath"])).collect();
        let vault = Path::new(setting(&settings, "vault_file")).parent().and_then(Path::to_str).unwrap_or_default();
        for needed in [setting(&settings, "home"), vault, "/tmp"] {
            assert!(mounted.contains(needed), "{name} lacks {needed}: the image cannot be written to");
        }
        if pod["kind"] == "Deployment" {
            let grace: u64 = setting(&settings, "grace").parse()?;
            let patience = spec["terminationGracePeriodSeconds"].as_u64().unwrap_or(30);
            assert!(patience >= grace + AFTER_GRACE, "{name} is killed after {patience} s, and may take {grace}");
            check_ports(name, template, &settings)?;
        }
    }
    Ok(())
}

fn check_ports(name: &str, template: &Value, settings: &[Value]) -> Result<()> {
    let container = &template["spec"]["containers"][0];
    let monitor = port(setting(settings, "listen_monitor"));
    let named = |wanted: &str| {
        let found = list(&container["ports"]).find(|one| one["name"] == wanted);
        found.and_then(|one| one["containerPort"].as_u64())
    };
    assert_eq!(named("monitor"), monitor, "{name}");
    for (probe, path) in [("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")] {
        let asked = &container[probe]["httpGet"];
        assert!(asked["path"] == path && asked["port"] == "monitor", "{name}: {probe} asks {asked}");
    }
    let scraped = word(&template["metadata"]["annotations"]["prometheus.io/port"]).parse().ok();
    assert_eq!(scraped, monitor, "{name}");
    if container["args"][0] == "api" {
        assert_eq!(named("http"), port(setting(settings, "listen")), "{name}");
    }
    Ok(())
}

#[test]
fn what_belongs_together_has_one_name() -> Result<()> {
    let documents = all()?;
    let deployments = kind(&documents, "Deployment");
    let labels = |one: &&Value| one["spec"]["template"]["metadata"]["labels"].clone();
    for other in kind(&documents, "PodDisruptionBudget").into_iter().chain(kind(&documents, "Service")) {
        let selector = &other["spec"]["selector"];
        let selector = selector.get("matchLabels").unwrap_or(selector);
        assert!(deployments.iter().any(|one| labels(one) == *selector), "{other}");
    }
    for deployment in &deployments {
        assert_eq!(deployment["spec"]["selector"]["matchLabels"], labels(deployment));
    }
    for scaler in kind(&documents, "ScaledObject").into_iter().chain(kind(&documents, "HorizontalPodAutoscaler")) {
        let target = &scaler["spec"]["scaleTargetRef"]["name"];
        let scaled = deployments.iter().find(|one| one["metadata"]["name"] == *target).context("nothing is scaled")?;
        assert!(scaled["spec"].get("replicas").is_none(), "two would set the replicas of {target}");
    }
    // The list of metrics is held to the binary by a test of its own.
    let metrics = text("host/telemetry/METRICS.md")?;
    let scaled_by = word(&kind(&documents, "ScaledObject")[0]["spec"]["triggers"][0]["metadata"]["query"]).to_owned();
    let asked: Vec<&str> = scaled_by.split(|letter: char| !letter.is_ascii_lowercase() && letter != '_').collect();
    let asked: Vec<&str> = asked.into_iter().filter(|word| word.starts_with("airlock_")).collect();
    assert_eq!(asked.len(), 2, "queued and running: {scaled_by}");
    for metric in asked {
        assert!(metrics.contains(&format!("`{metric}`")), "{metric} is no metric");
    }
    let listened: BTreeSet<u64> = deployments
        .iter()
        .flat_map(|one| list(&one["spec"]["template"]["spec"]["containers"][0]["ports"]))
        .filter_map(|one| one["containerPort"].as_u64())
        .collect();
    let let_in: BTreeSet<u64> = kind(&documents, "NetworkPolicy")
        .iter()
        .flat_map(|policy| list(&policy["spec"]["ingress"]))
        .flat_map(|rule| list(&rule["ports"]))
        .filter_map(|one| one["port"].as_u64())
        .collect();
    assert_eq!(listened, let_in);
    let metadata = ["169.254.0.0/16", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"];
    for rule in kind(&documents, "NetworkPolicy").iter().flat_map(|policy| list(&policy["spec"]["egress"])) {
        for block in list(&rule["to"]).filter(|to| to["ipBlock"]["cidr"] == "0.0.0.0/0") {
            for network in metadata {
                assert!(list(&block["ipBlock"]["except"]).any(|one| one == network), "{network} can be reached");
            }
        }
    }

    let folder = kind(&documents, "Kustomization")[0];
    let named: BTreeSet<&str> = list(&folder["resources"]).map(word).collect();
    let apart = ["kustomization.yaml", "secrets.example.yaml", "autoscale-hpa.yaml"];
    let there: Vec<PathBuf> = manifests()?;
    let there: BTreeSet<&str> = there.iter().filter_map(|path| path.file_name()?.to_str()).collect();
    assert_eq!(named, there.into_iter().filter(|name| !apart.contains(name)).collect());
    let version = word(&folder["images"][0]["newTag"]);
    let job = word(&kind(&documents, "Job")[0]["metadata"]["name"]);
    assert_eq!(job, format!("airlock-migrate-{}", version.replace('.', "-")));
    assert_eq!(version, env!("CARGO_PKG_VERSION"));

    let toolchain = text("rust-toolchain.toml")?;
    let channel = toolchain.lines().find_map(|line| line.strip_prefix("channel = ")).context("no channel")?;
    assert!(text("Containerfile")?.contains(&format!("rust:{}-slim", channel.trim_matches('"'))));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn compose_starts_what_there_is() -> Result<()> {
    let server = Server::start(Database::Sqlite)?;
    let compose = documents(&root().join("examples/compose/compose.yaml"))?.remove(0);
    let services = compose["services"].as_object().context("no services")?;
    let keys = |value: &Value| value.as_object().map(|map| map.keys().cloned().collect()).unwrap_or_default();
    let secrets: BTreeSet<String> = keys(&compose["secrets"]);
    let script = text("examples/compose/secrets.sh")?;
    for name in &secrets {
        assert!(script.contains(&format!("once {name}")), "secrets.sh does not make {name}");
    }
    let mut roles = 0;
    for (name, service) in services {
        let asked: BTreeSet<String> = list(&service["secrets"]).map(|one| word(one).to_owned()).collect();
        assert!(asked.is_subset(&secrets), "{name}");
        let waited: BTreeSet<String> = keys(&service["depends_on"]);
        for (other, condition) in service["depends_on"].as_object().into_iter().flatten() {
            let other = services.get(other).with_context(|| format!("{name} waits for {other}"))?;
            let has_health = other["healthcheck"]["test"].is_array();
            assert!(condition["condition"] != "service_healthy" || has_health, "{name} waits for {waited:?}");
        }
        if service["image"] != "airlock:0.1.0" {
            continue;
        }
        roles += 1;
        let arguments: Vec<&str> = list(&service["command"]).map(word).collect();
        let settings = settings(&server, &environment(&service["environment"]), &arguments).context(name.clone())?;
        assert!(service["read_only"] == true && service["cap_drop"][0] == "ALL", "{name}");
        let places = list(&service["tmpfs"]).chain(list(&service["volumes"])).map(word);
        assert!(places.into_iter().any(|place| place.contains("/var/lib/airlock")), "{name} has no home");
        if service["healthcheck"]["disable"] != true {
            let test = service["healthcheck"]["test"].to_string();
            let monitor = port(setting(&settings, "listen_monitor")).context("no address")?;
            assert!(test.contains(&format!("/{monitor}")) && test.contains("/readyz"), "{name}: {test}");
        }
        if name == "worker" {
            let grace: u64 = setting(&settings, "grace").parse()?;
            let patience: u64 = word(&service["stop_grace_period"]).trim_end_matches('s').parse()?;
            assert!(patience >= grace + AFTER_GRACE);
        }
    }
    assert_eq!(roles, 4, "migrate, api, scheduler and worker");
    Ok(())
}
