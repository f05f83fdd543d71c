//! As much of SQL's grammar as it takes to know what is text, what is a comment, and what is neither.

use airlock_sdk::sql::Dialect;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A keyword, a name without quotes, or a number.
    Word,
    Semicolon,
    /// `:name`; the token's text has no colon.
    Name,
    /// A string, a quoted name or an operator.
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    pub kind: Kind,
    pub text: &'a str,
    /// Where the token lies in the text, in bytes, its colon included.
    pub start: usize,
    pub end: usize,
    /// How many parentheses are open round it.
    pub depth: usize,
}

/// The tokens of a text, without white space, comments and parentheses.
pub struct Lexer<'a> {
    text: &'a str,
    position: usize,
    depth: usize,
    dialect: Dialect,
}

impl<'a> Lexer<'a> {
    pub fn new(text: &'a str, dialect: Dialect) -> Self {
        Self { text, position: 0, depth: 0, dialect }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.position..]
    }

    /// Goes past the next place where `end` stands, or to the end of the text.
    fn skip_past(&mut self, from: usize, end: &str) {
        let start = self.position + from;
        self.position = self.text[start..].find(end).map_or(self.text.len(), |found| start + found + end.len());
    }

    /// Goes past a block comment. PostgreSQL's may contain others.
    fn skip_block_comment(&mut self) {
        if self.dialect != Dialect::Postgres {
            return self.skip_past(2, "*/");
        }
        let mut open = 0;
        loop {
            let rest = self.rest();
            if rest.is_empty() {
                return;
            } else if rest.starts_with("/*") {
                open += 1;
                self.position += 2;
            } else if rest.starts_with("*/") {
                open -= 1;
                self.position += 2;
                if open == 0 {
                    return;
                }
            } else {
                self.position += rest.chars().next().map_or(0, char::len_utf8);
            }
        }
    }

    /// Goes past a quoted text. A doubled quote stands for itself, and so does one after a backslash where those escape.
    fn skip_quoted(&mut self, quote: char, backslash_escapes: bool) {
        let mut characters = self.rest().char_indices().skip(1).peekable();
        while let Some((index, character)) = characters.next() {
            if character == '\\' && backslash_escapes {
                characters.next();
            } else if character == quote && characters.next_if(|(_, next)| *next == quote).is_none() {
                self.position += index + quote.len_utf8();
                return;
            }
        }
        self.position = self.text.len();
    }

    /// Goes past `$tag$ ... $tag$`, if that is what comes.
    fn skip_dollar_quoted(&mut self) -> bool {
        let rest = self.rest();
        let tag_length = rest[1..].find(|character: char| !is_word(character)).unwrap_or(rest.len() - 1);
        let starts_as_name = !rest[1..].starts_with(|character: char| character.is_ascii_digit());
        if !starts_as_name || !rest[1 + tag_length..].starts_with('$') {
            return false;
        }
        let tag = &rest[..tag_length + 2];
        self.skip_past(tag.len(), tag);
        true
    }

    fn skip_white_space_and_comments(&mut self) {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start();
            self.position += rest.len() - trimmed.len();
            if trimmed.starts_with("--") || (trimmed.starts_with('#') && self.dialect == Dialect::Mysql) {
                self.skip_past(0, "\n");
            } else if trimmed.starts_with("/*") {
                self.skip_block_comment();
            } else {
                return;
            }
        }
    }

    /// Goes past one token that starts with `first`, and says what it was.
    fn skip_token(&mut self, first: char) -> Kind {
        let mysql = self.dialect == Dialect::Mysql;
        match first {
            '\'' => self.skip_quoted('\'', mysql),
            '"' => self.skip_quoted('"', mysql),
            '`' => self.skip_quoted('`', false),
            // PostgreSQL's string with escapes.
            'e' | 'E' if self.dialect == Dialect::Postgres && self.rest()[1..].starts_with('\'') => {
                self.position += 1;
                self.skip_quoted('\'', true);
            }
            '$' if self.dialect == Dialect::Postgres && self.skip_dollar_quoted() => {}
            ';' => {
                self.position += 1;
                return Kind::Semicolon;
            }
            ':' if self.rest()[1..].starts_with(|next: char| next.is_ascii_alphabetic() || next == '_') => {
                self.position += 1;
                self.skip_word();
                return Kind::Name;
            }
            // A cast. Its second colon begins no name.
            ':' if self.rest()[1..].starts_with(':') => self.position += 2,
            _ if is_word(first) => {
                self.skip_word();
                return Kind::Word;
            }
            _ => self.position += first.len_utf8(),
        }
        Kind::Other
    }

    fn skip_word(&mut self) {
        let rest = self.rest();
        self.position += rest.find(|character: char| !is_word(character)).unwrap_or(rest.len());
    }
}

impl<'a> Iterator for Lexer<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            self.skip_white_space_and_comments();
            let start = self.position;
            let first = self.rest().chars().next()?;
            if first == '(' || first == ')' {
                self.depth = if first == '(' { self.depth + 1 } else { self.depth.saturating_sub(1) };
                self.position += 1;
                continue;
            }
            let kind = self.skip_token(first);
            let end = self.position;
            let text = &self.text[if kind == Kind::Name { start + 1 } else { start }..end];
            return Some(Token { kind, text, start, end, depth: self.depth });
        }
    }
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}
