//! How long the database takes, by what is asked of it.

use std::time::Instant;

use metrics::{Counter, Histogram};

use crate::catalogue::{DATABASE_ERRORS, DATABASE_SECONDS};

/// One kind of transaction. Measured where the shells call their store, so that the stores know nothing of it.
#[derive(Clone)]
pub struct Transaction {
    seconds: Histogram,
    errors: Counter,
}

impl Transaction {
    pub fn new(name: &'static str) -> Self {
        let errors = DATABASE_ERRORS.counter_of([name]);
        errors.increment(0);
        Self { seconds: DATABASE_SECONDS.histogram_of([name]), errors }
    }

    /// Waits for the transaction, and takes its time. One that is given up counts for nothing.
    pub async fn timed<T, E>(&self, transaction: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let began = Instant::now();
        let outcome = transaction.await;
        self.seconds.record(began.elapsed().as_secs_f64());
        if outcome.is_err() {
            self.errors.increment(1);
        }
        outcome
    }
}
