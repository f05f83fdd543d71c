//! Object stores: the same work on S3 and on a folder, and what is special to each.

use std::path::Path;
use std::sync::Arc;

use airlock_hooks::Hooks;
use airlock_sandbox::capability::Caller;
use airlock_sandbox::capability::object_store::{
    Bucket, ListOptions, ObjectError, ObjectMeta, ObjectStoreHook, PutOptions,
};
use airlock_sandbox::capability::task::Connection;
use airlock_test_services::{S3, s3};
use serde_json::json;
use tempfile::TempDir;

use crate::support::*;

/// More than a part of an upload.
const LARGE: usize = (8 << 20) + 12_345;

fn s3_connection(server: &S3) -> Connection {
    let mut connection = connection("s3");
    connection.info.login = Some(S3::ACCESS_KEY.to_owned());
    connection.password = Some(S3::SECRET_KEY.to_owned());
    with_extra(connection, json!({"endpoint_url": server.endpoint(), "region_name": S3::REGION}))
}

/// A server with one bucket, `lake`.
struct OnS3 {
    _server: S3,
    folder: TempDir,
    hooks: Hooks,
}

fn on_s3() -> OnS3 {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("lake")).unwrap();
    let server = s3(folder.path()).unwrap();
    OnS3 { hooks: hooks(s3_connection(&server)), _server: server, folder }
}

/// A folder with one bucket, `lake`.
struct OnFolder {
    folder: TempDir,
    hooks: Hooks,
    caller: Caller,
}

fn on_folder() -> OnFolder {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("lake")).unwrap();
    let path = folder.path().to_str().unwrap().to_owned();
    let hooks = hooks(with_extra(connection("fs"), json!({"path": path})));
    OnFolder { caller: Caller { host_folders: Arc::new(vec![path]), ..caller() }, hooks, folder }
}

async fn bucket(hooks: &Hooks, caller: &Caller) -> Arc<dyn Bucket> {
    ObjectStoreHook::open(hooks, caller, "test", Some("lake")).await.unwrap()
}

async fn open_refusal(hooks: &Hooks, caller: &Caller, name: Option<&str>) -> ObjectError {
    match ObjectStoreHook::open(hooks, caller, "test", name).await {
        Ok(_) => panic!("the bucket should not open"),
        Err(error) => error,
    }
}

async fn put(bucket: &dyn Bucket, key: &str, content: &[u8], if_absent: bool) -> Result<ObjectMeta, ObjectError> {
    let options = PutOptions { content_type: Some("text/plain".to_owned()), if_absent };
    let mut writer = bucket.put(key, options).await?;
    for chunk in content.chunks(1 << 20) {
        writer.write(bytes::Bytes::copy_from_slice(chunk)).await?;
    }
    writer.finish().await
}

async fn read(bucket: &dyn Bucket, key: &str, offset: u64, length: Option<u64>) -> Result<Vec<u8>, ObjectError> {
    let mut reader = bucket.get(key, offset, length).await?;
    assert_eq!(reader.meta().key, key);
    let mut all = Vec::new();
    loop {
        let some = reader.read(100_000).await?;
        assert!(some.len() <= 100_000);
        if some.is_empty() {
            return Ok(all);
        }
        all.extend(some);
    }
}

async fn keys(bucket: &dyn Bucket, prefix: &str, start_after: Option<&str>, limit: usize) -> Vec<String> {
    let options = ListOptions { prefix: prefix.to_owned(), start_after: start_after.map(str::to_owned), limit };
    bucket.list(options).await.unwrap().into_iter().map(|object| object.key).collect()
}

/// What every store does.
async fn exercise(bucket: &dyn Bucket) {
    assert_eq!(bucket.head("a.txt").await, Ok(None));
    assert!(matches!(read(bucket, "a.txt", 0, None).await, Err(ObjectError::NotFound(_))));
    let written = put(bucket, "a.txt", b"hello world", false).await.unwrap();
    assert_eq!((written.key.as_str(), written.size), ("a.txt", 11));
    let seen = bucket.head("a.txt").await.unwrap().unwrap();
    assert_eq!((seen.size, &seen.etag), (11, &written.etag));

    for (offset, length, content) in [
        (0, None, "hello world"),
        (6, None, "world"),
        (0, Some(5), "hello"),
        (6, Some(100), "world"),
        (3, Some(0), ""),
        (11, None, ""),
    ] {
        assert_eq!(read(bucket, "a.txt", offset, length).await.unwrap(), content.as_bytes(), "{offset} {length:?}");
    }
    assert!(matches!(read(bucket, "a.txt", 12, None).await, Err(ObjectError::Invalid(_))));

    put(bucket, "empty", b"", false).await.unwrap();
    assert_eq!(read(bucket, "empty", 0, None).await.unwrap(), b"");
    let large: Vec<u8> = (0..LARGE).map(|index| (index % 251) as u8).collect();
    assert_eq!(put(bucket, "large/one", &large, false).await.unwrap().size, LARGE as u64);
    assert!(read(bucket, "large/one", 0, None).await.unwrap() == large, "the content is as it was written");
    assert_eq!(read(bucket, "large/one", 8 << 20, Some(3)).await.unwrap(), large[8 << 20..][..3]);

    bucket.copy("a.txt", "copies/b.txt").await.unwrap();
    assert_eq!(read(bucket, "copies/b.txt", 0, None).await.unwrap(), b"hello world");
    assert!(matches!(bucket.copy("missing", "x").await, Err(ObjectError::NotFound(_))));
    for key in ["copies/b.txt", "copies/b.txt", "large/one", "empty", "a.txt"] {
        assert_eq!(bucket.delete(key).await, Ok(()), "{key}");
    }
    assert_eq!(keys(bucket, "", None, 10).await, Vec::<String>::new());
    for key in ["", "/a", "a/", "a//b", "../a", "a/./b"] {
        let refused = put(bucket, key, b"x", false).await;
        assert!(matches!(refused, Err(ObjectError::Invalid(_))), "{key}: {refused:?}");
    }
}

async fn exercise_lists(bucket: &dyn Bucket) {
    // `-` and `.` come before `/`, and folders of a file system after their files.
    let sorted = ["a-1", "a.txt", "a/1", "a/2", "a/2x/3", "ab", "b/ü", "c 1+2&3"];
    for key in sorted.iter().rev() {
        put(bucket, key, key.as_bytes(), false).await.unwrap();
    }
    assert_eq!(keys(bucket, "", None, 1000).await, sorted);
    assert_eq!(keys(bucket, "", None, 3).await, sorted[..3]);
    assert_eq!(keys(bucket, "", Some("a.txt"), 3).await, sorted[2..5]);
    assert_eq!(keys(bucket, "a/2", None, 1000).await, ["a/2", "a/2x/3"]);
    assert_eq!(keys(bucket, "a/", Some("a/1"), 1).await, ["a/2"]);
    assert_eq!(keys(bucket, "a", Some("a/2x/3"), 1000).await, ["ab"]);
    assert_eq!(keys(bucket, "zz", None, 1000).await, Vec::<String>::new());
    assert_eq!(read(bucket, "c 1+2&3", 0, None).await.unwrap(), b"c 1+2&3");
}

/// Small and large objects take different ways.
async fn exercise_conditions(bucket: &dyn Bucket) {
    for (key, content) in [("small", vec![1; 10]), ("large", vec![2; LARGE])] {
        put(bucket, key, &content, true).await.unwrap();
        let refused = put(bucket, key, &content, true).await;
        assert_eq!(refused, Err(ObjectError::AlreadyExists(key.to_owned())));
        assert_eq!(bucket.head(key).await.unwrap().unwrap().size, content.len() as u64);
    }
    assert_eq!(keys(bucket, "", None, 10).await, ["large", "small"], "nothing is left beside them");
}

/// Files below a folder, whatever their names.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path.to_str().unwrap().to_owned()),
        }
    }
    found
}

/// A writer that is not finished leaves nothing, however much it has written.
async fn exercise_abandoned(bucket: &dyn Bucket, folder: &Path) {
    let before = files(folder);
    for size in [10, LARGE] {
        let mut writer = bucket.put("abandoned", PutOptions::default()).await.unwrap();
        writer.write(vec![0; size].into()).await.unwrap();
        drop(writer);
    }
    let cleared = async {
        while files(folder) != before {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), cleared)
        .await
        .unwrap_or_else(|_| panic!("left are {:?}", files(folder)));
    assert_eq!(bucket.head("abandoned").await, Ok(None));
}

#[tokio::test]
async fn s3_does_all_that_a_store_does() {
    let place = on_s3();
    exercise(&*bucket(&place.hooks, &caller()).await).await;
}

#[tokio::test]
async fn s3_lists_in_order_and_in_pages() {
    let place = on_s3();
    exercise_lists(&*bucket(&place.hooks, &caller()).await).await;
}

#[tokio::test]
async fn s3_replaces_nothing_that_must_be_absent() {
    let place = on_s3();
    exercise_conditions(&*bucket(&place.hooks, &caller()).await).await;
}

#[tokio::test]
async fn s3_keeps_nothing_of_what_is_not_finished() {
    let place = on_s3();
    exercise_abandoned(&*bucket(&place.hooks, &caller()).await, place.folder.path()).await;
}

#[tokio::test]
async fn a_folder_does_all_that_a_store_does() {
    let place = on_folder();
    exercise(&*bucket(&place.hooks, &place.caller).await).await;
}

#[tokio::test]
async fn a_folder_lists_in_order_and_in_pages() {
    let place = on_folder();
    let bucket = bucket(&place.hooks, &place.caller).await;
    exercise_lists(&*bucket).await;
}

#[tokio::test]
async fn a_folder_replaces_nothing_that_must_be_absent() {
    let place = on_folder();
    exercise_conditions(&*bucket(&place.hooks, &place.caller).await).await;
}

#[tokio::test]
async fn a_folder_keeps_nothing_of_what_is_not_finished() {
    let place = on_folder();
    exercise_abandoned(&*bucket(&place.hooks, &place.caller).await, place.folder.path()).await;
}

#[tokio::test]
async fn refusals_of_s3_say_why_and_hold_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("lake")).unwrap();
    let server = s3(folder.path()).unwrap();
    let good = s3_connection(&server);

    let mut wrong = good.clone();
    wrong.password = Some("wrong-secret-key".to_owned());
    let refused = bucket(&hooks(wrong), &caller()).await.list(ListOptions { limit: 1, ..ListOptions::default() }).await;
    assert!(matches!(&refused, Err(ObjectError::Denied(_))), "{refused:?}");
    assert!(!format!("{refused:?}").contains("wrong-secret-key"));

    assert!(matches!(open_refusal(&hooks(good.clone()), &fenced_caller(), Some("lake")).await, ObjectError::Denied(_)));
    assert!(matches!(open_refusal(&hooks(good.clone()), &caller(), None).await, ObjectError::Invalid(_)));
    assert!(matches!(open_refusal(&hooks(good.clone()), &caller(), Some("../lake")).await, ObjectError::Invalid(_)));
    let missing = ObjectStoreHook::open(&hooks(good.clone()), &caller(), "test", Some("desert")).await.unwrap();
    assert!(matches!(read(&*missing, "x", 0, None).await, Err(ObjectError::NotFound(_))));

    let mut strict = good.clone();
    strict.extra.insert("allow_http".to_owned(), json!(false));
    assert!(matches!(open_refusal(&hooks(strict), &caller(), Some("lake")).await, ObjectError::Invalid(_)));
    let mut renamed = good.clone();
    renamed.extra.insert("endpoint_url".to_owned(), json!("http://s3.example/"));
    let rebound = hooks_with_names(renamed, &["10.0.0.1"]);
    assert!(matches!(open_refusal(&rebound, &caller(), Some("lake")).await, ObjectError::Denied(_)));
    let mut half = good;
    half.password = None;
    assert!(matches!(open_refusal(&hooks(half), &caller(), Some("lake")).await, ObjectError::Invalid(_)));
}

#[tokio::test]
async fn links_lead_out_of_no_folder() {
    let place = on_folder();
    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::write(elsewhere.path().join("secret"), "hush").unwrap();
    let lake = place.folder.path().join("lake");
    std::os::unix::fs::symlink(elsewhere.path(), lake.join("out")).unwrap();
    std::os::unix::fs::symlink(elsewhere.path().join("secret"), lake.join("secret")).unwrap();
    std::os::unix::fs::symlink(elsewhere.path().join("new"), lake.join("new")).unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), place.folder.path().join("sea")).unwrap();
    let bucket = bucket(&place.hooks, &place.caller).await;
    assert_eq!(keys(&*bucket, "", None, 10).await, Vec::<String>::new());
    for key in ["out/secret", "secret", "new", "out/fresh"] {
        assert!(matches!(read(&*bucket, key, 0, None).await, Err(ObjectError::Denied(_))), "{key}");
        assert!(matches!(put(&*bucket, key, b"x", false).await, Err(ObjectError::Denied(_))), "{key}");
    }
    assert_eq!(files(elsewhere.path()).len(), 1);
    for name in ["sea", "..", "desert"] {
        let refused = open_refusal(&place.hooks, &place.caller, Some(name)).await;
        assert!(matches!(refused, ObjectError::NotFound(_) | ObjectError::Invalid(_)), "{name}: {refused:?}");
    }
    assert!(matches!(open_refusal(&place.hooks, &caller(), None).await, ObjectError::Denied(_)));
}
