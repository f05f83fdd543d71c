//! Which server, and which token.
//!
//! A token lies in a file that only its owner can read: `credentials.toml` in the user's configuration folder after
//! `airlock login`, and `client.toml` in the folder of a server that was started here, so that the first command after
//! `airlock standalone` works.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::config::{self, Config};

const DEFAULT_URL: &str = "http://127.0.0.1:8080";

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    pub url: String,
    pub token: Option<String>,
}

/// A setting beats what is remembered, and a login beats a server's own file. A remembered token is shown to its server only.
pub fn find(config: &Config) -> Result<Credentials> {
    let remembered: Vec<Credentials> = [login_file(), Some(server_file(&config.home()))]
        .into_iter()
        .flatten()
        .filter_map(|path| read(&path).transpose())
        .collect::<Result<_>>()?;
    let url = match (config.url(), remembered.first()) {
        (Some(url), _) => url.trim_end_matches('/').to_owned(),
        (None, Some(first)) => first.url.clone(),
        (None, None) => DEFAULT_URL.to_owned(),
    };
    let token = config.token().map(str::to_owned).or_else(|| {
        remembered.iter().find(|credentials| credentials.url == url).and_then(|credentials| credentials.token.clone())
    });
    Ok(Credentials { url, token })
}

/// Where `airlock login` keeps what it got.
pub fn login_file() -> Option<PathBuf> {
    config::user_folder().map(|folder| folder.join("credentials.toml"))
}

/// Where a server leaves a token for whoever may read its files.
pub fn server_file(home: &Path) -> PathBuf {
    home.join("client.toml")
}

/// Writes credentials so that only this user can read them; the file is replaced as a whole.
pub fn remember(path: &Path, credentials: &Credentials) -> Result<()> {
    let write = || -> Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let fresh = path.with_extension("new");
        let _ = fs::remove_file(&fresh);
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
        file.write_all(toml::to_string(credentials)?.as_bytes())?;
        fs::rename(&fresh, path)?;
        Ok(())
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

pub fn read(path: &Path) -> Result<Option<Credentials>> {
    match fs::read_to_string(path) {
        Ok(text) => toml::from_str(&text).map(Some).with_context(|| format!("cannot understand {}", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}
