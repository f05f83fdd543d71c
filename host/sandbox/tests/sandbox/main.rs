//! The sandbox against real components: what it admits, what it runs, and what it contains.

mod calls;
mod support;
