//! Rules on the text of files: their length, and where `unsafe` may stand.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::process;

const MAXIMUM_LINES: usize = 500;

/// The one file that may say `unsafe`: wasmtime cannot know that a compiled module is what it compiled itself.
const UNSAFE_FILE: &str = "host/sandbox/src/compile/load.rs";

/// Checks what git knows of the tree, and answers how many files that were.
pub fn check(root: &Path, broken: &mut Vec<String>) -> Result<usize> {
    let listed = process::output(process::command("git").current_dir(root).args([
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
        "-z",
    ]))?;
    let mut count = 0;
    for name in listed.split('\0').filter(|name| is_code(name)) {
        let path = root.join(name);
        // Removed from the work tree, and not yet from the index.
        if !path.exists() {
            continue;
        }
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {name}"))?;
        count += 1;
        let lines = text.lines().count();
        if lines > MAXIMUM_LINES {
            broken.push(format!("{name} has {lines} lines; {MAXIMUM_LINES} is the most: find its seam and split it"));
        }
        if name.ends_with(".rs") && name != UNSAFE_FILE {
            for (number, line) in text.lines().enumerate().filter(|(_, line)| says_unsafe(line)) {
                broken.push(format!("{name}:{} says `{WORD}` ({}); only {UNSAFE_FILE} may", number + 1, line.trim()));
            }
        }
        if name.starts_with("host/") && name.ends_with("/Cargo.toml") && !text.contains("[lints]\nworkspace = true") {
            broken.push(format!("{name} does not take the workspace's lints: add `[lints] workspace = true`"));
        }
    }
    Ok(count)
}

fn is_code(name: &str) -> bool {
    [".rs", ".wit", ".sql", ".py", ".sh", ".toml"].iter().any(|end| name.ends_with(end))
}

/// In two pieces, so that this file does not say it.
const WORD: &str = concat!("un", "safe");

/// Comments may speak of it.
fn says_unsafe(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    code.split(|character: char| !character.is_alphanumeric() && character != '_')
        .any(|word| word == WORD || word.strip_prefix(WORD) == Some("_code"))
}

#[cfg(test)]
mod tests {
    use super::{WORD, says_unsafe};

    #[test]
    fn code_is_told_from_comments() {
        assert!(says_unsafe(&format!("    let module = {WORD} {{ load() }};")));
        assert!(says_unsafe(&format!("#[expect({WORD}_code, reason = \"…\")]")));
        assert!(!says_unsafe(&format!("// {WORD} {{ is what we never say }}")));
        assert!(!says_unsafe(&format!("let {WORD}ly = 1;")));
    }
}
