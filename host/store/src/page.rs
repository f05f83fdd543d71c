//! Pages and patterns of lists, in the terms of Airflow's API.

/// Which part of a list, and in which order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    pub limit: u32,
    pub offset: u32,
    /// Fields in order of weight, each with `true` for descending; the list's own order decides what they leave open. Null comes
    /// last, and first when descending. A field that the list does not know is a `Conflict` that names those it knows.
    pub order_by: Vec<(String, bool)>,
}

impl Default for Page {
    fn default() -> Self {
        Self { limit: 50, offset: 0, order_by: Vec::new() }
    }
}

/// One page, and how many rows there are in all.
#[derive(Clone, Debug, PartialEq)]
pub struct Paged<T> {
    pub items: Vec<T>,
    pub total: u64,
}

/// What texts are searched for. Without anything it fits everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pattern {
    /// Any of these is a part of the text, case-insensitive. SQL's `%` and `_` are wildcards.
    pub parts: Vec<String>,
    /// The text begins with any of these, letter by letter.
    pub prefixes: Vec<String>,
}

impl Pattern {
    /// Texts with this part.
    pub fn part(text: &str) -> Self {
        Self { parts: vec![text.to_owned()], prefixes: Vec::new() }
    }

    /// Airflow's `*_pattern` and `*_prefix_pattern`: `|` is "or", `~` alone is everything. Of a prefix, what stands at its end and
    /// is no letter or digit does not count.
    pub fn new(part: Option<&str>, prefix: Option<&str>) -> Self {
        let given = |text: Option<&str>| text.filter(|text| !text.is_empty() && *text != "~").map(str::to_owned);
        let parts = given(part).map(|text| text.split('|').map(str::to_owned).collect()).unwrap_or_default();
        let stem = |text: &str| text.trim_end_matches(|letter: char| !letter.is_alphanumeric()).to_owned();
        let prefixes: Vec<String> = given(prefix).map(|text| text.split('|').map(stem).collect()).unwrap_or_default();
        // Every text begins with nothing.
        let prefixes = if prefixes.iter().any(String::is_empty) { Vec::new() } else { prefixes };
        Self { parts, prefixes }
    }

    /// The same for a text that is no column: every wildcard in a part is any text.
    pub fn fits(&self, text: &str) -> bool {
        let lower = text.to_lowercase();
        let has = |part: &String| {
            let mut rest = lower.as_str();
            part.to_lowercase().split('%').all(|piece| match rest.find(piece) {
                Some(at) => {
                    rest = rest.get(at + piece.len()..).unwrap_or_default();
                    true
                }
                None => false,
            })
        };
        (self.parts.is_empty() || self.parts.iter().any(has))
            && (self.prefixes.is_empty() || self.prefixes.iter().any(|prefix| text.starts_with(prefix.as_str())))
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn patterns_are_read_as_airflow_reads_them() {
        assert_eq!(Pattern::new(None, Some("")), Pattern::default());
        assert_eq!(Pattern::new(Some("~"), Some("~")), Pattern::default());
        assert_eq!(Pattern::new(Some("a_|b%"), None).parts, ["a_", "b%"]);
        assert_eq!(Pattern::new(None, Some("test_|s3://")).prefixes, ["test", "s3"]);
        assert_eq!(Pattern::new(None, Some("a|__")), Pattern::default());
        assert!(Pattern::part("A%c").fits("xabcx") && !Pattern::part("c%a").fits("xabcx"));
        assert!(Pattern::new(None, Some("b|xa")).fits("xab") && !Pattern::new(None, Some("X")).fits("xab"));
    }
}
