use super::wit::log as wit;
use crate::log::Level;

pub fn write(level: Level, message: &str, fields: &[(&str, &str)]) {
    let level = match level {
        Level::Debug => wit::Level::Debug,
        Level::Info => wit::Level::Info,
        Level::Warning => wit::Level::Warning,
        Level::Error => wit::Level::Error,
    };
    wit::write(level, message, &fields.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect::<Vec<_>>());
}
