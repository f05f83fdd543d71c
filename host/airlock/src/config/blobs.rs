//! Where modules and logs lie.

use airlock_blobs::BucketOptions;
use anyhow::Result;
use url::Url;

use super::Config;

const EXPECTED: &str = "`home` or an address such as `s3://bucket/prefix`";
const EXPECTED_ENDPOINT: &str = "an address such as `https://minio.example.com`";

impl Config {
    /// The bucket for modules and logs; none: they lie in `home`.
    pub fn blobs(&self) -> Result<Option<BucketOptions>> {
        let text = match self.text("blobs") {
            None | Some("home") => return Ok(None),
            Some(text) => text,
        };
        let rest = text.strip_prefix("s3://").ok_or_else(|| self.fault("blobs", text, EXPECTED))?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let fits = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_');
        let prefix = prefix.trim_end_matches('/');
        if bucket.is_empty() || !bucket.chars().all(fits) || prefix.split('/').any(|part| !part.chars().all(fits)) {
            return Err(self.fault("blobs", text, EXPECTED));
        }
        let keys = match (self.text("blobs_access_key"), self.text("blobs_secret_key")) {
            (Some(key), Some(secret)) => Some((key.to_owned(), secret.to_owned())),
            (None, None) => None,
            (Some(key), None) => {
                return Err(self.fault("blobs_access_key", key, "given together with `blobs_secret_key`"));
            }
            (None, Some(_)) => {
                return Err(self.fault("blobs_secret_key", "< hidden >", "given together with `blobs_access_key`"));
            }
        };
        Ok(Some(BucketOptions {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            region: self.text("blobs_region").map(str::to_owned),
            endpoint: self.endpoint()?,
            keys,
        }))
    }

    fn endpoint(&self) -> Result<Option<String>> {
        let Some(text) = self.text("blobs_endpoint") else { return Ok(None) };
        let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let url = url.filter(|url| url.username().is_empty() && url.password().is_none());
        match url {
            Some(_) => Ok(Some(text.trim_end_matches('/').to_owned())),
            None => Err(self.fault("blobs_endpoint", text, EXPECTED_ENDPOINT)),
        }
    }
}
