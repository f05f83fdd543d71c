//! Keys of objects with wildcards, and regular expressions.

use regex::Regex;

use super::KeyMatching;

/// Keys that are waited for.
#[derive(Clone, Debug)]
pub struct KeyPattern {
    /// What every match starts with: it bounds what has to be listed.
    pub prefix: String,
    /// None: whatever has the prefix.
    regex: Option<Regex>,
}

impl KeyPattern {
    /// None for an exact key, which needs no listing.
    ///
    /// # Errors
    ///
    /// In words, if it is no valid pattern.
    pub fn new(key: &str, matching: KeyMatching) -> Result<Option<Self>, String> {
        let (prefix, regex) = match matching {
            KeyMatching::Exact => return Ok(None),
            KeyMatching::Prefix => return Ok(Some(Self { prefix: key.to_owned(), regex: None })),
            KeyMatching::Wildcard => (key.split(['*', '?', '[']).next().unwrap_or_default().to_owned(), wildcard(key)),
            KeyMatching::Regex => (literal_prefix(key), format!("^(?:{key})")),
        };
        let regex = Regex::new(&regex).map_err(|error| format!("`{key}` is no valid pattern: {error}"))?;
        Ok(Some(Self { prefix, regex: Some(regex) }))
    }

    pub fn matches(&self, key: &str) -> bool {
        match &self.regex {
            Some(regex) => regex.is_match(key),
            None => key.starts_with(&self.prefix),
        }
    }
}

/// `*` is any text, slashes included, `?` any character, `[abc]` one of these and `[!abc]` any other.
fn wildcard(pattern: &str) -> String {
    let mut regex = String::from("^(?s:");
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        rest = &rest[first.len_utf8()..];
        match first {
            '*' => regex.push_str(".*"),
            '?' => regex.push('.'),
            '[' => rest = bracket(rest, &mut regex),
            other => regex.push_str(&regex::escape(other.encode_utf8(&mut [0; 4]))),
        }
    }
    regex.push_str(")$");
    regex
}

/// Writes the class that begins after an opening bracket, and gives what follows it. Without a closing bracket, the opening
/// one stands for itself. A bracket that closes at once is part of the class.
fn bracket<'a>(rest: &'a str, regex: &mut String) -> &'a str {
    let negated = rest.starts_with('!');
    let class = &rest[usize::from(negated)..];
    let first = usize::from(class.starts_with(']'));
    let Some(end) = class[first..].find(']').map(|end| end + first) else {
        regex.push_str("\\[");
        return rest;
    };
    regex.push_str(if negated { "[^" } else { "[" });
    for character in class[..end].chars() {
        // A hyphen keeps its meaning: `[a-z]` is a range to both.
        if "\\[]^&~".contains(character) {
            regex.push('\\');
        }
        regex.push(character);
    }
    regex.push(']');
    &class[end + 1..]
}

/// The text that every match of an expression starts with. With an alternative anywhere, none is taken.
fn literal_prefix(pattern: &str) -> String {
    let pattern = pattern.strip_prefix('^').unwrap_or(pattern);
    if pattern.contains('|') {
        return String::new();
    }
    let end = pattern.find(|character| "\\.+*?()[]{}^$".contains(character)).unwrap_or(pattern.len());
    let mut prefix = pattern[..end].to_owned();
    // The last character may be there no time at all.
    if pattern[end..].starts_with(['*', '?', '{']) {
        prefix.pop();
    }
    prefix
}
