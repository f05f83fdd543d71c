//! `cargo xtask arch`: holds the tree to its architecture, and says each broken rule as a sentence.
//!
//! It needs nothing but cargo, so that it runs wherever the project builds. `cargo deny` is asked too where it is installed,
//! for what it alone knows (advisories).

mod files;
mod knows;
mod licences;
mod metadata;
mod third_party;

use anyhow::{Context, Result, bail};

use crate::process;
use metadata::Metadata;

pub fn run() -> Result<()> {
    let root = crate::root();
    let host = Metadata::read(&root.join("Cargo.toml")).context("cannot read the workspace by `cargo metadata`")?;
    let denied = third_party::Deny::read(&root.join("deny.toml"))?;
    let mut broken = knows::check(&host);
    broken.extend(third_party::check(&host, &denied));
    let mut packages = host.packages.len();
    for manifest in crate::guests::manifests(root) {
        let guest = Metadata::read(&manifest)?;
        broken.extend(knows::check_guest(&guest, root));
        broken.extend(third_party::check_banned(&guest, &denied));
        packages += guest.packages.len();
    }
    let files = files::check(root, &mut broken)?;

    if process::exists("cargo-deny") {
        process::run(
            process::command("cargo").current_dir(root).args(["deny", "check", "bans", "licenses", "sources"]),
        )?;
    }
    broken.sort();
    broken.dedup();
    for sentence in &broken {
        eprintln!("arch: {sentence}");
    }
    if !broken.is_empty() {
        bail!("{} rules of the architecture are broken", broken.len());
    }
    println!("arch: {packages} packages and {files} files keep every rule");
    Ok(())
}
