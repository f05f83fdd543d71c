//! Which valid name somebody may have meant.

/// Names longer than this get no suggestion: comparing costs the product of two lengths, and documents come from strangers.
const LONGEST: usize = 64;

/// How many candidates are looked at, for the same reason.
const MOST: usize = 2_000;

/// Up to three candidates that resemble `name`, the nearest first.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let length = name.chars().count();
    if length == 0 || length > LONGEST {
        return Vec::new();
    }
    let lower = name.to_lowercase();
    // One slip in three letters is a typing error; more is another word.
    let tolerance = length.div_ceil(3);
    let mut near: Vec<(usize, &str)> = candidates
        .into_iter()
        .take(MOST)
        .filter(|candidate| candidate.len() <= LONGEST)
        .filter_map(|candidate| {
            let candidate_lower = candidate.to_lowercase();
            let distance = strsim::osa_distance(&lower, &candidate_lower);
            let contained = length > 2 && (candidate_lower.contains(&lower) || lower.contains(&candidate_lower));
            (distance <= tolerance || contained).then_some((distance, candidate))
        })
        .collect();
    near.sort();
    near.dedup();
    near.into_iter().take(3).map(|(_, candidate)| candidate.to_owned()).collect()
}

/// `; did you mean ...?` or nothing, to be put at the end of a message.
pub(crate) fn suggestion(near: &[String]) -> String {
    match near {
        [] => String::new(),
        names => {
            let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            format!("; did you mean {}?", quoted.join(" or "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn finds_typing_errors_and_parts_but_not_other_words() {
        let names = ["retries", "retry_delay", "pool", "pool_slots", "queue"];
        assert_eq!(nearest("retires", names), ["retries"]);
        assert_eq!(nearest("Pool", names), ["pool", "pool_slots"]);
        assert_eq!(nearest("zebra", names), Vec::<String>::new());
        assert_eq!(nearest("", names), Vec::<String>::new());
        assert_eq!(nearest(&"r".repeat(65), names), Vec::<String>::new());
    }
}
