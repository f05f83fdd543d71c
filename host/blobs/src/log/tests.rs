//! One suite for both kinds, and what is a bucket's own.

use std::time::{Duration, Instant};

use airlock_core::id::TenantId;
use airlock_test_services::S3;
use chrono::TimeDelta;
use tempfile::TempDir;

use super::*;
use crate::BucketOptions;

fn line(event: &str) -> LogLine {
    LogLine {
        timestamp: DateTime::UNIX_EPOCH,
        level: "info".into(),
        source: "task".into(),
        event: event.into(),
        fields: Map::new(),
    }
}

fn key(id: i64) -> LogKey {
    LogKey { run: RunKey { tenant: TenantId(1), id }, instance: Uuid::nil(), try_number: 1 }
}

/// Modules and logs, and all that they lie in.
struct Place {
    blobs: Blobs,
    folder: TempDir,
    s3: Option<S3>,
}

fn in_folder() -> Place {
    let folder = tempfile::tempdir().unwrap();
    Place { blobs: Blobs::open(folder.path()).unwrap(), folder, s3: None }
}

fn in_bucket() -> Place {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("s3/airlock")).unwrap();
    let s3 = airlock_test_services::s3(&folder.path().join("s3")).unwrap();
    let blobs = elsewhere(&folder, s3.endpoint(), "home");
    Place { blobs, folder, s3: Some(s3) }
}

/// A machine's own folder, and the bucket that all share.
fn elsewhere(folder: &TempDir, endpoint: &str, home: &str) -> Blobs {
    Blobs::open(folder.path().join(home)).unwrap().with_bucket(options(endpoint)).unwrap()
}

fn options(endpoint: &str) -> BucketOptions {
    BucketOptions {
        bucket: "airlock".into(),
        prefix: "some/where".into(),
        region: Some(S3::REGION.into()),
        endpoint: Some(endpoint.into()),
        keys: Some((S3::ACCESS_KEY.into(), S3::SECRET_KEY.into())),
    }
}

async fn read(blobs: &Blobs, id: i64, from: &LogPosition, maximum: usize) -> LogChunk {
    blobs.read_log(&key(id), from, maximum).await.unwrap()
}

async fn events(blobs: &Blobs, id: i64) -> Vec<String> {
    let chunk = read(blobs, id, &LogPosition::default(), 1 << 20).await;
    chunk.lines.into_iter().map(|line| line.event).collect()
}

async fn until(blobs: &Blobs, id: i64, expected: &[&str]) {
    let end = Instant::now() + Duration::from_secs(30);
    while events(blobs, id).await != expected {
        assert!(Instant::now() < end, "{:?}", events(blobs, id).await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn logs_are_read_in_parts_and_go(place: &Place) {
    let blobs = &place.blobs;
    blobs.check().await.unwrap();
    let nothing = read(blobs, 1, &LogPosition::default(), 1000).await;
    assert_eq!((nothing.lines.len(), nothing.at_end), (0, true));
    let sink = LogSink::start(blobs.clone()).unwrap();
    sink.append(key(1), &line("one"));
    sink.append(key(2), &line("elsewhere"));
    sink.append(key(1), &line("two"));
    sink.end(key(1)).await;
    // The same try is called again, after it has waited.
    sink.append(key(1), &line("three"));
    sink.drain().await;

    let first = read(blobs, 1, &LogPosition::default(), 1).await;
    assert_eq!((first.lines, first.at_end), (vec![line("one")], false));
    let at = first.next.to_string().parse().unwrap();
    let second = read(blobs, 1, &at, 1000).await;
    assert_eq!((second.lines, second.at_end), (vec![line("two"), line("three")], true));
    assert!(matches!(second.arrived, Arrived::Until(at) if at > Utc::now() - TimeDelta::minutes(1)));
    let rest = read(blobs, 1, &second.next, 1000).await;
    assert_eq!((rest.lines.len(), rest.at_end, rest.next), (0, true, second.next));

    let other_try = LogKey { try_number: 11, ..key(1) };
    let again = LogSink::start(blobs.clone()).unwrap();
    again.append(other_try, &line("eleven"));
    again.drain().await;
    blobs.remove_log(&key(1)).await.unwrap();
    assert!(events(blobs, 1).await.is_empty());
    let kept = blobs.read_log(&other_try, &LogPosition::default(), 1000).await.unwrap();
    assert_eq!(kept.lines, vec![line("eleven")]);
    blobs.remove_run_logs(key(1).run).await.unwrap();
    blobs.remove_run_logs(key(1).run).await.unwrap();
    assert!(blobs.read_log(&other_try, &LogPosition::default(), 1000).await.unwrap().lines.is_empty());
    assert_eq!(events(blobs, 2).await, ["elsewhere"]);
}

#[tokio::test]
async fn logs_in_a_folder_are_read_in_parts_and_go() {
    logs_are_read_in_parts_and_go(&in_folder()).await;
}

#[tokio::test]
async fn logs_in_a_bucket_are_read_in_parts_and_go() {
    logs_are_read_in_parts_and_go(&in_bucket()).await;
}

#[tokio::test]
async fn a_file_is_read_while_it_grows_and_a_torn_line_not_shown_until_it_is_whole() {
    let place = in_folder();
    let text = serde_json::to_string(&line("whole")).unwrap();
    let (half, rest) = text.split_at(10);
    let path = place.blobs.log_path(&key(1));
    files::append(&path, &mut half.into()).unwrap();
    let torn = read(&place.blobs, 1, &LogPosition::default(), 1000).await;
    assert_eq!((torn.lines.len(), &torn.next, torn.arrived), (0, &LogPosition::default(), Arrived::NotAll));
    files::append(&path, &mut format!("{rest}\n").into()).unwrap();
    assert_eq!(read(&place.blobs, 1, &torn.next, 1000).await.lines, vec![line("whole")]);
}

#[tokio::test]
async fn a_full_disk_gets_what_was_kept_when_it_has_room_and_what_was_lost_is_said() {
    let place = in_folder();
    let path = place.blobs.log_path(&key(1));
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    let size = line("one").to_bytes().unwrap().len();
    let sink = LogSink::start_bounded(place.blobs.clone(), 2 * size).unwrap();
    for event in ["one", "two", "there is no place for this", "3"] {
        sink.append(key(1), &line(event));
        sink.end(key(1)).await;
    }
    sink.append(key(2), &line("elsewhere"));
    std::fs::remove_file(&path).unwrap();
    sink.drain().await;
    sink.append(key(1), &line("four"));
    sink.drain().await;

    let said = events(&place.blobs, 1).await;
    let lost = line("there is no place for this").to_bytes().unwrap().len() + line("3").to_bytes().unwrap().len();
    let loss = format!("{lost} bytes of this log are lost: the disk did not take them in time");
    assert_eq!(said, ["one", "two", &loss, "four"]);
    // A single log that cannot be written stands in no other's way, as long as there is room to keep it.
    assert_eq!(events(&place.blobs, 2).await.len(), 1);
}

#[tokio::test]
async fn a_log_in_a_bucket_is_read_while_it_grows_and_is_one_object_in_the_end() {
    let place = in_bucket();
    let sink = LogSink::start(place.blobs.clone()).unwrap();
    sink.append(key(1), &line("one"));
    until(&place.blobs, 1, &["one"]).await;
    let first = read(&place.blobs, 1, &LogPosition::default(), 1000).await;
    assert_eq!((first.at_end, first.arrived), (true, Arrived::NotAll));
    sink.append(key(1), &line("two"));
    until(&place.blobs, 1, &["one", "two"]).await;
    // A reader who has the first segment gets the second.
    assert_eq!(read(&place.blobs, 1, &first.next, 1000).await.lines, vec![line("two")]);
    sink.append(key(1), &line("three"));
    sink.end(key(1)).await;
    sink.drain().await;
    // The place in the segments is one in the whole.
    assert_eq!(read(&place.blobs, 1, &first.next, 1000).await.lines, vec![line("two"), line("three")]);
    assert_eq!(events(&place.blobs, 1).await, ["one", "two", "three"]);
    let bucket = place.blobs.bucket.as_ref().unwrap();
    assert_eq!(bucket.list(&parts::folder(&key(1))).await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_a_dead_writer_has_sent_is_there_and_is_not_called_all() {
    let place = in_bucket();
    let bucket = place.blobs.bucket.as_ref().unwrap();
    let segment = parts::segment_name(&key(1), "0000000000001-dead", 0);
    bucket.put(&segment, line("last words").to_bytes().unwrap().into()).await.unwrap();
    let sink = LogSink::start(place.blobs.clone()).unwrap();
    sink.append(key(1), &LogLine { timestamp: Utc::now(), ..line("resumed") });
    sink.drain().await;
    let found = read(&place.blobs, 1, &LogPosition::default(), 1000).await;
    let said: Vec<_> = found.lines.iter().map(|line| line.event.as_str()).collect();
    assert_eq!((said, found.arrived), (vec!["last words", "resumed"], Arrived::NotAll));
}

#[tokio::test]
async fn a_bucket_that_was_away_gets_everything_and_until_then_nobody_waits() {
    let mut place = in_bucket();
    let port = place.s3.take().unwrap().port();
    let away = place.blobs.check().await.unwrap_err();
    assert!(!away.is_refusal() && away.to_string().contains("s3://airlock/some/where"), "{away}");
    let sink = LogSink::start(place.blobs.clone()).unwrap();
    sink.append(key(1), &line("one"));
    sink.end(key(1)).await;
    assert!(tokio::time::timeout(Duration::from_millis(200), sink.drain()).await.is_err());
    sink.append(key(2), &line("two"));
    place.s3 = Some(airlock_test_services::s3_on(&place.folder.path().join("s3"), port).unwrap());
    sink.drain().await;
    assert_eq!(
        (events(&place.blobs, 1).await, events(&place.blobs, 2).await),
        (vec!["one".into()], vec!["two".into()])
    );
}

#[tokio::test]
async fn a_refusal_is_told_from_an_outage() {
    let place = in_bucket();
    let mut options = options(place.s3.as_ref().unwrap().endpoint());
    options.keys = Some((S3::ACCESS_KEY.into(), "another".into()));
    let blobs = Blobs::open(place.folder.path().join("home")).unwrap().with_bucket(options).unwrap();
    let refused = blobs.check().await.unwrap_err();
    assert!(refused.is_refusal(), "{refused}");
}

#[tokio::test]
async fn a_module_is_fetched_once_by_each_machine_and_checked() {
    let place = in_bucket();
    let endpoint = place.s3.as_ref().unwrap().endpoint();
    let far = elsewhere(&place.folder, endpoint, "far");
    let module =
        |bytes: &'static [u8]| futures::stream::iter([Ok::<_, std::io::Error>(bytes::Bytes::from_static(bytes))]);
    let upload = place.blobs.receive(module(b"a module"), 100).await.unwrap();
    let digest = place.blobs.keep(upload).await.unwrap();
    let (first, second) = tokio::join!(far.module(digest), far.module(digest));
    let path = first.unwrap().unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"a module");
    assert_eq!(second.unwrap(), Some(path.clone()));
    assert!(path.starts_with(place.folder.path().join("far")));
    assert_eq!(std::fs::read_dir(far.uploads_folder()).unwrap().count(), 0);

    let other = crate::Digest::of(b"another");
    assert_eq!(far.module(other).await.unwrap(), None);
    let bucket = place.blobs.bucket.as_ref().unwrap();
    let name = format!("modules/sha256/{}/{}.wasm", &other.hex()[..2], other.hex());
    bucket.put(&name, bytes::Bytes::from_static(b"no such thing")).await.unwrap();
    let altered = far.module(other).await.unwrap_err();
    assert!(altered.to_string().contains("is not what its name says"), "{altered}");
}
