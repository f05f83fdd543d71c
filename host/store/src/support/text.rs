//! Free text on its way into a database.

use std::borrow::Cow;

/// The text without the one character that PostgreSQL cannot hold: U+0000 becomes U+FFFD. For texts that come from guests or
/// people, such as the message of a failure: a batch must not fail for ever because of what an operator says. JSON is
/// stored as text in which the character is escaped, and comes back as it was.
pub fn storable(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(text) }
}
