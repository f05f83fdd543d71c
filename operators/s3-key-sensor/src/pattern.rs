//! Keys with wildcards, and regular expressions.

use airlock_sdk::{Error, Result};
use regex_lite::Regex;

pub struct Pattern {
    regex: Regex,
    /// What every match starts with: it bounds what has to be listed.
    prefix: String,
}

impl Pattern {
    /// Python's `fnmatch`: `*` is any text, slashes included, `?` any character, `[abc]` one of these and `[!abc]` any other.
    pub fn wildcard(pattern: &str) -> Result<Self> {
        let prefix = pattern.split(['*', '?', '[']).next().unwrap_or_default().to_owned();
        let mut regex = String::from("^(?s:");
        let mut rest = pattern;
        while let Some(first) = rest.chars().next() {
            rest = &rest[first.len_utf8()..];
            match first {
                '*' => regex.push_str(".*"),
                '?' => regex.push('.'),
                '[' => rest = bracket(rest, &mut regex),
                other => regex.push_str(&regex_lite::escape(other.encode_utf8(&mut [0; 4]))),
            }
        }
        regex.push_str(")$");
        Self::new(&regex, prefix, pattern)
    }

    /// Python's `re.match`: the expression holds from the start of the key, and need not reach its end.
    pub fn regex(pattern: &str) -> Result<Self> {
        Self::new(&format!("^(?:{pattern})"), literal_prefix(pattern), pattern)
    }

    fn new(regex: &str, prefix: String, pattern: &str) -> Result<Self> {
        let regex =
            Regex::new(regex).map_err(|error| Error::fail(format!("`{pattern}` is no valid pattern: {error}")))?;
        Ok(Self { regex, prefix })
    }

    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    pub fn matches(&self, key: &str) -> bool {
        self.regex.is_match(key)
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_as_in_fnmatch() {
        let cases = [
            ("a/*.csv", "a/b.csv", true),
            ("a/*.csv", "a/b/c.csv", true),
            ("a/*.csv", "a/bxcsv", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("a[bc]d", "acd", true),
            ("a[!bc]d", "acd", false),
            ("a[!bc]d", "axd", true),
            ("a[0-9]", "a5", true),
            ("a[]]", "a]", true),
            ("a[b", "a[b", true),
            ("a[^b]", "a^", true),
            ("a+(b)", "a+(b)", true),
            ("ä*", "äö", true),
            ("A*", "a", false),
        ];
        for (pattern, key, expected) in cases {
            assert_eq!(Pattern::wildcard(pattern).unwrap().matches(key), expected, "{pattern} {key}");
        }
    }

    #[test]
    fn expressions_hold_from_the_start() {
        let matches = |pattern: &str, key: &str| Pattern::regex(pattern).unwrap().matches(key);
        assert!(matches("a.c", "abcd"));
        assert!(!matches("b", "abc"));
        assert!(matches("x|a", "abc"));
        assert!(Pattern::regex("(").is_err());
    }

    #[test]
    fn prefixes_bound_the_listing() {
        let wildcard = |pattern: &str| Pattern::wildcard(pattern).unwrap().prefix;
        let regex = |pattern: &str| Pattern::regex(pattern).unwrap().prefix;
        assert_eq!(wildcard("in/2026-*/x"), "in/2026-");
        assert_eq!(wildcard("in/[ab]"), "in/");
        assert_eq!(regex("^in/2026-\\d+"), "in/2026-");
        assert_eq!(regex("in/ab*"), "in/a");
        assert_eq!(regex("in/ab+"), "in/ab");
        assert_eq!(regex("in/a|out"), "");
    }
}
