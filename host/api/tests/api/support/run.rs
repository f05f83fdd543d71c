//! Runs, driven by hand: as a scheduler and a worker would leave them.

use airlock_blobs::{LogKey, LogLine, LogSink};
use airlock_core::outcome::TryResult;
use airlock_core::state::{RunState, TaskState};
use airlock_store::conformance::actors::{Driver, Worker};
use airlock_store::conformance::fixture::report;
use airlock_store::instances::InstanceRow;
use airlock_store::queue::{ClaimedTry, Queue};
use airlock_store::runs::RunRow;
use serde_json::{Map, Value, json};

use super::{Server, start};

/// One run in the hands of a test. Times are in seconds after [`start`].
pub struct Played<'a> {
    server: &'a Server,
    driver: Driver<'a>,
    pub run: RunRow,
    pub instances: Vec<InstanceRow>,
}

impl<'a> Played<'a> {
    /// Starts the only run that can be started, with a scheduled instance of each task.
    pub async fn start(server: &'a Server) -> Self {
        let driver = Driver::new(&*server.store);
        let (run, mut instances) = driver.start(1).await;
        instances.sort_by(|left, right| left.task_id.cmp(&right.task_id));
        Self { server, driver, run, instances }
    }

    fn instance(&self, task_id: &str) -> &InstanceRow {
        self.instances.iter().find(|instance| instance.task_id == task_id).unwrap()
    }

    /// Queues a task, has a worker claim it, and lets it say `hello` and its number.
    pub async fn begin(&self, task_id: &str, seconds: i64) -> ClaimedTry {
        self.driver.admit(&self.run, &[self.instance(task_id)], seconds).await;
        let claimed = Worker::new(&*self.server.store).claim(1, seconds + 1).await.remove(0);
        assert_eq!(claimed.task_id, task_id);
        self.log(&claimed, "hello", &[("number", json!(1))]).await;
        claimed
    }

    pub async fn log(&self, claimed: &ClaimedTry, event: &str, fields: &[(&str, Value)]) {
        let sink = LogSink::start(self.server.blobs.clone()).unwrap();
        let key = LogKey { run: claimed.run, instance: claimed.instance, try_number: claimed.try_number };
        let line = LogLine {
            timestamp: start(),
            level: "info".to_owned(),
            source: "task".to_owned(),
            event: event.to_owned(),
            fields: fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect::<Map<_, _>>(),
        };
        sink.append(key, &line);
        sink.end(key).await;
    }

    /// Ends a try well, with the XCom `return_value`.
    pub async fn succeed(&self, claimed: &ClaimedTry, value: Value, seconds: i64) {
        let mut done = report(claimed, TryResult::Success { value: Some(value.clone()), length: None }, seconds);
        done.xcoms.push(("return_value".to_owned(), value));
        done.rendered_fields = Some(json!({ "text": "2026-03-10", "api_token": "shh" }));
        assert!(self.server.store.report_tries(&[done]).await.unwrap().is_empty());
        self.driver.settle(&self.run, TaskState::Success, seconds).await;
    }

    pub async fn finish(&self, seconds: i64) {
        self.driver.finish(&self.run, RunState::Success, seconds).await;
    }

    /// Both tasks of [`super::dag`], to a good end.
    pub async fn to_the_end(&self) {
        let first = self.begin("first", 2).await;
        self.succeed(&first, json!({ "rows": 3 }), 5).await;
        let second = self.begin("second", 6).await;
        self.succeed(&second, json!("two"), 8).await;
        self.finish(9).await;
    }
}
