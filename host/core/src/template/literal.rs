//! Python's `ast.literal_eval`, as far as its results have a form in JSON.
//!
//! With `render_template_as_native_obj`, a rendered text that is a Python literal becomes its value: `[1, 'a']` a list,
//! `None` null, `1_000` a number. Anything else stays the text that it is.

use serde_json::{Map, Number, Value};

/// The literal's value; none if the text is no literal.
pub(super) fn evaluate(text: &str) -> Option<Value> {
    // Python takes leading blanks for indentation, which is an error.
    if text.starts_with([' ', '\t']) {
        return None;
    }
    let mut reader = Reader { rest: text, depth: 0 };
    let first = reader.value()?;
    let mut comma = reader.skip(',');
    if !comma {
        return reader.at_end().then_some(first);
    }
    // A tuple needs no brackets: `1, 2`.
    let mut items = vec![first];
    while !reader.at_end() {
        if !comma {
            return None;
        }
        items.push(reader.value()?);
        comma = reader.skip(',');
    }
    Some(Value::Array(items))
}

/// Brackets within brackets.
const DEEPEST: usize = 100;

struct Reader<'a> {
    rest: &'a str,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r', '\u{c}']);
    }

    fn at_end(&mut self) -> bool {
        self.skip_blanks();
        self.rest.is_empty()
    }

    fn skip(&mut self, mark: char) -> bool {
        self.skip_blanks();
        match self.rest.strip_prefix(mark) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn value(&mut self) -> Option<Value> {
        self.skip_blanks();
        match self.rest.chars().next()? {
            '[' => self.bracketed('[', ']').map(|(items, _)| Value::Array(items)),
            '(' => self.tuple_or_group(),
            '{' => self.dictionary_or_set(),
            '\'' | '"' => self.strings(),
            '+' | '-' | '.' | '0'..='9' => self.number(),
            _ => self.word(),
        }
    }

    fn word(&mut self) -> Option<Value> {
        let end = self.rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        let value = match word {
            "None" => Value::Null,
            "True" => Value::Bool(true),
            "False" => Value::Bool(false),
            "r" | "R" | "u" | "U" if rest.starts_with(['\'', '"']) => return self.strings(),
            _ => return None,
        };
        self.rest = rest;
        Some(value)
    }

    /// The items, and whether a comma came after the last one.
    fn bracketed(&mut self, open: char, close: char) -> Option<(Vec<Value>, bool)> {
        self.enter(open)?;
        let mut items = Vec::new();
        let mut comma = false;
        while !self.skip(close) {
            if !items.is_empty() && !comma {
                return None;
            }
            items.push(self.value()?);
            comma = self.skip(',');
        }
        self.depth -= 1;
        Some((items, comma))
    }

    fn enter(&mut self, open: char) -> Option<()> {
        self.depth += 1;
        (self.depth <= DEEPEST && self.skip(open)).then_some(())
    }

    /// `(1)` is 1, `(1,)` a tuple.
    fn tuple_or_group(&mut self) -> Option<Value> {
        let (mut items, comma) = self.bracketed('(', ')')?;
        if items.len() == 1 && !comma { items.pop() } else { Some(Value::Array(items)) }
    }

    /// What follows the first value tells which of the two it is: nothing is read twice, however deeply nested.
    fn dictionary_or_set(&mut self) -> Option<Value> {
        self.enter('{')?;
        if self.skip('}') {
            self.depth -= 1;
            return Some(Value::Object(Map::new()));
        }
        let first = self.value()?;
        let value = if self.skip(':') { self.dictionary(&first)? } else { self.set(first)? };
        self.depth -= 1;
        Some(value)
    }

    fn dictionary(&mut self, first_key: &Value) -> Option<Value> {
        let mut members = Map::from_iter([(key_text(first_key)?, self.value()?)]);
        let mut comma = self.skip(',');
        while !self.skip('}') {
            if !comma {
                return None;
            }
            let key = self.value()?;
            if !self.skip(':') {
                return None;
            }
            members.insert(key_text(&key)?, self.value()?);
            comma = self.skip(',');
        }
        Some(Value::Object(members))
    }

    /// Of things that can be looked up, which lists and dictionaries cannot.
    fn set(&mut self, first: Value) -> Option<Value> {
        let mut items = vec![first];
        let mut comma = self.skip(',');
        while !self.skip('}') {
            if !comma {
                return None;
            }
            items.push(self.value()?);
            comma = self.skip(',');
        }
        let hashable = items.iter().all(|item| !item.is_array() && !item.is_object());
        hashable.then_some(Value::Array(items))
    }

    /// String literals that stand side by side are one.
    fn strings(&mut self) -> Option<Value> {
        let mut whole = self.string()?;
        loop {
            self.skip_blanks();
            let prefixed = self.rest.strip_prefix(['r', 'R', 'u', 'U']).unwrap_or(self.rest);
            if !prefixed.starts_with(['\'', '"']) {
                return Some(Value::String(whole));
            }
            whole.push_str(&self.string()?);
        }
    }

    fn string(&mut self) -> Option<String> {
        let raw = self.rest.starts_with(['r', 'R']);
        self.rest = self.rest.strip_prefix(['r', 'R', 'u', 'U']).unwrap_or(self.rest);
        let quote = self.rest.chars().next()?;
        let triple: String = std::iter::repeat_n(quote, 3).collect();
        let (end, body) = match self.rest.strip_prefix(&triple) {
            Some(body) => (triple, body),
            None => (quote.to_string(), self.rest.strip_prefix(quote)?),
        };
        let multi_line = end.len() == 3;
        let mut text = String::new();
        let mut rest = body;
        loop {
            if let Some(after) = rest.strip_prefix(&end) {
                self.rest = after;
                return Some(text);
            }
            let character = rest.chars().next()?;
            rest = rest.get(character.len_utf8()..)?;
            match character {
                '\n' if !multi_line => return None,
                '\\' if raw => {
                    let escaped = rest.chars().next()?;
                    text.extend(['\\', escaped]);
                    rest = rest.get(escaped.len_utf8()..)?;
                }
                '\\' => rest = escape(rest, &mut text)?,
                _ => text.push(character),
            }
        }
    }

    fn number(&mut self) -> Option<Value> {
        let unsigned = self.rest.trim_start_matches(['+', '-', ' ']);
        let signs = self.rest.get(..self.rest.len() - unsigned.len())?;
        let negative = signs.matches('-').count() % 2 == 1;
        let mut end = 0;
        for (place, character) in unsigned.char_indices() {
            let exponent_sign = matches!(character, '+' | '-')
                && unsigned.get(..place).is_some_and(|before| before.ends_with(['e', 'E']) && !is_radix(before));
            if !(character.is_ascii_alphanumeric() || matches!(character, '.' | '_') || exponent_sign) {
                break;
            }
            end = place + 1;
        }
        let (digits, rest) = (unsigned.get(..end)?, unsigned.get(end..)?);
        self.rest = rest;
        parse_number(digits, negative)
    }
}

fn key_text(key: &Value) -> Option<String> {
    match key {
        Value::String(text) => Some(text.clone()),
        Value::Array(_) | Value::Object(_) => None,
        scalar => Some(scalar.to_string()),
    }
}

fn is_radix(digits: &str) -> bool {
    digits.get(..2).is_some_and(|prefix| ["0x", "0X", "0o", "0O", "0b", "0B"].contains(&prefix))
}

/// Underscores stand between digits only.
fn parse_number(digits: &str, negative: bool) -> Option<Value> {
    let misplaced = digits.starts_with('_') || digits.ends_with('_') || digits.contains("__") || digits.contains("_.");
    if misplaced || digits.contains("._") {
        return None;
    }
    let plain = digits.replace('_', "");
    let sign = if negative { "-" } else { "" };
    let radix = match plain.get(..2).map(str::to_lowercase).as_deref() {
        Some("0x") => 16,
        Some("0o") => 8,
        Some("0b") => 2,
        _ => 10,
    };
    if radix != 10 {
        let magnitude = i64::from_str_radix(plain.get(2..)?, radix).ok()?;
        return Some(Value::from(if negative { -magnitude } else { magnitude }));
    }
    if plain.bytes().all(|byte| byte.is_ascii_digit()) {
        // Python refuses `01`, so that it stays a text.
        if plain.len() > 1 && plain.starts_with('0') && plain.bytes().any(|byte| byte != b'0') {
            return None;
        }
        let signed = format!("{sign}{plain}");
        let whole = signed.parse::<i64>().map(Number::from).or_else(|_| signed.parse::<u64>().map(Number::from));
        return whole.ok().map(Value::Number);
    }
    let float: f64 = if plain.bytes().any(|byte| byte.is_ascii_digit()) { plain.parse().ok()? } else { return None };
    Number::from_f64(if negative { -float } else { float }).map(Value::Number)
}

/// One escape sequence after its backslash; answers the text behind it.
fn escape<'a>(rest: &'a str, text: &mut String) -> Option<&'a str> {
    let letter = rest.chars().next()?;
    let after = rest.get(letter.len_utf8()..)?;
    let plain = match letter {
        '\n' => return Some(after),
        '\\' | '\'' | '"' => letter,
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'a' => '\u{7}',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'v' => '\u{b}',
        'x' => return code_point(after, 2, text),
        'u' => return code_point(after, 4, text),
        'U' => return code_point(after, 8, text),
        '0'..='7' => {
            let digits = rest.bytes().take(3).take_while(|byte| (b'0'..=b'7').contains(byte)).count();
            let code = u32::from_str_radix(rest.get(..digits)?, 8).ok()?;
            text.push(char::from_u32(code)?);
            return rest.get(digits..);
        }
        other => {
            text.push('\\');
            other
        }
    };
    text.push(plain);
    Some(after)
}

fn code_point<'a>(rest: &'a str, digits: usize, text: &mut String) -> Option<&'a str> {
    let code = u32::from_str_radix(rest.get(..digits)?, 16).ok()?;
    text.push(char::from_u32(code)?);
    rest.get(digits..)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn literals_become_their_values() {
        for (text, value) in [
            ("5", json!(5)),
            ("-5", json!(-5)),
            ("1_000", json!(1000)),
            ("0x1F", json!(31)),
            ("1.5e-3", json!(0.0015)),
            (".5", json!(0.5)),
            ("1.", json!(1.0)),
            ("0", json!(0)),
            ("True", json!(true)),
            ("None", json!(null)),
            ("'a\\n\\x41\\u00e9'", json!("a\nAé")),
            ("r'a\\n'", json!("a\\n")),
            ("'a' \"b\"", json!("ab")),
            ("'''a\nb'''", json!("a\nb")),
            ("[1, 'a', [None]]", json!([1, "a", [null]])),
            ("(1,)", json!([1])),
            ("(1)", json!(1)),
            ("()", json!([])),
            ("{'a': 1, 2: {}}", json!({"a": 1, "2": {}})),
            ("{1, 2}", json!([1, 2])),
            ("[1,\n 2,]  ", json!([1, 2])),
            ("1, 'a'", json!([1, "a"])),
            ("1,", json!([1])),
        ] {
            assert_eq!(evaluate(text), Some(value), "{text}");
        }
    }

    #[test]
    fn anything_else_is_no_literal() {
        for text in [
            "",
            " 5",
            "abc",
            "01",
            "1__0",
            "_1",
            "1 2",
            "[1",
            "[1 2]",
            "[,]",
            "{'a' 1}",
            "'a",
            "'a\nb'",
            "a.b",
            "2024-01-01",
            "1/2",
            "None None",
            "b'x'",
            "{[1]}",
            "--",
            "0x",
            "1e",
            "99999999999999999999999",
            "nan",
            "'\\ud800'",
        ] {
            assert_eq!(evaluate(text), None, "{text}");
        }
        for open in ["[", "{", "(", "{1: "] {
            assert_eq!(evaluate(&open.repeat(100_000)), None, "and soon");
        }
    }
}
