//! Logs in a bucket.
//!
//! Objects do not grow, and the calls of one try may happen on several workers. So a log is made of parts, one for each call that wrote
//! something, in the order in which they began; and a part of a call that goes on is made of segments, whose names say at which byte of the
//! part each begins. Once the call is over the part is written as a whole, and its segments go: a part that is there as a whole is complete.

use std::collections::BTreeMap;

use airlock_core::id::RunKey;
use chrono::{DateTime, Utc};

use super::{Arrived, LogChunk, LogKey, LogLine, LogPosition};
use crate::BlobError;
use crate::bucket::{Bucket, Listed};

/// What is read may be put together at the same time: then it is looked up again.
const ATTEMPTS: usize = 3;
const END: &str = ".jsonl";

pub(super) fn run_folder(run: RunKey) -> String {
    format!("logs/{}/{}", run.tenant, run.id)
}

pub(super) fn folder(key: &LogKey) -> String {
    format!("{}/{}/{}", run_folder(key.run), key.instance, key.try_number)
}

pub(super) fn part_name(key: &LogKey, part: &str) -> String {
    format!("{}/{part}{END}", folder(key))
}

pub(super) fn segment_name(key: &LogKey, part: &str, offset: u64) -> String {
    format!("{}/{part}/{offset:012}{END}", folder(key))
}

/// The lines that are whole, and how many bytes they take.
pub(super) fn whole_lines(bytes: &[u8]) -> (Vec<LogLine>, usize) {
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let lines = bytes.get(..whole).unwrap_or_default().split(|byte| *byte == b'\n');
    (lines.filter_map(|line| serde_json::from_slice(line).ok()).collect(), whole)
}

#[derive(Debug, Default)]
struct Part {
    /// Size, and when it came.
    whole: Option<(u64, DateTime<Utc>)>,
    /// Sizes of segments by where they begin.
    segments: BTreeMap<u64, u64>,
}

impl Part {
    /// The object that has the byte at `offset`: where it begins and ends within the part, and whether it is the whole part.
    fn at(&self, offset: u64) -> Option<(u64, u64, bool)> {
        if let Some((size, _)) = self.whole {
            return (offset < size).then_some((0, size, true));
        }
        let (start, size) = self.segments.range(..=offset).next_back()?;
        (offset < start + size).then_some((*start, start + size, false))
    }
}

/// The parts of a log by name, which is their order.
fn parts(listed: Vec<Listed>) -> BTreeMap<String, Part> {
    let mut parts: BTreeMap<String, Part> = BTreeMap::new();
    for object in listed {
        let Some(name) = object.name.strip_suffix(END) else { continue };
        match name.split_once('/') {
            None => {
                parts.entry(name.to_owned()).or_default().whole = Some((object.size, object.modified_at));
            }
            Some((part, offset)) => {
                if let Ok(offset) = offset.parse() {
                    parts.entry(part.to_owned()).or_default().segments.insert(offset, object.size);
                }
            }
        }
    }
    parts
}

fn arrived(parts: &BTreeMap<String, Part>) -> Arrived {
    let ends = parts.values().map(|part| part.whole.map(|(_, at)| at));
    let last = ends.into_iter().try_fold(DateTime::<Utc>::MIN_UTC, |last, end| Some(last.max(end?)));
    last.map_or(Arrived::NotAll, Arrived::Until)
}

pub(super) async fn read(
    bucket: &Bucket,
    key: &LogKey,
    from: &LogPosition,
    maximum: usize,
) -> Result<LogChunk, BlobError> {
    let mut attempt = 1;
    loop {
        let parts = parts(bucket.list(&folder(key)).await?);
        match read_parts(bucket, key, &parts, from, maximum).await {
            Err(error) if error.is_not_found() && attempt < ATTEMPTS => attempt += 1,
            read => return read,
        }
    }
}

async fn read_parts(
    bucket: &Bucket,
    key: &LogKey,
    parts: &BTreeMap<String, Part>,
    from: &LogPosition,
    maximum: usize,
) -> Result<LogChunk, BlobError> {
    let mut chunk = LogChunk { lines: Vec::new(), next: from.clone(), at_end: true, arrived: arrived(parts) };
    let mut left = maximum.max(1);
    for (name, part) in parts.range(from.part.clone()..) {
        if *name != chunk.next.part {
            chunk.next = LogPosition { part: name.clone(), offset: 0 };
        }
        while part.at(chunk.next.offset).is_some() {
            if left == 0 {
                chunk.at_end = false;
                return Ok(chunk);
            }
            let (lines, bytes) = read_lines(bucket, key, part, &chunk.next, left).await?;
            chunk.lines.extend(lines);
            chunk.next.offset += bytes;
            left = left.saturating_sub(usize::try_from(bytes).unwrap_or(usize::MAX));
        }
    }
    Ok(chunk)
}

/// At least one line of an object, and how many bytes were read.
async fn read_lines(
    bucket: &Bucket,
    key: &LogKey,
    part: &Part,
    at: &LogPosition,
    maximum: usize,
) -> Result<(Vec<LogLine>, u64), BlobError> {
    let Some((start, end, is_whole)) = part.at(at.offset) else { return Ok((Vec::new(), 0)) };
    let name = if is_whole { part_name(key, &at.part) } else { segment_name(key, &at.part, start) };
    let mut wanted = maximum as u64;
    loop {
        let to = end.min(at.offset.saturating_add(wanted));
        let bytes = bucket.get_range(&name, at.offset - start, to - start).await?;
        let (lines, whole) = whole_lines(&bytes);
        if whole > 0 {
            return Ok((lines, whole as u64));
        }
        if to == end {
            // Nothing that ends without a line's end is ever written; whatever it is, it is passed by.
            return Ok((Vec::new(), to - at.offset));
        }
        wanted = wanted.saturating_mul(2);
    }
}

/// Puts a part together from its segments, and from what comes after them.
pub(super) async fn put_together(
    bucket: &Bucket,
    key: &LogKey,
    part: &str,
    offsets: &[u64],
    rest: &[u8],
) -> Result<(), BlobError> {
    let names: Vec<String> = offsets.iter().map(|offset| segment_name(key, part, *offset)).collect();
    let mut bytes = Vec::new();
    for name in &names {
        match bucket.get(name).await {
            // The log was removed meanwhile.
            Err(error) if error.is_not_found() => {}
            segment => bytes.extend(segment?),
        }
    }
    bytes.extend(rest);
    bucket.put(&part_name(key, part), bytes.into()).await?;
    if let Err(error) = bucket.remove(names).await {
        tracing::warn!(%error, "segments of a log that is there as a whole are left behind, until the log goes");
    }
    Ok(())
}
