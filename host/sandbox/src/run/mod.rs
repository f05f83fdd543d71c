//! One call of an operator: a fresh store and instance, every limit at once, and a report.

mod deferral;
pub(crate) mod limiter;
pub(crate) mod meter;
pub(crate) mod output;
pub(crate) mod report;
pub(crate) mod state;

use std::sync::Arc;
use std::time::{Duration, Instant};

use airlock_core::asset::OutletEvent;
use airlock_core::digest::Digest;
use airlock_core::limits::Limits;
use airlock_core::outcome::{Failure, FailureCause, ResumeEvent, TryResult};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;
use wasmtime::component::HasSelf;
use wasmtime::{Store, UpdateDeadline};

use crate::bindings::exports::airlock::operator::task;
use crate::bindings::{Operator, OperatorPre};
use crate::capability::task::TaskContext;
use crate::capability::{Caller, Capabilities};
use crate::engine::Runtime;
use crate::limit::{Limit, LimitReached};

use meter::{CpuMeter, Metered};
use state::CallState;

/// What a call needs to know. Everything in it belongs to one try.
pub struct Call {
    pub module: Digest,
    pub entry: Entry,
    pub context: TaskContext,
    pub caller: Caller,
    pub limits: Limits,
    pub capabilities: Capabilities,
    /// Ends the call at its next wait or within a tick; the result is then a failure with the cause `Cancelled`.
    pub cancel: CancellationToken,
}

/// Which function of the operator is called.
pub enum Entry {
    Execute { arguments: Map<String, Value> },
    Resume { state: Value, event: ResumeEvent },
}

/// How a call ended, and what it used.
#[derive(Debug)]
pub struct CallReport {
    pub result: TryResult,
    /// What the operator has said of the events that its success brings about.
    pub outlet_events: Vec<OutletEvent>,
    pub usage: Usage,
    /// What the call was ended by, where the cause is a limit that it met while it ran.
    pub limit: Option<Limit>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time of the guest and of what the host computes for it.
    pub cpu: Duration,
    /// From the start of the instance to its end, without the wait for a slot.
    pub wall: Duration,
    /// Bytes of linear memory at their highest.
    pub peak_memory_bytes: u64,
    /// Bytes that counted against the limit of log bytes.
    pub log_bytes: u64,
    /// Calls of `airlock:operator` interfaces.
    pub host_calls: u64,
}

impl CallReport {
    pub(crate) fn failed(cause: FailureCause, retryable: bool, message: String) -> Self {
        let failure = Failure::new(cause, retryable, message);
        Self { result: TryResult::Failure(failure), outlet_events: Vec::new(), usage: Usage::default(), limit: None }
    }

    pub(crate) fn cancelled() -> Self {
        Self::failed(FailureCause::Cancelled, false, "the try was cancelled".to_owned())
    }
}

/// A module that is ready to be started.
pub(crate) struct Prepared {
    pub(crate) operator: OperatorPre<CallState>,
    /// Slots of the pool that an instance takes.
    pub(crate) weight: u32,
}

/// What is called, in the types of the contract.
pub(crate) enum Question {
    Describe,
    Execute(String),
    Resume(String, task::Event),
}

impl From<Entry> for Question {
    fn from(entry: Entry) -> Self {
        match entry {
            Entry::Execute { arguments } => Self::Execute(Value::Object(arguments).to_string()),
            Entry::Resume { state, event } => {
                let event = match event {
                    ResumeEvent::Fired { payload } => task::Event::Fired(payload.to_string()),
                    ResumeEvent::TimedOut => task::Event::TimedOut,
                    ResumeEvent::Failed { message } => task::Event::Failed(message),
                };
                Self::Resume(state.to_string(), event)
            }
        }
    }
}

pub(crate) enum Answer {
    Description(Box<task::Description>),
    Result(Result<task::Outcome, task::Failure>),
}

/// Why there is no answer.
pub(crate) enum Ended {
    Cancelled,
    Failed(Failure),
    AtLimit(Limit, Failure),
}

/// Everything that guests may import.
pub(crate) fn linker(runtime: &Runtime) -> wasmtime::Result<wasmtime::component::Linker<CallState>> {
    let mut linker = wasmtime::component::Linker::new(&runtime.engine);
    Operator::add_to_linker::<CallState, HasSelf<CallState>>(&mut linker, |state| state)?;
    crate::wasi::add_to_linker(&mut linker)?;
    Ok(linker)
}

/// What came of a question.
pub(crate) struct Asked {
    pub(crate) answer: Result<Answer, Ended>,
    pub(crate) outlet_events: Vec<OutletEvent>,
    pub(crate) usage: Usage,
}

/// Runs one question to its end: the answer, a limit, a trap or the cancellation, whichever comes first.
pub(crate) async fn ask(
    runtime: &Runtime,
    prepared: &Prepared,
    state: CallState,
    question: Question,
    cancel: &CancellationToken,
) -> Asked {
    let limits = state.limits.clone();
    let output = state.output.clone();
    let meter = Arc::new(CpuMeter::new());
    let _ticking = runtime.ticker.enter();
    let started = Instant::now();
    let mut store = store(runtime, state, &meter);

    let answer = {
        let conversation = Metered::new(meter.clone(), converse(&mut store, prepared, question));
        tokio::select! {
            biased;
            () = cancel.cancelled() => Err(Ended::Cancelled),
            answer = tokio::time::timeout(Duration::from_millis(limits.wall_ms), conversation) => match answer {
                Ok(Ok(answer)) => Ok(answer),
                Ok(Err(error)) => Err(report::ended(&error, &limits, runtime.options.stack_bytes, &output.finish())),
                Err(_) => {
                    let reached = started.elapsed().as_millis().try_into().unwrap_or(u64::MAX);
                    let limit = LimitReached::new(Limit::Wall, limits.wall_ms, reached, "running");
                    Err(Ended::AtLimit(Limit::Wall, report::limit_failure(&limit)))
                }
            },
        }
    };
    output.finish();
    let usage = Usage {
        cpu: meter.used(),
        wall: started.elapsed(),
        peak_memory_bytes: store.data().resources.peak_memory(),
        log_bytes: output.used(),
        host_calls: store.data().host_calls,
    };
    let outlet_events = std::mem::take(&mut store.data_mut().said.events);
    Asked { answer, outlet_events, usage }
}

fn store(runtime: &Runtime, state: CallState, meter: &Arc<CpuMeter>) -> Store<CallState> {
    let (host_call_bytes, handles) = (state.limits.host_call_bytes, state.limits.handles);
    let cpu_limit = Duration::from_millis(state.limits.cpu_ms);
    let mut store = Store::new(&runtime.engine, state);
    store.limiter(|state| &mut state.resources);
    store.set_hostcall_fuel(host_call_bytes.try_into().unwrap_or(usize::MAX));
    // A handle of the host's is counted by the table and by the component's own count, so this one only needs to catch
    // handles that a guest makes by itself.
    store.set_max_component_handles(handles as usize * 2);
    let meter = meter.clone();
    store.epoch_deadline_callback(move |_| {
        let used = meter.tick();
        if used > cpu_limit {
            let milliseconds = |time: Duration| time.as_millis().try_into().unwrap_or(u64::MAX);
            let limit = LimitReached::new(Limit::Cpu, milliseconds(cpu_limit), milliseconds(used), "computing");
            return Err(limit.into());
        }
        // Others have their turn now, however long this guest goes on.
        Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
    });
    store.set_epoch_deadline(1);
    store
}

async fn converse(store: &mut Store<CallState>, prepared: &Prepared, question: Question) -> wasmtime::Result<Answer> {
    let operator = prepared.operator.instantiate_async(&mut *store).await?;
    let task = operator.airlock_operator_task();
    Ok(match question {
        Question::Describe => Answer::Description(Box::new(task.call_describe(store).await?)),
        Question::Execute(arguments) => Answer::Result(task.call_execute(store, &arguments).await?),
        Question::Resume(state, event) => Answer::Result(task.call_resume(store, &state, &event).await?),
    })
}
