//! Traces of runs: placeholder.
