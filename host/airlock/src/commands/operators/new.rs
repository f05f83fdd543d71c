//! `airlock operators new`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::failure::Failure;
use crate::output;

/// The template of the Rust SDK; its README says what the placeholders are.
const TEMPLATE: &[(&str, &str)] = &[
    ("Cargo.toml", include_str!("../../../../../sdk/rust/template/Cargo.toml.template")),
    ("README.md", include_str!("../../../../../sdk/rust/template/README.md.template")),
    ("rust-toolchain.toml", include_str!("../../../../../sdk/rust/template/rust-toolchain.toml.template")),
    ("src/lib.rs", include_str!("../../../../../sdk/rust/template/src/lib.rs.template")),
];

/// Where the SDK lies in the source of Airlock.
const SDK: &str = "sdk/rust/airlock-sdk";

pub fn run(name: &str, path: &Path, sdk: Option<&Path>) -> Result<()> {
    check(name)?;
    let sdk = find_sdk(sdk)?;
    let folder = path.join(name);
    if folder.exists() {
        return Err(Failure::usage(format!("{} is there already", folder.display())).into());
    }
    for (file, template) in TEMPLATE {
        let text = template
            .replace("{{name}}", name)
            .replace("{{crate}}", &name.replace('-', "_"))
            .replace("{{sdk_path}}", &sdk.display().to_string().replace('\\', "\\\\").replace('"', "\\\""));
        let target = folder.join(file);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        }
        fs::write(&target, text).with_context(|| format!("cannot write {}", target.display()))?;
    }
    eprintln!("hint: cd {}, then `cargo test` and `airlock operators build`", folder.display());
    output::write(&format!("{}\n", folder.display()))
}

/// The rule of the contract; see `description.name` in wit/task.wit.
fn check(name: &str) -> Result<()> {
    let letters = name.bytes().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == b'-');
    if (1..=64).contains(&name.len()) && letters && name.starts_with(|first: char| first.is_ascii_lowercase()) {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "`{name}` is no name of an operator: 1 to 64 of `a-z 0-9 -`, starting with a letter, are"
    ))
    .into())
}

/// The folder that was named, or the one in the source that this program was built from.
fn find_sdk(named: Option<&Path>) -> Result<PathBuf> {
    let program = std::env::current_exe().ok();
    let above = program.as_deref().into_iter().flat_map(Path::ancestors).map(|folder| folder.join(SDK));
    let found =
        named.map(Path::to_path_buf).into_iter().chain(above).find(|folder| folder.join("Cargo.toml").is_file());
    match (found, named) {
        (Some(folder), _) => folder.canonicalize().with_context(|| format!("cannot find {}", folder.display())),
        (None, Some(named)) => Err(Failure::usage(format!("{} is not the crate of the SDK", named.display())).into()),
        (None, None) => Err(Failure::usage("the Rust SDK was not found")
            .hint(format!("--sdk names its folder: {SDK} in the source of Airlock"))
            .into()),
    }
}
