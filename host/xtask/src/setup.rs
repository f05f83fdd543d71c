//! `cargo xtask setup`: what the machine must have. It says what it installs before it does, and does nothing the second time.

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::process;

const TARGET: &str = "wasm32-wasip2";

/// Something that Debian and Ubuntu have as a package.
struct Package {
    name: &'static str,
    what_for: &'static str,
    is_there: fn() -> bool,
}

const BUILD: &[Package] =
    &[Package { name: "build-essential", what_for: "SQLite and ring are compiled from C", is_there: has_compiler }];

const TEST: &[Package] = &[
    Package { name: "postgresql", what_for: "tests of the store and of SQL hooks", is_there: has_postgres },
    Package { name: "mariadb-server", what_for: "tests of SQL hooks", is_there: has_mariadb },
    Package { name: "python3-venv", what_for: "the test of Airflow's own Python client", is_there: has_venv },
];

/// What building and running needs.
pub fn build() -> Result<()> {
    install(BUILD.iter())?;
    target()
}

/// What the tests need beyond that.
pub fn test() -> Result<()> {
    install(BUILD.iter().chain(TEST))?;
    target()
}

/// rust-toolchain.toml names the target, but a toolchain that was there before does not get it by that.
fn target() -> Result<()> {
    let folder = process::output(process::command("rustc").args(["--print", "target-libdir", "--target", TARGET]))?;
    if Path::new(folder.trim()).exists() {
        return Ok(());
    }
    println!("setup: adding the compiler's target {TARGET}, by `rustup target add {TARGET}`");
    process::run(process::command("rustup").args(["target", "add", TARGET]))
        .with_context(|| format!("the compiler's target {TARGET} is missing, and rustup did not bring it"))
}

fn install<'a>(packages: impl Iterator<Item = &'a Package>) -> Result<()> {
    let missing: Vec<&Package> = packages.filter(|package| !(package.is_there)()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = missing.iter().map(|package| package.name).collect();
    let lines: Vec<String> =
        missing.iter().map(|package| format!("  {}: {}", package.name, package.what_for)).collect();
    if !process::exists("apt-get") {
        bail!(
            "these are missing, and there is no apt-get to install them with; the names are Debian's:\n{}",
            lines.join("\n")
        );
    }
    println!("setup: installing, by apt-get:\n{}", lines.join("\n"));
    let apt = |arguments: &[&str]| {
        let mut command = if is_root()? {
            process::command("apt-get")
        } else {
            let mut sudo = process::command("sudo");
            sudo.arg("apt-get");
            sudo
        };
        process::run(command.env("DEBIAN_FRONTEND", "noninteractive").args(arguments))
    };
    apt(&["update", "--quiet"])?;
    apt(&[&["install", "--yes", "--quiet", "--no-install-recommends"], names.as_slice()].concat())?;
    match missing.iter().find(|package| !(package.is_there)()) {
        None => Ok(()),
        Some(package) => bail!("{} was installed, but what is needed of it is not there", package.name),
    }
}

fn is_root() -> Result<bool> {
    Ok(process::output(process::command("id").arg("-u"))?.trim() == "0")
}

fn has_compiler() -> bool {
    process::exists("cc")
}

fn has_postgres() -> bool {
    let versions = Path::new("/usr/lib/postgresql").read_dir();
    process::exists("initdb")
        || versions.is_ok_and(|mut versions| {
            versions.any(|version| version.is_ok_and(|version| version.path().join("bin/initdb").is_file()))
        })
}

fn has_mariadb() -> bool {
    process::exists("mariadbd") || Path::new("/usr/sbin/mariadbd").is_file()
}

fn has_venv() -> bool {
    let mut python = process::command("python3");
    python.args(["-c", "import venv, ensurepip"]).stderr(std::process::Stdio::null());
    python.status().is_ok_and(|status| status.success())
}
