//! End-to-end tests on the real binary, and the helpers that start services for them.
