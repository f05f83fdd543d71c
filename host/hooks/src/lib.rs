//! What the capabilities reach: SQL, HTTP and object stores, by connection.
