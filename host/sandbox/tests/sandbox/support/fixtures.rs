//! The guests of `tests/fixtures`, built when they are missing or older than their sources.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;
use std::time::SystemTime;

pub const ALL: &[&str] = &["hostile", "noop"];

static BUILT: Once = Once::new();

/// The component of the fixture with this name.
pub fn fixture(name: &str) -> PathBuf {
    BUILT.call_once(build);
    component(name)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Where this test was built is where its guests are.
fn target() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    target.to_owned()
}

fn component(name: &str) -> PathBuf {
    target().join("wasm32-wasip2/release").join(format!("fixture_{name}.wasm"))
}

/// Tests may run in processes of their own, so that each would start cargo: looking at the files first spares that. When
/// they are stale, cargo's own lock lets one process build and the others find the work done.
fn build() {
    let sources = [root().join("tests/fixtures"), root().join("wit")];
    let newest = sources.iter().map(|folder| newest(folder)).max().unwrap();
    let fresh = ALL
        .iter()
        .all(|name| std::fs::metadata(component(name)).is_ok_and(|metadata| metadata.modified().unwrap() >= newest));
    if fresh {
        return;
    }
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--release", "--target", "wasm32-wasip2", "--manifest-path"])
        .arg(root().join("tests/fixtures/Cargo.toml"))
        .arg("--target-dir")
        .arg(target())
        // What cargo sets for this test must not reach the guests' build.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .status()
        .unwrap();
    assert!(status.success(), "the fixtures do not build");
    // Cargo leaves the time of a component alone that did not change.
    for name in ALL {
        std::fs::File::open(component(name)).unwrap().set_modified(SystemTime::now()).unwrap();
    }
}

fn newest(folder: &Path) -> SystemTime {
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| if path.is_dir() { newest(&path) } else { std::fs::metadata(&path).unwrap().modified().unwrap() })
        .max()
        .unwrap_or(SystemTime::UNIX_EPOCH)
}
