//! Who is asking: passwords, tokens, and the layer that knows them.

mod layer;
mod limiter;
pub mod login;
mod password;
mod token;

pub use layer::authenticate;
pub use limiter::LoginLimiter;
pub use password::{PasswordError, Passwords, hash_password};
pub use token::{NewToken, hash_token, random_password};
