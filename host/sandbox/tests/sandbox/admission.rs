//! What is refused at the door, with what words, and that nothing of it stays.

use std::io::Write;
use std::path::Path;

use airlock_sandbox::{AdmitError, Admitted, Sandbox, SandboxOptions};
use tempfile::{NamedTempFile, TempDir};

use crate::support::{TENANT, assert_alive, compile_options, components, fixture, options, sandbox};

/// A sandbox with a folder of artifacts of its own, so that a test can see what is left in it.
struct Door {
    sandbox: Sandbox,
    artifacts: TempDir,
}

impl Door {
    fn new(change: impl FnOnce(&mut SandboxOptions)) -> Self {
        let artifacts = TempDir::new().unwrap();
        let mut options = options();
        options.artifacts = artifacts.path().to_owned();
        change(&mut options);
        Self { sandbox: Sandbox::new(options).unwrap(), artifacts }
    }

    async fn admit(&self, bytes: &[u8]) -> Result<Admitted, AdmitError> {
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        self.sandbox.admit(TENANT, file.path()).await
    }

    /// Artifacts, without the key that seals them.
    fn artifacts(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.artifacts.path()).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name != "seal.key").collect()
    }

    async fn refuse(&self, bytes: &[u8], expected: &[&str]) {
        let error = self.admit(bytes).await.unwrap_err();
        assert!(error.is_modules_fault(), "{error}");
        let text = error.to_string();
        for words in expected {
            assert!(text.contains(words), "`{text}` does not say `{words}`");
        }
        assert_eq!(self.artifacts(), Vec::<String>::new());
    }
}

fn noop() -> Vec<u8> {
    std::fs::read(fixture("noop")).unwrap()
}

/// Replaces a text by one of the same length, everywhere.
fn replaced(bytes: &[u8], old: &str, new: &str) -> Vec<u8> {
    assert_eq!(old.len(), new.len());
    let mut bytes = bytes.to_vec();
    let places: Vec<_> = bytes
        .windows(old.len())
        .enumerate()
        .filter(|(_, window)| *window == old.as_bytes())
        .map(|(at, _)| at)
        .collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at..at + new.len()].copy_from_slice(new.as_bytes());
    }
    bytes
}

#[tokio::test]
async fn what_is_no_component_is_refused() {
    let door = Door::new(|_| {});
    door.refuse(b"", &["empty"]).await;
    door.refuse(b"GIF89a rubbish", &["no WebAssembly binary"]).await;
    door.refuse(b"(component)", &["text format"]).await;
    door.refuse(b"\x7fELF and so on", &["native code"]).await;
    door.refuse(&components::empty(), &["core module", "wasm32-wasip2"]).await;
    door.refuse(b"\0asm\x0d\0\x01\0", &["another world", "airlock:operator/task"]).await;
    door.refuse(b"\0asm\x0d\0\x01\0rubbish behind an honest head", &["cut off"]).await;
}

#[tokio::test]
async fn a_truncated_body_is_refused_wherever_it_ends() {
    let door = Door::new(|_| {});
    let whole = noop();
    for length in [9, 100, whole.len() / 2, whole.len() - 1] {
        door.refuse(&whole[..length], &["cut off"]).await;
    }
}

#[tokio::test]
async fn a_damaged_body_is_refused() {
    let door = Door::new(|_| {});
    let mut damaged = noop();
    let middle = damaged.len() / 2;
    damaged[middle..middle + 64].fill(0xff);
    door.refuse(&damaged, &["valid"]).await;
}

#[tokio::test]
async fn another_world_and_foreign_imports_are_refused() {
    let door = Door::new(|_| {});
    door.refuse(&replaced(&noop(), "airlock:operator/task@0.1.0", "airlock:operator/tusk@0.1.0"), &["another world"])
        .await;
    door.refuse(&replaced(&noop(), "airlock:operator/task@0.1.0", "airlock:operator/task@9.1.0"), &["another world"])
        .await;
    let hostile = std::fs::read(fixture("hostile")).unwrap();
    let foreign = replaced(&hostile, "airlock:operator/xcom@0.1.0", "airlock:operator/xkom@0.1.0");
    door.refuse(&foreign, &["`airlock:operator/xkom@0.1.0`", "no interface `xkom`"]).await;
    let foreign = replaced(&hostile, "wasi:http/outgoing-handler", "evil:http/outgoing-handler");
    door.refuse(&foreign, &["`evil:http/outgoing-handler", "no package `evil:http`"]).await;
}

#[tokio::test]
async fn shapes_that_no_compiler_makes_are_refused_before_compiling() {
    let door = Door::new(|options| options.inspect.modules = 20);
    let many: Vec<_> = (0..30).map(|_| (components::empty(), 1)).collect();
    door.refuse(&components::with_cores(&many), &["modules and components", "at most 20"]).await;
    door.refuse(&components::with_cores(&[(components::bomb(1, 200_000), 1)]), &["bytes in one function"]).await;

    let door = Door::new(|options| options.inspect.bytes = 1_000);
    door.refuse(&noop(), &["at most 1000"]).await;
}

#[tokio::test]
async fn a_compile_bomb_is_killed_and_refused() {
    let bomb = components::with_cores(&[(components::bomb(200, 5_000), 1)]);
    let door = Door::new(|options| options.compile.cpu_seconds = 1);
    door.refuse(&bomb, &["CPU time"]).await;

    let door = Door::new(|options| options.compile.address_space_bytes = 64 << 20);
    door.refuse(&bomb, &["memory"]).await;

    let door = Door::new(|options| options.compile.wall = std::time::Duration::from_millis(300));
    door.refuse(&bomb, &["took longer"]).await;
    assert_alive(&sandbox()).await;
}

#[tokio::test]
async fn a_module_that_fails_when_it_describes_itself_is_refused() {
    let door = Door::new(|_| {});
    let bytes = components::with_cores(&[(components::memory(5_000), 1)]);
    door.refuse(&bytes, &["describe itself", "`memory_bytes`"]).await;
}

#[tokio::test]
async fn a_broken_compiler_is_the_hosts_fault() {
    let door = Door::new(|options| options.compile = compile_options());
    let missing = Door::new(|options| options.compile.program = Path::new("/nowhere/airlock").to_owned());
    let error = missing.admit(&noop()).await.unwrap_err();
    assert!(!error.is_modules_fault(), "{error}");
    assert!(error.to_string().contains("/nowhere/airlock"), "{error}");
    assert_eq!(door.admit(&noop()).await.unwrap().name, "noop");
}

#[tokio::test]
async fn compiled_code_that_was_tampered_with_is_made_again() {
    let door = Door::new(|_| {});
    door.admit(&noop()).await.unwrap();
    let [artifact] = door.artifacts().try_into().unwrap();
    let path = door.artifacts.path().join(artifact);
    let honest = std::fs::read(&path).unwrap();
    let mut forged = honest.clone();
    let middle = forged.len() / 2;
    forged[middle] ^= 1;
    std::fs::write(&path, &forged).unwrap();
    door.admit(&noop()).await.unwrap();
    assert!(std::fs::read(&path).unwrap() != forged);
}
