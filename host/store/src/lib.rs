//! What the host asks of a database, by use case.
