//! Which processes are alive.

use uuid::Uuid;

use super::fixture::at;
use crate::Store;
use crate::health::ProcessRow;

fn process(role: &str, started: i64) -> ProcessRow {
    ProcessRow {
        id: Uuid::new_v4(),
        role: role.to_owned(),
        hostname: "host-1".to_owned(),
        version: "0.1.0".to_owned(),
        queues: if role == "worker" { vec!["default".to_owned(), "far".to_owned()] } else { Vec::new() },
        started_at: at(started),
        heartbeat_at: at(started),
        stopped_at: None,
    }
}

pub async fn a_process_is_known_by_its_heartbeats(store: &dyn Store) {
    store.ping().await.unwrap();
    assert_eq!(store.latest_heartbeat("scheduler").await.unwrap(), None);
    let (mut first, second, worker) = (process("scheduler", 1), process("scheduler", 2), process("worker", 3));
    for process in [&first, &second, &worker] {
        store.process_heartbeat(process).await.unwrap();
    }
    assert_eq!(store.latest_heartbeat("scheduler").await.unwrap(), Some(at(2)));
    first.heartbeat_at = at(30);
    first.stopped_at = Some(at(30));
    store.process_heartbeat(&first).await.unwrap();
    assert_eq!(store.latest_heartbeat("scheduler").await.unwrap(), Some(at(30)));
    assert_eq!(store.list_processes().await.unwrap(), [first.clone(), second, worker.clone()]);

    assert_eq!(store.forget_processes(at(3)).await.unwrap(), 1);
    assert_eq!(store.list_processes().await.unwrap(), [first, worker]);
}
