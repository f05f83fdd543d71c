//! The clock behind epoch interruption: a thread that counts the engine's epoch up while something runs, and sleeps for
//! good while nothing does, for an idle host should not wake a hundred times a second.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::Thread;
use std::time::Duration;

use wasmtime::EngineWeak;

/// Ticks without a call before the thread goes to sleep: waking it costs more than a short call, so it stays up while
/// calls keep coming.
const LINGER_TICKS: u32 = 200;

#[derive(Default)]
struct Shared {
    running: AtomicUsize,
    stopped: AtomicBool,
}

pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Thread,
}

impl Ticker {
    /// The thread holds the engine weakly, and ends with it or with the ticker, whichever goes first.
    pub(crate) fn start(engine: EngineWeak, period: Duration) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let thread = std::thread::Builder::new().name("epoch-ticker".to_owned()).spawn({
            let shared = shared.clone();
            move || tick(&engine, period, &shared)
        })?;
        Ok(Self { shared, thread: thread.thread().clone() })
    }

    /// The clock runs until the guard is dropped.
    pub(crate) fn enter(&self) -> Ticking {
        if self.shared.running.fetch_add(1, Ordering::SeqCst) == 0 {
            self.thread.unpark();
        }
        Ticking(self.shared.clone())
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

pub(crate) struct Ticking(Arc<Shared>);

impl Drop for Ticking {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

fn tick(engine: &EngineWeak, period: Duration, shared: &Shared) {
    let mut idle_ticks = 0;
    while !shared.stopped.load(Ordering::SeqCst) {
        let Some(engine) = engine.upgrade() else { return };
        engine.increment_epoch();
        drop(engine);
        idle_ticks = if shared.running.load(Ordering::SeqCst) == 0 { idle_ticks + 1 } else { 0 };
        if idle_ticks < LINGER_TICKS {
            std::thread::sleep(period);
        } else {
            // An `unpark` between the look at `running` and here is not lost: it lets this pass at once.
            std::thread::park();
            idle_ticks = 0;
        }
    }
}
