//! Modules, compiled artifacts and task logs as files.
