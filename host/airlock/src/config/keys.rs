//! Every setting that there is.

#[derive(Debug)]
pub struct Key {
    /// As in the file.
    pub name: &'static str,
    pub default: Option<&'static str>,
    /// Never shown.
    pub secret: bool,
    pub help: &'static str,
}

const fn key(name: &'static str, default: Option<&'static str>, help: &'static str) -> Key {
    Key { name, default, secret: false, help }
}

const fn secret(name: &'static str, help: &'static str) -> Key {
    Key { name, default: None, secret: true, help }
}

pub const KEYS: &[Key] = &[
    key("home", Some("./airlock-data"), "the folder for everything that a server keeps"),
    key("listen", Some("127.0.0.1:8080"), "the address of the API"),
    key(
        "listen_monitor",
        None,
        "the address of `/metrics`, `/healthz` and `/readyz`, for anybody who reaches it; none: only the API's address has them",
    ),
    secret("database_url", "the PostgreSQL database; `standalone` keeps SQLite in `home`"),
    key("database_connections", Some("10"), "connections to PostgreSQL that a process holds at most"),
    secret(
        "database_direct_url",
        "the same database past the pooler, where `database_url` is that of one that pools by transaction",
    ),
    key("vault_file", None, "the file with the vault's keys; `vault.keys` in `home`"),
    secret("vault_keys", "the vault's keys themselves, instead of a file"),
    key("compiled", None, "the folder of compiled modules; `compiled` in `home`"),
    key("blobs", Some("home"), "where modules and logs lie: `home`, or `s3://BUCKET/PREFIX`, which machines can share"),
    key("blobs_endpoint", None, "the address of an S3-compatible store that is not Amazon's"),
    key("blobs_region", None, "the region of the bucket; `AWS_REGION`"),
    key("blobs_access_key", None, "the id of the bucket's access key; what the usual `AWS_...` variables say"),
    secret("blobs_secret_key", "the secret of the bucket's access key"),
    key("operators", None, "a folder of modules to upload to the tenant `default` at the start"),
    key("worker_slots", Some("32"), "how many tries a worker runs at once"),
    key("queues", Some("default"), "the queues that a worker takes tries from, separated by commas"),
    key("lease", Some("30"), "seconds without a sign of life after which a try or a run is taken from its process"),
    key(
        "retention_interval",
        Some("600"),
        "seconds between passes that remove what tenants' retention says is too old",
    ),
    key("grace", Some("30"), "seconds that running tries have after a stop was asked for"),
    key("expose_config", Some("false"), "whether the API shows the configuration, secrets hidden"),
    key("url", None, "the server that client commands speak to"),
    secret("token", "the token that client commands show; `airlock login` stores one"),
    key("output", Some("table"), "how results are written: table, json, yaml or plain"),
    key("log", Some("info"), "what is logged"),
    key("log_format", Some("text"), "how log records are written: text or json"),
];

pub fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}
