//! The task's log. Standard output and standard error go there too, line by line.

/// How grave a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Level {
    Debug,
    Info,
    Warning,
    Error,
}

/// Writes one record, with named values beside the message.
pub fn write(level: Level, message: &str, fields: &[(&str, &str)]) {
    crate::host::log::write(level, message, fields);
}

/// Logs a message at the level of debugging, as `format!` would write it.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_debug {
    ($($message:tt)+) => { $crate::log::write($crate::log::Level::Debug, &::std::format!($($message)+), &[]) };
}

/// Logs a message, as `format!` would write it.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_info {
    ($($message:tt)+) => { $crate::log::write($crate::log::Level::Info, &::std::format!($($message)+), &[]) };
}

/// Logs a warning, as `format!` would write it.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_warning {
    ($($message:tt)+) => { $crate::log::write($crate::log::Level::Warning, &::std::format!($($message)+), &[]) };
}

/// Logs an error, as `format!` would write it. It does not end the try.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_error {
    ($($message:tt)+) => { $crate::log::write($crate::log::Level::Error, &::std::format!($($message)+), &[]) };
}

#[doc(inline)]
pub use {__log_debug as debug, __log_error as error, __log_info as info, __log_warning as warning};
