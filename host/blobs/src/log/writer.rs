//! Sends what calls have written: parts and segments, a few at once, each part's in turn.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;
use uuid::Uuid;

use super::{LogKey, parts};
use crate::BlobError;
use crate::bucket::Bucket;

/// Before the first segment of a part; doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Bytes of a part that do not wait for the end of the pause.
const LARGE_SEGMENT: usize = 1 << 20;
/// Requests that are under way at once.
const CONCURRENCY: usize = 32;
/// Between attempts at a store that cannot be reached.
const LONGEST_RETRY: Duration = Duration::from_secs(15);

/// What the tries' end of it says.
pub(super) enum Command {
    Append(LogKey, i64, Vec<u8>),
    /// Bytes for which there was no place.
    Lost(LogKey, i64, usize),
    End(LogKey),
    Drain(oneshot::Sender<()>),
}

/// What one call writes.
struct Part {
    key: LogKey,
    name: String,
    unsent: Vec<u8>,
    /// What of `unsent` counts as held: all but the word on what is lost.
    held: usize,
    /// Where segments begin that are in the bucket.
    segments: Vec<u64>,
    /// Bytes in them.
    sent: u64,
    lost: usize,
    ended: bool,
    is_under_way: bool,
    due: Option<Instant>,
    pause: Duration,
    failures: u32,
}

impl Part {
    /// What goes next, with a word on what is lost.
    fn take(&mut self) -> Bytes {
        if self.lost > 0 {
            let why = format!("{} bytes of this log are lost: the object store did not take them in time", self.lost);
            self.unsent.extend(super::lost_line(why).to_bytes().unwrap_or_default());
            self.lost = 0;
        }
        std::mem::take(&mut self.unsent).into()
    }
}

/// One request that is over.
struct Sent {
    part: u64,
    bytes: Bytes,
    /// What of `bytes` counts as held.
    held: usize,
    was_last: bool,
    outcome: Result<(), BlobError>,
}

pub(super) struct Writer {
    bucket: Arc<Bucket>,
    held: Arc<AtomicUsize>,
    /// Random, so that parts of two workers never have one name.
    id: String,
    serial: u64,
    parts: HashMap<u64, Part>,
    /// The part that is being written, by log.
    current: HashMap<LogKey, u64>,
    due: BTreeSet<(Instant, u64)>,
    under_way: JoinSet<Sent>,
    is_failing: bool,
    drained: Option<oneshot::Sender<()>>,
}

impl Writer {
    pub fn new(bucket: Arc<Bucket>, held: Arc<AtomicUsize>) -> Self {
        Self {
            bucket,
            held,
            id: Uuid::new_v4().simple().to_string().get(..8).unwrap_or_default().to_owned(),
            serial: 0,
            parts: HashMap::new(),
            current: HashMap::new(),
            due: BTreeSet::new(),
            under_way: JoinSet::new(),
            is_failing: false,
            drained: None,
        }
    }

    pub async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Command>) {
        loop {
            self.send_due();
            if self.parts.is_empty()
                && let Some(drained) = self.drained.take()
            {
                let _ = drained.send(());
            }
            let has_place = self.under_way.len() < CONCURRENCY;
            let next = self.due.first().map(|(at, _)| *at).filter(|_| has_place);
            tokio::select! {
                command = inbox.recv() => match command {
                    Some(command) => self.obey(command),
                    None => return self.give_up(),
                },
                Some(sent) = self.under_way.join_next() => match sent {
                    Ok(sent) => self.settle(sent),
                    Err(error) => tracing::error!(%error, "an upload of a task's log broke off"),
                },
                () = sleep_until(next) => {}
            }
        }
    }

    fn give_up(&self) {
        let bytes = self.held.load(Ordering::Relaxed);
        if bytes > 0 {
            tracing::error!("{bytes} bytes of tasks' logs are lost: the object store has not taken them in time");
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Append(key, began, bytes) => {
                let id = self.part_of(key, began);
                let Some(part) = self.parts.get_mut(&id) else { return };
                part.held += bytes.len();
                part.unsent.extend(bytes);
                let pause = if part.unsent.len() >= LARGE_SEGMENT { Duration::ZERO } else { part.pause };
                // Of a store that fails, the next attempt is set.
                if part.failures == 0 {
                    self.set_due(id, pause);
                }
            }
            Command::Lost(key, began, bytes) => {
                let id = self.part_of(key, began);
                if let Some(part) = self.parts.get_mut(&id) {
                    if part.lost == 0 {
                        tracing::error!(run.id = key.run.id, instance.id = %key.instance, "lines of a task's log are lost: the object store takes none");
                    }
                    part.lost += bytes;
                    self.set_due(id, LONGEST_RETRY);
                }
            }
            Command::End(key) => {
                if let Some(id) = self.current.remove(&key) {
                    self.end(id);
                }
            }
            Command::Drain(done) => {
                self.drained = Some(done);
                self.current.clear();
                let all: Vec<u64> = self.parts.keys().copied().collect();
                for id in all {
                    self.end(id);
                    // There may be no time for another attempt later.
                    self.set_due(id, Duration::ZERO);
                }
            }
        }
    }

    fn part_of(&mut self, key: LogKey, began: i64) -> u64 {
        if let Some(id) = self.current.get(&key) {
            return *id;
        }
        self.serial += 1;
        let part = Part {
            key,
            // In the order of time, as text.
            name: format!("{began:013}-{}-{:08x}", self.id, self.serial),
            unsent: Vec::new(),
            held: 0,
            segments: Vec::new(),
            sent: 0,
            lost: 0,
            ended: false,
            is_under_way: false,
            due: None,
            pause: FIRST_PAUSE,
            failures: 0,
        };
        self.parts.insert(self.serial, part);
        self.current.insert(key, self.serial);
        self.serial
    }

    fn end(&mut self, id: u64) {
        if let Some(part) = self.parts.get_mut(&id) {
            part.ended = true;
            if part.failures == 0 {
                self.set_due(id, Duration::ZERO);
            }
        }
    }

    /// Sends what there is of a part after `pause`, or earlier if that was planned.
    fn set_due(&mut self, id: u64, pause: Duration) {
        let Some(part) = self.parts.get_mut(&id) else { return };
        let at = Instant::now() + pause;
        if part.is_under_way || part.due.is_some_and(|due| due <= at) {
            return;
        }
        if let Some(due) = part.due.replace(at) {
            self.due.remove(&(due, id));
        }
        self.due.insert((at, id));
    }

    fn send_due(&mut self) {
        let now = Instant::now();
        while self.under_way.len() < CONCURRENCY {
            let Some((_, id)) = self.due.first().copied().filter(|(at, _)| *at <= now) else { return };
            self.due.pop_first();
            if let Some(part) = self.parts.get_mut(&id) {
                part.due = None;
                part.is_under_way = true;
                let held = std::mem::take(&mut part.held);
                let bytes = part.take();
                let request =
                    Request { key: part.key, name: part.name.clone(), segments: part.segments.clone(), at: part.sent };
                let (bucket, was_last) = (self.bucket.clone(), part.ended);
                self.under_way.spawn(async move {
                    let outcome = request.send(&bucket, was_last, bytes.clone()).await;
                    Sent { part: id, bytes, held, was_last, outcome }
                });
            }
        }
    }

    fn settle(&mut self, sent: Sent) {
        let Some(part) = self.parts.get_mut(&sent.part) else { return };
        part.is_under_way = false;
        match sent.outcome {
            Ok(()) => {
                self.held.fetch_sub(sent.held, Ordering::Relaxed);
                if std::mem::take(&mut self.is_failing) {
                    tracing::info!("the object store takes logs again");
                }
                if sent.was_last {
                    self.parts.remove(&sent.part);
                    return;
                }
                part.segments.push(part.sent);
                part.sent += sent.bytes.len() as u64;
                part.failures = 0;
                part.pause = (part.pause * 2).min(LONGEST_PAUSE);
                let pause = if part.ended { Duration::ZERO } else { part.pause };
                if part.ended || !part.unsent.is_empty() || part.lost > 0 {
                    self.set_due(sent.part, pause);
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut self.is_failing, true) {
                    tracing::warn!(%error, "the object store does not take logs; they are kept for a while, and sent again");
                }
                let mut bytes = sent.bytes.to_vec();
                bytes.append(&mut part.unsent);
                part.unsent = bytes;
                part.held += sent.held;
                part.failures += 1;
                let pause = FIRST_PAUSE * 2_u32.saturating_pow(part.failures.min(4) - 1);
                self.set_due(sent.part, pause.min(LONGEST_RETRY));
            }
        }
    }
}

struct Request {
    key: LogKey,
    name: String,
    segments: Vec<u64>,
    at: u64,
}

impl Request {
    async fn send(&self, bucket: &Bucket, is_last: bool, bytes: Bytes) -> Result<(), BlobError> {
        if is_last {
            return parts::put_together(bucket, &self.key, &self.name, &self.segments, &bytes).await;
        }
        // An attempt that failed may have come to its end after all: the next one has the same name, and all that it had.
        bucket.put(&parts::segment_name(&self.key, &self.name, self.at), bytes).await
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
