//! A bucket on an S3 server, as its folder.

use std::path::{Path, PathBuf};

use airlock_test_services::S3;
use anyhow::Result;

pub struct Bucket {
    folder: tempfile::TempDir,
    endpoint: String,
    port: u16,
    /// None: it cannot be reached.
    s3: Option<S3>,
}

impl Bucket {
    /// With the bucket `airlock`, empty.
    pub fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        std::fs::create_dir(folder.path().join("airlock"))?;
        let s3 = airlock_test_services::s3(folder.path())?;
        Ok(Self { folder, endpoint: s3.endpoint().to_owned(), port: s3.port(), s3: Some(s3) })
    }

    pub fn stop(&mut self) {
        self.s3 = None;
    }

    pub fn start_again(&mut self) -> Result<()> {
        self.s3 = Some(airlock_test_services::s3_on(self.folder.path(), self.port)?);
        Ok(())
    }

    /// What lies in it.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("airlock")
    }

    /// What a server needs to know to keep modules and logs there; `vault` is the file with the vault's keys, for all processes.
    pub fn settings<'a>(&'a self, vault: &'a str) -> Vec<(&'a str, &'a str)> {
        vec![
            ("blobs", "s3://airlock/production"),
            ("blobs_endpoint", &self.endpoint),
            ("blobs_region", S3::REGION),
            ("blobs_access_key", S3::ACCESS_KEY),
            ("blobs_secret_key", S3::SECRET_KEY),
            ("vault_file", vault),
            ("lease", "3"),
        ]
    }
}

/// The files below a folder, which need not be there.
pub fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        if !folder.is_dir() {
            continue;
        }
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    Ok(found)
}
