//! SPDX licence expressions: whether one can be met with a list of allowed licences.

/// Whether some choice among the expression's alternatives is allowed as a whole. The old `/` between names means `OR`.
///
/// # Errors
/// What about the expression cannot be read.
pub fn allowed(expression: &str, allow: &[String]) -> Result<bool, String> {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    let mut reader = Reader { tokens: &tokens, allow };
    let met = reader.any()?;
    if let Some(rest) = reader.tokens.first() { Err(format!("has an unexpected `{rest}`")) } else { Ok(met) }
}

struct Reader<'a> {
    tokens: &'a [&'a str],
    allow: &'a [String],
}

impl Reader<'_> {
    fn any(&mut self) -> Result<bool, String> {
        let mut met = self.all()?;
        while self.take("OR") {
            met |= self.all()?;
        }
        Ok(met)
    }

    fn all(&mut self) -> Result<bool, String> {
        let mut met = self.one()?;
        while self.take("AND") {
            met &= self.one()?;
        }
        Ok(met)
    }

    fn one(&mut self) -> Result<bool, String> {
        if self.take("(") {
            let met = self.any()?;
            return if self.take(")") { Ok(met) } else { Err("has an open parenthesis".to_owned()) };
        }
        let name = self.next()?;
        let full = if self.take("WITH") { format!("{name} WITH {}", self.next()?) } else { name.to_owned() };
        Ok(self.allow.contains(&full))
    }

    fn take(&mut self, token: &str) -> bool {
        match self.tokens.split_first() {
            Some((first, rest)) if *first == token => {
                self.tokens = rest;
                true
            }
            _ => false,
        }
    }

    fn next(&mut self) -> Result<String, String> {
        match self.tokens.split_first() {
            Some((first, rest)) if !matches!(*first, "OR" | "AND" | "WITH" | ")" | "(") => {
                self.tokens = rest;
                Ok((*first).to_owned())
            }
            Some((first, _)) => Err(format!("has `{first}` where a licence belongs")),
            None => Err("ends where a licence belongs".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_met_by_any_allowed_alternative() {
        let allow = ["MIT".to_owned(), "Apache-2.0".to_owned(), "Apache-2.0 WITH LLVM-exception".to_owned()];
        for (expression, expected) in [
            ("MIT", Ok(true)),
            ("GPL-3.0", Ok(false)),
            ("GPL-3.0 OR MIT", Ok(true)),
            ("GPL-3.0/MIT", Ok(true)),
            ("GPL-3.0 AND MIT", Ok(false)),
            ("(GPL-3.0 OR MIT) AND Apache-2.0 WITH LLVM-exception", Ok(true)),
            ("MIT WITH LLVM-exception", Ok(false)),
            ("MIT OR", Err("ends where a licence belongs".to_owned())),
            ("(MIT", Err("has an open parenthesis".to_owned())),
            ("MIT Apache-2.0", Err("has an unexpected `Apache-2.0`".to_owned())),
        ] {
            assert_eq!(allowed(expression, &allow), expected, "{expression}");
        }
    }
}
