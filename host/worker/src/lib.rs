//! Claims tries, runs them in the sandbox, heartbeats, settles.
