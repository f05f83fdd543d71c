//! `/users`: the users of the own tenant.

pub mod create;
pub mod delete;
pub mod list;
pub mod password;

use airlock_core::fault::Fault;

use crate::problem::{Answer, Problem};

/// A `/` stands between tenant and user at login.
pub fn check_username(username: &str, pointer: &str) -> Answer<()> {
    let allowed = |letter: char| !letter.is_whitespace() && !letter.is_control() && letter != '/';
    if (1..=128).contains(&username.chars().count()) && username.chars().all(allowed) {
        return Ok(());
    }
    let detail = format!("`{username}` is no user name: 1 to 128 characters without white space or `/` are");
    Err(Problem::faulty(Fault::new(pointer, detail).into()))
}

fn absent(username: &str) -> Problem {
    Problem::not_found(format!("there is no user `{username}`"))
}
