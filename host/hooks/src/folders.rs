//! Which paths of the host a connection may name.

use std::path::{Path, PathBuf};

/// The real path of `path`, if it lies under one of the tenant's `host_folders`. The last part need not exist yet.
///
/// Links are followed before the comparison, so that a link out of a permitted folder leads nowhere; whoever opens the
/// path must not follow one in its last part.
///
/// # Errors
/// A sentence that names the path.
pub(crate) fn permitted(path: &str, host_folders: &[String]) -> Result<PathBuf, String> {
    let path = Path::new(path);
    if !path.is_absolute() {
        return Err(format!("the path `{}` must start with `/`", path.display()));
    }
    let real = match path.canonicalize() {
        Ok(real) => real,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
                return Err(format!("the path `{}` names no file", path.display()));
            };
            let parent =
                parent.canonicalize().map_err(|error| format!("the folder of `{}`: {error}", path.display()))?;
            parent.join(name)
        }
        Err(error) => return Err(format!("the path `{}`: {error}", path.display())),
    };
    // A folder that is not there contains nothing.
    let within = |folder: &String| Path::new(folder).canonicalize().is_ok_and(|folder| real.starts_with(folder));
    if host_folders.iter().any(within) {
        return Ok(real);
    }
    let allowed = match host_folders {
        [] => "it permits none".to_owned(),
        folders => {
            format!("it permits {}", folders.iter().map(|folder| format!("`{folder}`")).collect::<Vec<_>>().join(", "))
        }
    };
    Err(format!("the path `{}` is outside the tenant's `host_folders`: {allowed}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_really_lies_under_a_permitted_folder_passes() {
        let permitted_folder = tempfile::tempdir().unwrap();
        let other = tempfile::tempdir().unwrap();
        let inside = permitted_folder.path().to_str().unwrap().to_owned();
        let folders = vec!["/nonexistent".to_owned(), inside.clone()];
        std::fs::create_dir(permitted_folder.path().join("deep")).unwrap();
        std::fs::write(other.path().join("secret.db"), "").unwrap();
        std::os::unix::fs::symlink(other.path(), permitted_folder.path().join("out")).unwrap();
        std::os::unix::fs::symlink(other.path().join("secret.db"), permitted_folder.path().join("link.db")).unwrap();

        let check = |path: String| permitted(&path, &folders);
        assert!(check(inside.clone()).is_ok());
        assert!(check(format!("{inside}/new.db")).is_ok());
        assert!(check(format!("{inside}/deep/../new.db")).is_ok());
        for path in [
            format!("{inside}/out/secret.db"),
            format!("{inside}/out/new.db"),
            format!("{inside}/link.db"),
            format!("{inside}/../escape.db"),
            format!("{inside}x"),
            format!("{inside}/missing/new.db"),
            "relative.db".to_owned(),
            "/etc/passwd".to_owned(),
            "/".to_owned(),
        ] {
            assert!(check(path.clone()).is_err(), "{path}");
        }
        assert!(permitted(&inside, &[]).unwrap_err().contains("permits none"));
    }
}
