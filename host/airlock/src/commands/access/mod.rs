//! `airlock login | tenants | users | tokens`.

pub mod login;
pub mod tenants;
pub mod tokens;
pub mod users;

use super::{Session, ask};
