use crate::bindings::airlock::operator::log::{Host, Level};
use crate::capability::task::{LogLevel, LogSource};
use crate::run::state::CallState;

impl Host for CallState {
    fn write(&mut self, level: Level, message: String, fields: Vec<(String, String)>) -> wasmtime::Result<()> {
        self.host_calls += 1;
        let level = match level {
            Level::Debug => LogLevel::Debug,
            Level::Info => LogLevel::Info,
            Level::Warning => LogLevel::Warning,
            Level::Error => LogLevel::Error,
        };
        self.output.record(level, LogSource::Task, message, fields)?;
        Ok(())
    }
}
