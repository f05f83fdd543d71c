//! Prometheus' text format, read strictly: what a lenient reader would pass over is a fault here.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail, ensure};

/// What one scrape answered.
#[derive(Debug, Default)]
pub struct Scrape {
    /// Kinds of families, by name.
    pub families: BTreeMap<String, String>,
    samples: BTreeMap<(String, Labels), f64>,
}

type Labels = BTreeMap<String, String>;

impl Scrape {
    pub fn read(text: &str) -> Result<Self> {
        let mut scrape = Self::default();
        let mut current = None;
        ensure!(text.is_empty() || text.ends_with('\n'), "the last line has no end");
        for line in text.lines().filter(|line| !line.is_empty()) {
            scrape.line(line, &mut current).with_context(|| format!("in `{line}`"))?;
        }
        scrape.check_histograms()?;
        Ok(scrape)
    }

    fn line(&mut self, line: &str, current: &mut Option<String>) -> Result<()> {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').context("HELP without a text")?;
            ensure!(is_name(name) && !help.is_empty(), "HELP of nothing");
            return Ok(());
        }
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').context("TYPE without a kind")?;
            ensure!(is_name(name) && ["counter", "gauge", "histogram"].contains(&kind), "no such kind");
            ensure!(self.families.insert(name.to_owned(), kind.to_owned()).is_none(), "a family comes twice");
            *current = Some(name.to_owned());
            return Ok(());
        }
        ensure!(!line.starts_with('#'), "a comment of no kind");
        let (series, value) = line.rsplit_once(' ').context("no value")?;
        let (name, labels) = match series.split_once('{') {
            None => (series, Labels::new()),
            Some((name, rest)) => (name, labels(rest.strip_suffix('}').context("labels without an end")?)?),
        };
        ensure!(is_name(name), "`{name}` is no name");
        let family = current.as_deref().context("a sample before any family")?;
        let is_histogram = self.families.get(family).is_some_and(|kind| kind == "histogram");
        let suffix = name.strip_prefix(family).context("a sample of another family")?;
        let fits = if is_histogram { ["_bucket", "_sum", "_count"].contains(&suffix) } else { suffix.is_empty() };
        ensure!(fits, "a sample that is none of `{family}`");
        let value = value.parse::<f64>().context("the value is no number")?;
        let before = self.samples.insert((name.to_owned(), labels), value);
        ensure!(before.is_none(), "a series comes twice");
        Ok(())
    }

    /// Buckets grow up to `+Inf`, which is the count.
    fn check_histograms(&self) -> Result<()> {
        for (family, _) in self.families.iter().filter(|(_, kind)| *kind == "histogram") {
            let mut series: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
            for ((_, labels), value) in self.of(&format!("{family}_bucket")) {
                let mut labels = labels.clone();
                let bound = labels.remove("le").with_context(|| format!("a bucket of {family} without bound"))?;
                series.entry(labels).or_default().push((bound.parse()?, *value));
            }
            for (labels, mut buckets) in series {
                buckets.sort_by(|left, right| left.0.total_cmp(&right.0));
                ensure!(buckets.windows(2).all(|pair| pair[0].1 <= pair[1].1), "buckets of {family} shrink");
                let count = self.samples.get(&(format!("{family}_count"), labels));
                let last = buckets.last().filter(|last| last.0 == f64::INFINITY).map(|last| last.1);
                ensure!(last.is_some() && last == count.copied(), "{family} does not count what is below +Inf");
            }
        }
        Ok(())
    }

    fn of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a (String, Labels), &'a f64)> + 'a {
        self.samples.iter().filter(move |((found, _), _)| found == name)
    }

    /// The sum of all series of a name that have these labels; nothing is 0.
    pub fn sum(&self, name: &str, wanted: &[(&str, &str)]) -> f64 {
        let fits = |labels: &Labels| {
            wanted.iter().all(|(label, value)| labels.get(*label).is_some_and(|found| found == value))
        };
        self.of(name).filter(|((_, labels), _)| fits(labels)).map(|(_, value)| *value).sum()
    }

    /// The names of all labels.
    pub fn label_names(&self) -> BTreeSet<&str> {
        self.samples.keys().flat_map(|(_, labels)| labels.keys().map(String::as_str)).collect()
    }
}

fn is_name(text: &str) -> bool {
    let first = |letter: char| letter.is_ascii_alphabetic() || letter == '_' || letter == ':';
    text.starts_with(first) && text.chars().all(|letter| first(letter) || letter.is_ascii_digit())
}

fn labels(text: &str) -> Result<Labels> {
    let mut labels = Labels::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (name, quoted) = rest.split_once("=\"").context("a label without a value")?;
        ensure!(is_name(name), "`{name}` is no label");
        let mut value = String::new();
        let mut letters = quoted.char_indices();
        let end = loop {
            match letters.next().context("a value without an end")? {
                (end, '"') => break end,
                (_, '\\') => match letters.next().map(|(_, letter)| letter) {
                    Some('n') => value.push('\n'),
                    Some(letter @ ('\\' | '"')) => value.push(letter),
                    other => bail!("`\\{other:?}` is no escape"),
                },
                (_, letter) => value.push(letter),
            }
        };
        ensure!(labels.insert(name.to_owned(), value).is_none(), "the label `{name}` comes twice");
        let after = &quoted[end + 1..];
        rest = match after.strip_prefix(',') {
            Some(more) => more,
            None if after.is_empty() => after,
            None => bail!("something between labels: `{after}`"),
        };
    }
    Ok(labels)
}
