//! Whether a connection works.

use std::sync::Arc;

use airlock_sandbox::capability::Caller;
use airlock_test_services::{S3, s3};
use serde_json::json;

use crate::support::*;

#[tokio::test]
async fn every_type_of_connection_is_tested_for_real() {
    let hooks = hooks(connection("http"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap().to_owned();
    std::fs::create_dir(folder.path().join("lake")).unwrap();
    let caller = Caller { host_folders: Arc::new(vec![path.clone()]), ..caller() };
    let server = s3(folder.path()).unwrap();
    let (postgres, mariadb) = (airlock_test_services::postgres().unwrap(), airlock_test_services::mariadb().unwrap());

    let mut lake = with_extra(connection("aws"), json!({"endpoint_url": server.endpoint(), "bucket": "lake"}));
    lake.info.login = Some(S3::ACCESS_KEY.to_owned());
    lake.password = Some(S3::SECRET_KEY.to_owned());
    let mut file = connection("sqlite");
    file.info.host = Some(format!("{path}/data.db"));
    let mut web = connection("http");
    // The S3 server refuses a request that is not signed, so this one is refused in its turn.
    web.info.host = Some(server.endpoint().to_owned());
    let good = [
        connection_to("postgres", postgres.url()),
        connection_to("mysql", mariadb.url()),
        file,
        lake,
        with_extra(connection("fs"), json!({"path": path})),
    ];
    for mut connection in good {
        let conn_type = connection.info.conn_type.clone();
        hooks.test_connection(&caller, &connection).await.unwrap_or_else(|error| panic!("{conn_type}: {error}"));
        // Whatever is wrong, no secret is in the answer.
        if connection.password.is_some() {
            connection.password = Some("wrong-pass-word".to_owned());
            let error = hooks.test_connection(&caller, &connection).await.unwrap_err();
            assert!(!error.contains("wrong-pass-word"), "{conn_type}: {error}");
        }
    }
    assert!(hooks.test_connection(&caller, &web).await.unwrap_err().contains("403"));
    let error = hooks.test_connection(&caller, &connection("ftp")).await.unwrap_err();
    assert!(error.contains("`ftp`") && error.contains("`postgres`"), "{error}");
}
